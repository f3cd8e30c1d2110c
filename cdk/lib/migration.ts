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
  /** The database's statement timeout for the two roles. */
  readonly statementTimeoutSeconds: number;
}

/**
 * Migrates the database while CloudFormation updates the stack. Resources that depend on it change afterwards, and not
 * at all if it fails. The same function deletes expired idempotency keys on a schedule.
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
      // Lambda's maximum: a backfill continues in the next deployment.
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
        // Connects as the owner, and never through the proxy.
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
      // Changes with the function, and so with the SQL files that it contains.
      properties: {
        Version: migrate.currentVersion.functionArn,
        // Functions need a proxy that is connected to the database.
        Proxy: database.proxyTargets?.ref ?? 'none',
      },
    });
    // It connects to the instance, and reads the password and responds through the endpoints.
    migration.node.addDependency(database.cluster, ...database.ways, network.vpc, ...network.endpoints);

    // Idempotency keys expire after a day. Every write deletes a few expired ones; this deletes them if there are no
    // writes. It must not wake a sleeping database every hour.
    const forget = new Rule(this, 'Forget', {
      description: 'Has migrate delete idempotency keys that have expired.',
      schedule: Schedule.rate(Duration.hours(database.isProxied ? 1 : 12)),
      targets: [new LambdaFunction(alias, { event: RuleTargetInput.fromObject({ action: 'forget' }) })],
    });
    forget.node.addDependency(migration);
  }
}
