import { Duration, Stack } from 'aws-cdk-lib';
import type { ISecurityGroup } from 'aws-cdk-lib/aws-ec2';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Architecture, Function as LambdaFunction, LoggingFormat, Runtime, Tracing } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import { compiled } from './code.ts';
import { logGroup } from './logs.ts';
import type { Platform } from './platform.ts';
import type { LogLevel } from './settings.ts';

/** What any function has. */
export interface CommonOptions {
  readonly description?: string;
  /** MiB. */
  readonly memorySize?: number;
  readonly logLevel?: LogLevel;
  /** Further variables. */
  readonly environment?: { readonly [name: string]: string };
}

export interface RustFunctionProps extends CommonOptions {
  readonly platform: Platform;
  /** Name of the binary; the function's name ends with it. */
  readonly binary: string;
  readonly timeoutSeconds: number;
  /** Where it is in the network; outside of it without one. */
  readonly securityGroup?: ISecurityGroup | undefined;
  readonly reservedConcurrency?: number | undefined;
}

/** A Lambda function of this project: its own role and log group, and the settings that all of them have. */
export function rustFunction(scope: Construct, id: string, props: RustFunctionProps): LambdaFunction {
  const { platform, binary } = props;
  const { stackName, partition, region, account } = Stack.of(scope);
  const name = `${stackName}-${binary}`;
  const logs = logGroup(scope, `${id}LogGroup`, `/aws/lambda/${name}`, platform);
  const role = new Role(scope, `${id}Role`, {
    assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
    managedPolicies: [platform.policy, ...(props.securityGroup ? [platform.networkPolicy] : [])],
  });
  role.addToPolicy(
    new PolicyStatement({
      sid: 'Log',
      actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      resources: [logs.logGroupArn],
    }),
  );
  const arn = `arn:${partition}:lambda:${region}:${account}:function:${name}`;
  role.addToPolicy(
    new PolicyStatement({
      sid: 'ReadItsVariables',
      actions: ['kms:Decrypt'],
      resources: [platform.key.keyArn],
      conditions: { ArnLike: { 'kms:EncryptionContext:aws:lambda:FunctionArn': [arn, `${arn}:*`] } },
    }),
  );
  acknowledge(role, 'IAM5', 'X-Ray has no resources to name.', 'Resource::*');
  return new LambdaFunction(scope, id, {
    functionName: name,
    ...(props.description ? { description: props.description } : {}),
    runtime: Runtime.PROVIDED_AL2023,
    architecture: Architecture.ARM_64,
    handler: 'bootstrap',
    code: compiled(scope, binary),
    role,
    memorySize: props.memorySize ?? 256,
    timeout: Duration.seconds(props.timeoutSeconds),
    tracing: Tracing.ACTIVE,
    logGroup: logs,
    // Functions write JSON lines, metrics among them, and filter by level themselves. With Lambda's format JSON there
    // would be a second filter, which drops what a sample rate lets through.
    loggingFormat: LoggingFormat.TEXT,
    environmentEncryption: platform.key,
    environment: {
      POWERTOOLS_SERVICE_NAME: stackName,
      POWERTOOLS_LOG_LEVEL: props.logLevel ?? 'INFO',
      ...props.environment,
    },
    ...(props.securityGroup
      ? { vpc: platform.network.vpc, vpcSubnets: platform.network.subnets, securityGroups: [props.securityGroup] }
      : {}),
    ...(props.reservedConcurrency ? { reservedConcurrentExecutions: props.reservedConcurrency } : {}),
  });
}
