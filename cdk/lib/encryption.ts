import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import { Effect, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import type { Construct } from 'constructs';

export interface StackKeyProps {
  /** The name of the API's stage, which is the end of the name of the gateway's log group. */
  readonly stageName: string;
}

/** The KMS key for all data, secrets, logs and alarms of a stack. */
export class StackKey extends Key {
  constructor(scope: Construct, id: string, { stageName }: StackKeyProps) {
    const { stackName, region, account, partition } = Stack.of(scope);
    super(scope, id, {
      description: `Data, secrets, logs and alarms of ${stackName}`,
      enableKeyRotation: true,
      removalPolicy: RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    });
    const groups = [`*${stackName}*`, `API-Gateway-Execution-Logs_*/${stageName}`, '/aws/rds/cluster/*'];
    // In a key's policy, `*` is this key.
    this.addToResourcePolicy(
      new PolicyStatement({
        sid: 'Logs',
        effect: Effect.ALLOW,
        principals: [new ServicePrincipal(`logs.${region}.amazonaws.com`)],
        actions: ['kms:Encrypt*', 'kms:Decrypt*', 'kms:ReEncrypt*', 'kms:GenerateDataKey*', 'kms:Describe*'],
        resources: ['*'],
        conditions: {
          ArnLike: {
            'kms:EncryptionContext:aws:logs:arn': groups.map(
              (name) => `arn:${partition}:logs:${region}:${account}:log-group:${name}`,
            ),
          },
        },
      }),
    );
    for (const statement of alarmServices(account)) {
      statement.addActions('kms:Decrypt', 'kms:GenerateDataKey*');
      statement.addResources('*');
      this.addToResourcePolicy(statement);
    }
  }
}

/** The services that publish alarms to an encrypted topic, as statements that still need actions and resources. */
export function alarmServices(account: string): PolicyStatement[] {
  const principals = (...services: string[]) =>
    services.map((service) => new ServicePrincipal(`${service}.amazonaws.com`));
  return [
    new PolicyStatement({
      sid: 'Alarms',
      principals: principals('cloudwatch', 'budgets'),
      conditions: { StringEquals: { 'aws:SourceAccount': account } },
    }),
    // EventBridge sends no source account.
    new PolicyStatement({ sid: 'Events', principals: principals('events') }),
  ];
}
