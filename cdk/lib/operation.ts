import { Duration, Stack } from 'aws-cdk-lib';
import { type Integration, LambdaIntegration, type MethodOptions } from 'aws-cdk-lib/aws-apigateway';
import { Alarm, ComparisonOperator, MathExpression, Metric, Stats, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { LambdaDeploymentConfig, LambdaDeploymentGroup } from 'aws-cdk-lib/aws-codedeploy';
import { Alias, type Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { Construct, type IDependable } from 'constructs';
import { DATABASE_NAME, type DatabaseRole, USERS } from './database.ts';
import { type CommonOptions, functionName, rustFunction } from './function.ts';
import type { OPERATIONS, OperationId } from './generated/operations.gen.ts';
import { METRICS_NAMESPACE } from './generated/project.gen.ts';
import type { Platform } from './platform.ts';
import type { DeploymentPreference } from './settings.ts';

/** The database role of an operation. */
export type Role = (typeof OPERATIONS)[OperationId]['databaseRole'];

/** The options of an operation's function. */
export interface FunctionOptions extends CommonOptions {
  /** Provisioned concurrency of the version that has the traffic. */
  readonly provisionedConcurrency?: number;
  /** Whether PUT, PATCH and DELETE without If-Match are refused (428). */
  readonly requireIfMatch?: boolean;
  /** Increase this when a secret in the variables has a new value, so that the function gets it. */
  readonly secretsGeneration?: number;
  /** How traffic moves to a new version. */
  readonly deploymentPreference?: DeploymentPreference;
  /** The number of failures per minute that raise the alarm and roll a deployment back. */
  readonly failureThreshold?: number;
  /** Options of its methods, such as an authoriser, like `options` of an override. */
  readonly methodOptions?: MethodOptions;
}

/** A custom integration of an operation, with any further members. */
export interface OverrideIntegration {
  readonly integration: Integration;
  /** Options that override those of the operation's methods. */
  readonly options?: MethodOptions | undefined;
}

/** The integration of an operation with a function of this project. */
export interface OperationIntegration extends OverrideIntegration {
  /** For grants and variables. */
  readonly handler: LambdaFunction;
  /** The alias that the gateway calls, which routes to the version that has the traffic. */
  readonly alias: Alias;
  /** The alarm for failures. */
  readonly alarm: Alarm;
}

export interface OperationFunctionProps extends FunctionOptions {
  readonly platform: Platform;
  /** The name of the binary. */
  readonly binary: string;
  /** The subject in the alarm's description. */
  readonly subject: string;
  /** The database roles that it connects as. */
  readonly roles: readonly DatabaseRole[];
  /** The migration, which runs before the function changes if it uses the database. */
  readonly after: readonly IDependable[];
}

/** A function behind the API. Traffic shifts to new versions gradually, and back if they fail. */
export class OperationFunction extends Construct implements OperationIntegration {
  readonly handler: LambdaFunction;
  readonly alias: Alias;
  readonly alarm: Alarm;
  readonly integration: Integration;

  constructor(scope: Construct, id: string, props: OperationFunctionProps) {
    super(scope, id);
    const {
      platform,
      subject,
      roles,
      after,
      provisionedConcurrency,
      requireIfMatch = false,
      secretsGeneration = 1,
      deploymentPreference = 'AllAtOnce',
      failureThreshold: _,
      methodOptions: __,
      ...common
    } = props;
    const { database } = platform;
    const [user] = roles;

    this.handler = rustFunction(this, 'Function', {
      timeout: Duration.seconds(10),
      ...common,
      platform,
      description: `${props.description ?? subject}; secrets of generation ${secretsGeneration}`,
      securityGroup: user && platform.network.functionSecurityGroup,
      rights: user ? [database.connectStatement(...roles)] : [],
      environment: {
        // The allowed origins, which only the API knows.
        CORS_ALLOWED_ORIGINS: '',
        ...(user
          ? {
              REQUIRE_IF_MATCH: String(requireIfMatch),
              DB_AUTH: 'iam',
              DB_HOST: database.host,
              DB_NAME: DATABASE_NAME,
              DB_USER: USERS[user],
              // The template refers to the secret, and CloudFormation resolves its value when the function is deployed.
              CURSOR_KEY: platform.cursorKey.secretValue.unsafeUnwrap(),
              ...platform.cacheEnvironment(roles),
            }
          : {}),
        ...(roles.length > 1 ? { WRITER_DB_USER: USERS.writer } : {}),
        ...props.environment,
      },
    });
    if (user) this.handler.node.addDependency(...after);

    this.alias = new Alias(this, 'Alias', {
      aliasName: 'live',
      version: this.handler.currentVersion,
      ...(provisionedConcurrency ? { provisionedConcurrentExecutions: provisionedConcurrency } : {}),
    });
    this.alarm = this.failures(props);
    this.alarm.addAlarmAction(new SnsAction(platform.alarmTopic));
    new LambdaDeploymentGroup(this, 'DeploymentGroup', {
      application: platform.application,
      role: platform.deploymentRole,
      alias: this.alias,
      deploymentConfig: LambdaDeploymentConfig.fromLambdaDeploymentConfigName(
        this,
        'DeploymentConfig',
        `CodeDeployDefault.Lambda${deploymentPreference}`,
      ),
      alarms: [this.alarm],
      autoRollback: { failedDeployment: true, stoppedDeployment: true, deploymentInAlarm: true },
    });
    this.integration = new LambdaIntegration(this.alias, { allowTestInvoke: false });
  }

  /** Responses with 500 and above, crashes and throttles per minute. */
  private failures(props: OperationFunctionProps): Alarm {
    const { binary, subject, failureThreshold } = props;
    const { stackName } = Stack.of(this);
    const sum = (namespace: string, metricName: string, dimensionsMap: Record<string, string>) =>
      new Metric({ namespace, metricName, dimensionsMap, period: Duration.minutes(1), statistic: Stats.SUM });
    return new Alarm(this, 'Alarm', {
      alarmDescription: `${subject} fails; a deployment under way is rolled back.`,
      metric: new MathExpression({
        label: 'Failures',
        period: Duration.minutes(1),
        expression: 'FILL(answers, 0) + FILL(crashes, 0) + FILL(throttles, 0)',
        usingMetrics: {
          answers: sum(METRICS_NAMESPACE, 'Failure', { service: stackName, operation: binary }),
          crashes: sum('AWS/Lambda', 'Errors', { FunctionName: functionName(this, props) }),
          throttles: sum('AWS/Lambda', 'Throttles', { FunctionName: functionName(this, props) }),
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
