import { CustomResource, Duration, Stack } from 'aws-cdk-lib';
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
 * at all when it fails.
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
      timeoutSeconds: 300,
      securityGroup: network.migrateSecurityGroup,
      environment: {
        ...props.environment,
        // The owner, and never through the proxy.
        DB_SECRET_ARN: database.ownerSecretArn,
        DB_HOST: database.cluster.clusterEndpoint.hostname,
        DB_NAME: DATABASE_NAME,
        STATEMENT_TIMEOUT_SECONDS: String(props.statementTimeoutSeconds),
      },
    });
    migrate.addToRolePolicy(
      new PolicyStatement({
        sid: 'ReadTheOwnersPassword',
        actions: ['secretsmanager:GetSecretValue'],
        resources: [database.ownerSecretArn],
      }),
    );
    migrate.addToRolePolicy(
      new PolicyStatement({
        sid: 'DecryptTheOwnersPassword',
        actions: ['kms:Decrypt'],
        resources: [platform.key.keyArn],
        conditions: { StringEquals: { 'kms:ViaService': `secretsmanager.${region}.amazonaws.com` } },
      }),
    );
    const alias = new Alias(this, 'MigrateAlias', { aliasName: 'live', version: migrate.currentVersion });

    const migration = new CustomResource(this, 'Migration', {
      resourceType: 'Custom::Migration',
      serviceToken: alias.functionArn,
      serviceTimeout: Duration.minutes(6),
      // Changes with the function, and so with the SQL files in it.
      properties: {
        Version: migrate.currentVersion.functionArn,
        // Functions find a proxy that has its database.
        Proxy: database.proxyTargets?.ref ?? 'none',
      },
    });
    // It connects to the instance, reads the password and answers through the endpoints.
    migration.node.addDependency(database.cluster, network.vpc, ...network.endpoints);
  }
}
