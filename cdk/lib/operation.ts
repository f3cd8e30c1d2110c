import { Duration, Stack } from 'aws-cdk-lib';
import { type Integration, LambdaIntegration } from 'aws-cdk-lib/aws-apigateway';
import { Alarm, ComparisonOperator, MathExpression, Metric, Stats, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { LambdaDeploymentConfig, LambdaDeploymentGroup } from 'aws-cdk-lib/aws-codedeploy';
import { Alias, type Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct, type IDependable } from 'constructs';
import { DATABASE_NAME, USERS } from './database.ts';
import { type CommonOptions, rustFunction } from './function.ts';
import { OPERATIONS, type OperationId } from './generated/operations.gen.ts';
import type { Platform } from './platform.ts';
import type { DeploymentPreference } from './settings.ts';

/** What an operation may do in the database. */
export type Role = (typeof OPERATIONS)[OperationId]['databaseRole'];

/** What a function of an operation may have of its own. */
export interface FunctionOptions extends CommonOptions {
  /** Seconds, at most 28; the gateway gives up after 29. */
  readonly timeoutSeconds?: number;
  /** Reserved concurrency; 0 reserves none. */
  readonly reservedConcurrency?: number;
  /** Whether PUT, PATCH and DELETE without If-Match are refused (428). */
  readonly requireIfMatch?: boolean;
  /** To be counted up when a secret in the variables has a new value, which the function then gets. */
  readonly secretsGeneration?: number;
  /** How traffic moves to a new version. */
  readonly deploymentPreference?: DeploymentPreference;
  /** Failures in a minute that raise the alarm, and roll a deployment back. */
  readonly failureThreshold?: number;
}

/** What serves an operation: of one's own, with whatever else belongs to it. */
export interface OverrideIntegration {
  readonly integration: Integration;
}

/** What serves an operation: a function of this project. */
export interface OperationIntegration extends OverrideIntegration {
  /** For grants and variables. */
  readonly handler: LambdaFunction;
  /** What the gateway calls: the version that has the traffic. */
  readonly alias: Alias;
  /** Whether it fails. */
  readonly alarm: Alarm;
}

export interface OperationFunctionProps extends FunctionOptions {
  readonly platform: Platform;
  /** Name of the binary. */
  readonly binary: string;
  /** What fails, in words. */
  readonly subject: string;
  /** The roles that it connects as. */
  readonly roles: readonly ('reader' | 'writer')[];
  /** What must be done before it changes, if it uses the database. */
  readonly after: readonly IDependable[];
}

/** A function behind the API, whose new versions get their traffic little by little and lose it when they fail. */
export class OperationFunction extends Construct implements OperationIntegration {
  readonly handler: LambdaFunction;
  readonly alias: Alias;
  readonly alarm: Alarm;
  readonly integration: Integration;

  constructor(scope: Construct, id: string, props: OperationFunctionProps) {
    super(scope, id);
    const { platform, roles } = props;
    const { database } = platform;
    const [user] = roles;

    this.handler = rustFunction(this, 'Function', {
      ...props,
      description: `${props.description ?? props.subject}; secrets of generation ${props.secretsGeneration ?? 1}`,
      timeoutSeconds: props.timeoutSeconds ?? 10,
      ...(user ? { securityGroup: platform.network.functionSecurityGroup } : {}),
      environment: {
        // What the API allows, which knows it.
        CORS_ALLOWED_ORIGINS: '',
        ...(user
          ? {
              REQUIRE_IF_MATCH: String(props.requireIfMatch ?? false),
              DB_AUTH: 'iam',
              DB_HOST: database.host,
              DB_NAME: DATABASE_NAME,
              DB_USER: USERS[user],
              // The template names the secret; its value is put in when the function is deployed.
              CURSOR_KEY: platform.cursorKey.secretValue.unsafeUnwrap(),
              ...platform.cache?.environment,
            }
          : {}),
        ...(roles.length > 1 ? { WRITER_DB_USER: USERS.writer } : {}),
        ...props.environment,
      },
    });
    for (const role of roles) database.grantConnectAs(this.handler, role);
    if (user) this.handler.node.addDependency(...props.after);

    this.alias = new Alias(this, 'Alias', { aliasName: 'live', version: this.handler.currentVersion });
    this.alarm = this.failures(props);
    this.alarm.addAlarmAction(new SnsAction(platform.alarmTopic));
    new LambdaDeploymentGroup(this, 'DeploymentGroup', {
      application: platform.application,
      role: platform.deploymentRole,
      alias: this.alias,
      deploymentConfig: LambdaDeploymentConfig.fromLambdaDeploymentConfigName(
        this,
        'DeploymentConfig',
        `CodeDeployDefault.Lambda${props.deploymentPreference ?? 'AllAtOnce'}`,
      ),
      alarms: [this.alarm],
      autoRollback: { failedDeployment: true, stoppedDeployment: true, deploymentInAlarm: true },
    });
    this.integration = new LambdaIntegration(this.alias, { allowTestInvoke: false });
  }

  /** Answers of 500 and above, crashes and refusals in a minute. */
  private failures({ binary, subject, failureThreshold }: OperationFunctionProps): Alarm {
    const { stackName } = Stack.of(this);
    const sum = (namespace: string, metricName: string, dimensionsMap: Record<string, string>) =>
      new Metric({ namespace, metricName, dimensionsMap, period: Duration.minutes(1), statistic: Stats.SUM });
    const functionName = `${stackName}-${binary}`;
    return new Alarm(this, 'Alarm', {
      alarmDescription: `${subject} fails; a deployment under way is rolled back.`,
      metric: new MathExpression({
        label: 'Failures',
        period: Duration.minutes(1),
        expression: 'FILL(answers, 0) + FILL(crashes, 0) + FILL(throttles, 0)',
        usingMetrics: {
          answers: sum('Atelier', 'Failure', { service: stackName, operation: binary }),
          crashes: sum('AWS/Lambda', 'Errors', { FunctionName: functionName }),
          throttles: sum('AWS/Lambda', 'Throttles', { FunctionName: functionName }),
        },
      }),
      threshold: failureThreshold ?? 5,
      evaluationPeriods: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: TreatMissingData.NOT_BREACHING,
    });
  }
}

/** `GetProduct` for `get-product`. */
export function constructId(binary: string): string {
  return binary
    .split('-')
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join('');
}

/** Every `operationId`, in the order of the documentation. */
export const OPERATION_IDS = Object.keys(OPERATIONS) as OperationId[];

/** A value for each operation. */
export function forEachOperation<T>(value: (id: OperationId) => T): { [Id in OperationId]: T } {
  return Object.fromEntries(OPERATION_IDS.map((id) => [id, value(id)])) as { [Id in OperationId]: T };
}
