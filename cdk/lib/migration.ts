import { CustomResource, Duration, Stack } from 'aws-cdk-lib';
import { Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Alias } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { DATABASE_NAME } from './database.ts';
import { type CommonOptions, rustFunction } from './function.ts';
import type { Platform } from './platform.ts';

export interface MigrationProps extends CommonOptions {
  readonly platform: Platform;
  /** Beyond this, the database ends a statement of the two roles. */
  readonly statementTimeoutSeconds: number;
}

/**
 * Brings the database up to date while CloudFormation updates the stack. What depends on it changes afterwards, and not
 * at all when it fails. The same function forgets what has expired, on a schedule.
 */
export class Migration extends Construct {
  constructor(scope: Construct, id: string, props: MigrationProps) {
    super(scope, id);
    const { platform } = props;
    const { database, network } = platform;
    const { region } = Stack.of(this);

    const migrate = rustFunction(this, 'Migrate', {
      ...props,
      description: 'Brings the database up to date in each deployment',
      binary: 'migrate',
      // Lambda's longest: a backfill goes on in the next deployment.
      timeout: Duration.minutes(15),
      securityGroup: network.migrateSecurityGroup,
      rights: [
        new PolicyStatement({
          sid: 'ReadTheOwnersPassword',
          actions: ['secretsmanager:GetSecretValue'],
          resources: [database.ownerSecretArn],
        }),
        new PolicyStatement({
          sid: 'DecryptTheOwnersPassword',
          actions: ['kms:Decrypt'],
          resources: [platform.key.keyArn],
          conditions: { StringEquals: { 'kms:ViaService': `secretsmanager.${region}.amazonaws.com` } },
        }),
      ],
      environment: {
        ...props.environment,
        // The owner, and never through the proxy.
        DB_SECRET_ARN: database.ownerSecretArn,
        DB_HOST: database.cluster.clusterEndpoint.hostname,
        DB_NAME: DATABASE_NAME,
        STATEMENT_TIMEOUT_SECONDS: String(props.statementTimeoutSeconds),
      },
    });
    const alias = new Alias(this, 'MigrateAlias', { aliasName: 'live', version: migrate.currentVersion });

    const migration = new CustomResource(this, 'Migration', {
      resourceType: 'Custom::Migration',
      serviceToken: alias.functionArn,
      serviceTimeout: Duration.minutes(16),
      // Changes with the function, and so with the SQL files in it.
      properties: {
        Version: migrate.currentVersion.functionArn,
        // Functions find a proxy that has its database.
        Proxy: database.proxyTargets?.ref ?? 'none',
      },
    });
    // It connects to the instance, reads the password and answers through the endpoints.
    migration.node.addDependency(database.cluster, ...database.ways, network.vpc, ...network.endpoints);

    // Idempotency keys expire after a day: every write forgets a few, this forgets them where nobody writes. A database
    // that sleeps is not woken for it every hour.
    const forget = new Rule(this, 'Forget', {
      description: 'Has migrate delete idempotency keys that have expired.',
      schedule: Schedule.rate(Duration.hours(database.isProxied ? 1 : 12)),
      targets: [new LambdaFunction(alias, { event: RuleTargetInput.fromObject({ action: 'forget' }) })],
    });
    forget.node.addDependency(migration);
  }
}
