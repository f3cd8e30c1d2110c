import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import type { ISecurityGroup } from 'aws-cdk-lib/aws-ec2';
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  Architecture,
  type CfnFunction,
  Function as LambdaFunction,
  type FunctionOptions as LambdaOptions,
  LoggingFormat,
  Runtime,
} from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import { compiled } from './code.ts';
import { logGroup } from './logs.ts';
import type { Platform } from './platform.ts';
import type { LogLevel } from './settings.ts';

/** Options for log groups that the library would create; here the stack has its own. */
type OthersLogs = 'logFormat' | 'logRemovalPolicy' | 'logRetention' | 'logRetentionRetryOptions' | 'logRetentionRole';

/**
 * Options that any function may have: all options of the library's functions. They override the defaults here, except
 * variables and statements of `initialPolicy`, which are added.
 */
export interface CommonOptions extends Omit<LambdaOptions, OthersLogs> {
  readonly logLevel?: LogLevel;
}

export interface RustFunctionProps extends CommonOptions {
  readonly platform: Platform;
  /** The name of the binary, which is the end of the function's name. */
  readonly binary: string;
  /** The function's place in the stack's network; without it, the function is in no network unless `vpc` is set. */
  readonly securityGroup?: ISecurityGroup | undefined;
  /** Permissions in addition to those that every function has. */
  readonly rights: readonly PolicyStatement[];
}

/** The name of a function in AWS. */
export function functionName(scope: Construct, props: Pick<RustFunctionProps, 'binary' | 'functionName'>): string {
  return props.functionName ?? `${Stack.of(scope).stackName}-${props.binary}`;
}

/** A Lambda function of this project, with its own role and log group and the common settings. */
export function rustFunction(scope: Construct, id: string, props: RustFunctionProps): LambdaFunction {
  const { platform, binary, securityGroup, rights, logLevel, initialPolicy = [], ...given } = props;
  const { stackName, partition, region, account } = Stack.of(scope);
  const name = functionName(scope, props);
  const logs = given.logGroup ?? logGroup(scope, `${id}LogGroup`, `/aws/lambda/${name}`, platform.logs);
  const key = given.environmentEncryption ?? platform.key;
  const isInNetwork = given.vpc !== undefined || securityGroup !== undefined;
  // A function outside of the network ignores the common subnets and groups.
  const { vpcSubnets, securityGroups, allowAllOutbound, ...outside } = given;
  const ours =
    securityGroup && !given.vpc
      ? { vpc: platform.network.vpc, vpcSubnets: platform.network.subnets, securityGroups: [securityGroup] }
      : {};

  const arn = `arn:${partition}:lambda:${region}:${account}:function:${name}`;
  const statements = [
    new PolicyStatement({
      sid: 'Log',
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      resources: [logs.logGroupRef.logGroupArn],
    }),
    new PolicyStatement({
      sid: 'ReadItsVariables',
      actions: ['kms:Decrypt'],
      resources: [key.keyRef.keyArn],
      conditions: { ArnLike: { 'kms:EncryptionContext:aws:lambda:FunctionArn': [arn, `${arn}:*`] } },
    }),
    ...rights,
    ...initialPolicy,
  ];
  const managedPolicies = [platform.policy, ...(isInNetwork ? [platform.networkPolicy] : [])];
  if (given.role) {
    for (const policy of managedPolicies) given.role.addManagedPolicy(policy);
    for (const statement of statements) given.role.addToPrincipalPolicy(statement);
  }
  // An inline policy: a separate policy would be one more resource for each function.
  const role =
    given.role ??
    new Role(scope, `${id}Role`, {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      managedPolicies,
      inlinePolicies: { [binary]: new PolicyDocument({ statements }) },
    });

  const handler = new LambdaFunction(scope, id, {
    functionName: name,
    runtime: Runtime.PROVIDED_AL2023,
    architecture: Architecture.ARM_64,
    handler: 'bootstrap',
    code: compiled(scope, binary),
    memorySize: 256,
    // Functions write JSON lines, including metrics, and filter by level themselves. With Lambda's JSON format there
    // would be a second filter, which drops the debug lines of sampled requests.
    loggingFormat: LoggingFormat.TEXT,
    environmentEncryption: key,
    ...ours,
    ...(isInNetwork ? given : outside),
    role,
    logGroup: logs,
    environment: {
      POWERTOOLS_SERVICE_NAME: stackName,
      POWERTOOLS_LOG_LEVEL: logLevel ?? 'INFO',
      ...given.environment,
    },
    // Old versions are retained, so that an alias can be rolled back.
    currentVersionOptions: { removalPolicy: RemovalPolicy.RETAIN, ...given.currentVersionOptions },
  });
  // The library would add the tracing permission to each role; `FunctionPolicy` has it for all of them.
  if (!given.tracing) (handler.node.defaultChild as CfnFunction).tracingConfig = { mode: 'Active' };
  return handler;
}
