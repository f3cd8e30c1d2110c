import { CfnOutput, Duration, Stack, type StackProps, Tags } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import { Cache } from './cache.ts';
import { CatalogApi } from './catalog-api.ts';
import { Database } from './database.ts';
import { StackKey } from './encryption.ts';
import { OPERATIONS } from './generated/operations.gen.ts';
import { TITLE } from './generated/project.gen.ts';
import type { Pattern } from './integrations.ts';
import { Migration } from './migration.ts';
import { Network } from './network.ts';
import { Observability } from './observability.ts';
import { Platform } from './platform.ts';
import { checked, type Settings } from './settings.ts';
import { Waf } from './waf.ts';

export interface ApiStackProps extends StackProps {
  readonly settings: Settings;
  /** How operations are assigned to functions; `isolated` by default. */
  readonly pattern?: Pattern;
}

/** The complete API of one stage. */
export class ApiStack extends Stack {
  readonly api: CatalogApi;
  readonly network: Network;
  readonly database: Database;
  readonly cache: Cache | undefined;
  readonly observability: Observability;

  constructor(scope: Construct, id: string, { settings: given, pattern = 'isolated', ...props }: ApiStackProps) {
    const settings = checked(given);
    if (pattern === 'shared' && settings.cache === 'writes') {
      throw new Error('pattern shared has one function, which reads and writes: cache is true or false');
    }
    super(scope, id, {
      description: `${TITLE}: a catalogue API, one function per operation.`,
      terminationProtection: settings.stage === 'prod',
      ...props,
    });
    // The budget filters costs by this tag.
    Tags.of(this).add('project', this.stackName);

    const key = new StackKey(this, 'Key', { stageName: settings.stage });
    const logs = { ...settings, key };
    this.observability = new Observability(this, 'Observability', { ...settings, key });
    this.network = new Network(this, 'Network', {
      ...logs,
      endpointZones: settings.profile === 'proxy' ? 2 : 1,
    });
    this.database = new Database(this, 'Database', {
      ...logs,
      network: this.network,
      deletionProtection: settings.stage === 'prod',
    });
    this.cache = settings.cache ? new Cache(this, 'Cache', { network: this.network, key }) : undefined;
    const platform = new Platform(this, 'Platform', {
      logs,
      network: this.network,
      database: this.database,
      cache: this.cache,
      cacheIsRead: settings.cache === true,
      alarmTopic: this.observability.alarmTopic,
    });

    const { memorySize, logLevel, functionTimeout } = settings;
    const common = { memorySize, logLevel };
    const migration = new Migration(this, 'Migrations', {
      ...common,
      platform,
      statementTimeoutSeconds: functionTimeout,
    });
    // 0 means no reservation, for which the library needs undefined.
    const reserving = (concurrency: number) => ({ reservedConcurrentExecutions: concurrency || undefined });
    const integrations = CatalogApi.defaultIntegrations(this, pattern)
      .withDefaultOptions({
        ...common,
        platform,
        // Functions of a new release require its schema.
        after: [migration],
        timeout: Duration.seconds(functionTimeout),
        requireIfMatch: settings.requireIfMatch,
        secretsGeneration: settings.secretsGeneration,
        deploymentPreference: settings.deploymentPreference,
        failureThreshold: settings.failureThreshold,
      })
      .withRoleOptions({
        reader: reserving(settings.readerConcurrency),
        writer: reserving(settings.writerConcurrency),
        none: reserving(settings.documentConcurrency),
      })
      .build();

    this.api = new CatalogApi(this, 'Gateway', {
      ...logs,
      access: settings,
      integrations,
      stageName: settings.stage,
    });
    this.observability.watchApi(this.api.restApi);
    this.observability.watchFunctions(functionTimeout);
    this.observability.watchDatabase(this.database, settings.maxConnections);
    if (this.cache) this.observability.watchCache();
    // EventBridge signs with IAM, sends no API key, and calls from addresses that are not known.
    const canBeAsked = settings.authMode !== 'cognito' && !settings.apiKeys && settings.allowedIpRanges.length === 0;
    // The check would keep the database from sleeping.
    if (canBeAsked && this.database.isProxied) {
      this.observability.watchHealth(this.api.arnOf(OPERATIONS.getHealth.routes[0]));
    }
    this.observability.addDashboard(settings.stage, this.database);
    const stage = this.api.restApi.deploymentStage;
    if (settings.waf) new Waf(this, 'Waf', { ...logs, stage });
    else acknowledge(stage, 'APIG3', 'AWS WAF is billed per rule and request: a stage that needs it sets `waf`.');

    this.output('Url', 'The API.', this.api.url);
    if (settings.domain)
      this.output('DomainUrl', 'The API at its own domain.', `https://${settings.domain.domainName}`);
    this.output('AuthMode', 'Who may call.', settings.authMode);
    if (this.api.apiKey) this.output('ApiKeyId', 'The key of the usage plan.', this.api.apiKey.keyId);
    this.output('ApiId', 'For policies of callers, see api/policies.json.', this.api.restApi.restApiId);
    this.output('AlarmTopic', 'Where alarms go.', this.observability.alarmTopic.topicArn);
    this.output('OwnerSecret', "The password of the database's owner.", this.database.ownerSecretArn);
  }

  private output(name: string, description: string, value: string): void {
    // A construct may already have this name; only CloudFormation has a separate namespace for outputs.
    new CfnOutput(this, `Output${name}`, { description, value }).overrideLogicalId(name);
  }
}
