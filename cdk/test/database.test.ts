import { Match, Template } from 'aws-cdk-lib/assertions';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { describe, expect, test } from 'vitest';
import { ground } from './stacks.ts';

const PROXY = { profile: 'proxy', minCapacity: 1 } as const;

describe('any database', () => {
  const template = Template.fromStack(ground({ maxConnections: 123, backupRetentionDays: 9 }).stack);

  test('is encrypted, backed up, and kept as a snapshot', () => {
    template.hasResource('AWS::RDS::DBCluster', {
      DeletionPolicy: 'Snapshot',
      UpdateReplacePolicy: 'Snapshot',
      Properties: Match.objectLike({
        Engine: 'aurora-postgresql',
        StorageEncrypted: true,
        KmsKeyId: Match.anyValue(),
        BackupRetentionPeriod: 9,
        CopyTagsToSnapshot: true,
      }),
    });
  });

  test('has a password that RDS keeps and rotates, and no other', () => {
    template.hasResourceProperties('AWS::RDS::DBCluster', {
      ManageMasterUserPassword: true,
      MasterUserPassword: Match.absent(),
      EnableIAMDatabaseAuthentication: true,
    });
    template.resourceCountIs('AWS::SecretsManager::Secret', 0);
  });

  test('wants TLS and logs no data', () => {
    template.hasResourceProperties('AWS::RDS::DBClusterParameterGroup', {
      Family: 'aurora-postgresql17',
      Parameters: {
        'rds.force_ssl': '1',
        max_connections: '123',
        log_statement: 'ddl',
        log_parameter_max_length: '0',
        log_parameter_max_length_on_error: '0',
      },
    });
  });
});

describe('with profile scale-to-zero', () => {
  const { stack, database } = ground();
  const role = new Role(stack, 'Reader', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
  database.grantConnectAs(role, 'reader');
  const template = Template.fromStack(stack);

  test('the database sleeps, and nothing keeps it awake', () => {
    template.hasResourceProperties('AWS::RDS::DBCluster', {
      ServerlessV2ScalingConfiguration: { MinCapacity: 0, SecondsUntilAutoPause: 300 },
      EnableCloudwatchLogsExports: Match.absent(),
      DeletionProtection: false,
    });
    template.resourceCountIs('AWS::RDS::DBProxy', 0);
    template.resourceCountIs('AWS::RDS::DBInstance', 1);
    template.allResourcesProperties('AWS::RDS::DBInstance', { EnablePerformanceInsights: false });
  });

  test('functions connect to the cluster, as one role', () => {
    template.hasResourceProperties('AWS::IAM::Policy', {
      PolicyDocument: {
        Statement: [
          {
            Sid: 'ConnectAsReader',
            Effect: 'Allow',
            Action: 'rds-db:connect',
            Resource: {
              'Fn::Join': [
                '',
                Match.arrayWith([
                  { 'Fn::GetAtt': [Match.stringLikeRegexp('^DatabaseCluster'), 'DBClusterResourceId'] },
                  '/catalog_reader',
                ]),
              ],
            },
          },
        ],
      },
    });
  });
});

describe('with profile proxy', () => {
  const { stack, database } = ground({ ...PROXY, deletionProtection: true, proxyConnectionsPercent: 60 });
  const role = new Role(stack, 'Writer', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
  database.grantConnectAs(role, 'writer');
  const template = Template.fromStack(stack);

  test('the proxy has no password, and gives up before a function does', () => {
    template.hasResourceProperties('AWS::RDS::DBProxy', {
      DefaultAuthScheme: 'IAM_AUTH',
      Auth: Match.absent(),
      RequireTLS: true,
    });
    template.hasResourceProperties('AWS::RDS::DBProxyTargetGroup', {
      ConnectionPoolConfigurationInfo: { MaxConnectionsPercent: 60, ConnectionBorrowTimeout: 2 },
    });
  });

  test('another instance takes over', () => {
    template.resourceCountIs('AWS::RDS::DBInstance', 2);
    template.allResourcesProperties('AWS::RDS::DBInstance', {
      DBInstanceClass: 'db.serverless',
      PubliclyAccessible: false,
      EnablePerformanceInsights: true,
    });
  });

  test('the database is protected, awake and logged', () => {
    template.hasResourceProperties('AWS::RDS::DBCluster', {
      DeletionProtection: true,
      ServerlessV2ScalingConfiguration: { MinCapacity: 1, SecondsUntilAutoPause: Match.absent() },
      EnableCloudwatchLogsExports: ['postgresql'],
    });
  });

  test('functions connect to the proxy', () => {
    const arn = JSON.stringify(stack.resolve(database.connectStatement('writer').resources));
    expect(arn).toContain('DBProxyArn');
    expect(arn).toContain('/catalog_writer');
    expect(JSON.stringify(stack.resolve(database.host))).toContain('DatabaseProxy');
  });
});
