import { Stack } from 'aws-cdk-lib';
import { type ILambdaApplication, LambdaApplication } from 'aws-cdk-lib/aws-codedeploy';
import {
  Effect,
  type IManagedPolicy,
  type IRole,
  ManagedPolicy,
  PolicyStatement,
  Role,
  ServicePrincipal,
} from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import type { Cache } from './cache.ts';
import type { Database, DatabaseRole } from './database.ts';
import type { LogSettings } from './logs.ts';
import type { Network } from './network.ts';

export interface PlatformProps {
  /** The settings of the functions' logs. */
  readonly logs: LogSettings;
  readonly network: Network;
  readonly database: Database;
  readonly cache?: Cache | undefined;
  /** Whether functions read the cache, or only update it when they write. */
  readonly cacheIsRead?: boolean;
  /** The topic for alarms. */
  readonly alarmTopic: ITopic;
}

/** The resources that the functions of a stack share. */
export class Platform extends Construct {
  readonly key: IKey;
  readonly logs: LogSettings;
  readonly network: Network;
  readonly database: Database;
  readonly alarmTopic: ITopic;
  /** The managed policy of every function. */
  readonly policy: IManagedPolicy;
  /** The managed policy of functions in the network. */
  readonly networkPolicy: IManagedPolicy;
  /** The secret with which the cursors of lists are authenticated. */
  readonly cursorKey: ISecret;
  /** The CodeDeploy application that shifts traffic to new versions. */
  readonly application: ILambdaApplication;
  readonly deploymentRole: IRole;
  readonly #cache: Cache | undefined;
  readonly #cacheIsRead: boolean;

  constructor(scope: Construct, id: string, props: PlatformProps) {
    super(scope, id);
    this.key = props.logs.key;
    this.logs = props.logs;
    this.network = props.network;
    this.database = props.database;
    this.#cache = props.cache;
    this.#cacheIsRead = props.cacheIsRead ?? true;
    this.alarmTopic = props.alarmTopic;

    const { partition, region, account, stackName } = Stack.of(this);
    const functions = `arn:${partition}:lambda:${region}:${account}:function:${stackName}-*`;
    const networking = [
      'ec2:CreateNetworkInterface',
      'ec2:DeleteNetworkInterface',
      'ec2:DescribeNetworkInterfaces',
      'ec2:DescribeSubnets',
      'ec2:AssignPrivateIpAddresses',
      'ec2:UnassignPrivateIpAddresses',
    ];
    this.policy = new ManagedPolicy(this, 'FunctionPolicy', {
      description: 'For every function of the stack',
      statements: [
        new PolicyStatement({
          sid: 'Trace',
          actions: ['xray:PutTraceSegments', 'xray:PutTelemetryRecords'],
          resources: ['*'],
        }),
      ],
    });
    acknowledge(this.policy, 'IAM5', 'X-Ray has no resources to name.', 'Resource::*');
    this.networkPolicy = new ManagedPolicy(this, 'NetworkPolicy', {
      description: 'For the functions of the stack that are in its network',
      statements: [
        // Lambda creates network interfaces with the function's role, before they have an ARN.
        new PolicyStatement({ sid: 'JoinTheNetwork', actions: networking, resources: ['*'] }),
        // Only Lambda may do this: a Deny of the same scope applies to the functions' code.
        new PolicyStatement({
          sid: 'ButNotByCode',
          effect: Effect.DENY,
          actions: networking,
          resources: ['*'],
          conditions: { ArnLike: { 'lambda:SourceFunctionArn': functions } },
        }),
      ],
    });
    acknowledge(
      this.networkPolicy,
      'IAM5',
      'The interfaces that Lambda creates have no ARNs yet; the code of functions may not create any.',
      'Resource::*',
    );
    this.cursorKey = new Secret(this, 'CursorKey', {
      description: 'What the cursors of lists are authenticated with',
      encryptionKey: this.key,
      generateSecretString: { passwordLength: 48, excludePunctuation: true },
    });
    acknowledge(
      this.cursorKey,
      'SMG4',
      'It authenticates cursors, and nothing else. It is rotated manually, in steps that keep cursors valid.',
    );
    this.application = new LambdaApplication(this, 'Deployments');
    this.deploymentRole = new Role(this, 'DeploymentRole', {
      assumedBy: new ServicePrincipal('codedeploy.amazonaws.com'),
      managedPolicies: [ManagedPolicy.fromAwsManagedPolicyName('service-role/AWSCodeDeployRoleForLambdaLimited')],
    });
    acknowledge(
      this.deploymentRole,
      'IAM4',
      'AWS maintains the policy that CodeDeploy needs to shift the traffic of functions.',
      'Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSCodeDeployRoleForLambdaLimited',
    );
  }
  /** The variables for a function of `roles` that uses the cache; empty if it does not. */
  cacheEnvironment(roles: readonly DatabaseRole[]): { readonly [name: string]: string } {
    return this.#cache && (this.#cacheIsRead || roles.includes('writer')) ? this.#cache.environment : {};
  }
}
