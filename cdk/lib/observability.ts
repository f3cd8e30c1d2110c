import { Duration, Stack } from 'aws-cdk-lib';
import type { RestApi } from 'aws-cdk-lib/aws-apigateway';
import { CfnBudget } from 'aws-cdk-lib/aws-budgets';
import {
  Alarm,
  type AlarmProps,
  CfnDashboard,
  ComparisonOperator,
  type IMetric,
  MathExpression,
  Metric,
  Stats,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import { CfnSubscription, Topic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import type { Database } from './database.ts';
import { alarmServices } from './encryption.ts';
import { OPERATIONS } from './generated/operations.gen.ts';
import { METRICS_NAMESPACE } from './generated/project.gen.ts';
import type { AlarmEmail } from './settings.ts';

export interface ObservabilityProps {
  readonly key: IKey;
  /** The address for alarms and the budget's warnings. */
  readonly alarmEmail: AlarmEmail;
  /** The budget in US dollars per month; 0 for none. */
  readonly monthlyBudget: number;
}

/** Alarms, a dashboard and a budget. Each operation's own alarm is created with its function. */
export class Observability extends Construct {
  /** The topic that alarms are published to. */
  readonly alarmTopic: Topic;

  constructor(scope: Construct, id: string, props: ObservabilityProps) {
    super(scope, id);
    const { account, stackName } = Stack.of(this);
    const email = props.alarmEmail === 'nobody' ? undefined : props.alarmEmail;

    this.alarmTopic = new Topic(this, 'AlarmTopic', { masterKey: props.key });
    for (const statement of alarmServices(account)) {
      statement.addActions('sns:Publish');
      statement.addResources(this.alarmTopic.topicArn);
      this.alarmTopic.addToResourcePolicy(statement);
    }
    if (email) {
      new CfnSubscription(this, 'AlarmSubscription', {
        topicArn: this.alarmTopic.topicArn,
        protocol: 'email',
        endpoint: email,
      });
    }
    if (email && props.monthlyBudget > 0) {
      const warn = (notificationType: string, threshold: number) => ({
        notification: { notificationType, comparisonOperator: 'GREATER_THAN', threshold },
        subscribers: [{ subscriptionType: 'EMAIL', address: email }],
      });
      new CfnBudget(this, 'Budget', {
        budget: {
          budgetType: 'COST',
          timeUnit: 'MONTHLY',
          budgetLimit: { amount: props.monthlyBudget, unit: 'USD' },
          costFilters: { TagKeyValue: [`user:project$${stackName}`] },
        },
        notificationsWithSubscribers: [warn('FORECASTED', 100), warn('ACTUAL', 80)],
      });
    }
    this.alarm('ThrottleAlarm', {
      alarmDescription: 'Lambda throttles functions of this account and region; reserved concurrency may be used up.',
      metric: new Metric({
        namespace: 'AWS/Lambda',
        metricName: 'Throttles',
        statistic: Stats.SUM,
        period: Duration.minutes(1),
      }),
    });
  }

  /** Watches the API as its callers see it. */
  watchApi(api: RestApi): void {
    const dimensionsMap = { ApiName: Stack.of(this).stackName, Stage: api.deploymentStage.stageName };
    const metric = (metricName: string, statistic: string) =>
      new Metric({ namespace: 'AWS/ApiGateway', metricName, dimensionsMap, statistic, period: Duration.minutes(5) });
    this.alarm('ServerErrorAlarm', {
      alarmDescription: 'More than 1 % of all requests are answered 5xx.',
      metric: metric('5XXError', Stats.AVERAGE),
      threshold: 0.01,
    });
    this.alarm('LatencyAlarm', {
      alarmDescription: 'One request in a hundred takes more than a second.',
      metric: metric('Latency', Stats.percentile(99)),
      threshold: 1000,
      evaluationPeriods: 3,
    });
  }

  /** Watches the functions' own metrics. */
  watchFunctions(timeoutSeconds: number): void {
    this.alarm('RetryAlarm', {
      alarmDescription: 'Functions repeat database work more than 20 times in five minutes.',
      metric: this.query('SUM(DbRetry)'),
      threshold: 20,
    });
    this.alarm('NearTimeoutAlarm', {
      alarmDescription: 'A function takes more than four fifths of its time.',
      metric: new MathExpression({
        label: 'Percent of the time-out',
        expression: `100 * slowest / (1000 * ${timeoutSeconds})`,
        period: Duration.minutes(5),
        usingMetrics: { slowest: this.query('MAX(Latency)') },
      }),
      threshold: 80,
    });
  }

  /** Watches the cache as functions see it. */
  watchCache(): void {
    this.alarm('CacheAlarm', {
      alarmDescription: 'The cache fails more than 20 times in five minutes; the database answers in its place.',
      metric: this.query('SUM(CacheError)'),
      threshold: 20,
    });
  }

  /** Calls GET /health, for which the caller needs permission for `arn`, and watches its responses. */
  watchHealth(arn: string): void {
    const { account, stackName } = Stack.of(this);
    const role = new Role(this, 'HealthCheckRole', {
      assumedBy: new ServicePrincipal('events.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': account } },
      }),
      inlinePolicies: {
        call: new PolicyDocument({
          statements: [new PolicyStatement({ actions: ['execute-api:Invoke'], resources: [arn] })],
        }),
      },
    });
    new Rule(this, 'HealthCheck', {
      description: 'Calls GET /health through the gateway, signed.',
      schedule: Schedule.rate(Duration.minutes(5)),
      targets: [{ bind: () => ({ arn, role, retryPolicy: { maximumRetryAttempts: 0 } }) }],
    });
    const dimensionsMap = { service: stackName, operation: OPERATIONS.getHealth.functionName };
    const period = Duration.minutes(15);
    const sum = (metricName: string) =>
      new Metric({ namespace: METRICS_NAMESPACE, metricName, dimensionsMap, period, statistic: Stats.SUM });
    this.alarm('HealthAlarm', {
      alarmDescription: 'For a quarter of an hour /health has not answered well, or nobody could call it.',
      metric: new MathExpression({
        label: 'Healthy answers',
        expression: 'FILL(answers, 0) - FILL(failures, 0)',
        period,
        usingMetrics: { answers: sum('RequestCount'), failures: sum('Failure') },
      }),
      threshold: 1,
      comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
      treatMissingData: TreatMissingData.BREACHING,
    });
  }

  /** Watches the database, its connections and its password. */
  watchDatabase({ cluster, proxy, ownerSecretArn }: Database, maxConnections: number): void {
    if (proxy) {
      this.alarm('PinningAlarm', {
        alarmDescription: 'RDS Proxy cannot share connections.',
        metric: new Metric({
          namespace: 'AWS/RDS',
          metricName: 'DatabaseConnectionsCurrentlySessionPinned',
          dimensionsMap: { ProxyName: proxy.dbProxyName },
          statistic: Stats.MAXIMUM,
          period: Duration.minutes(5),
        }),
      });
    }
    this.alarm('ConnectionsAlarm', {
      alarmDescription: "Four fifths of the database's connections are in use.",
      metric: new MathExpression({
        label: 'Percent of connections',
        expression: `100 * used / ${maxConnections}`,
        period: Duration.minutes(1),
        usingMetrics: {
          used: new Metric({
            namespace: 'AWS/RDS',
            metricName: 'DatabaseConnections',
            dimensionsMap: { DBClusterIdentifier: cluster.clusterIdentifier },
            statistic: Stats.MAXIMUM,
            period: Duration.minutes(1),
          }),
        },
      }),
      threshold: 80,
      evaluationPeriods: 3,
    });

    this.alarm('CapacityAlarm', {
      alarmDescription: 'The database is as large as MaxCapacity lets it be.',
      metric: new Metric({
        namespace: 'AWS/RDS',
        metricName: 'ACUUtilization',
        dimensionsMap: { DBClusterIdentifier: cluster.clusterIdentifier },
        statistic: Stats.AVERAGE,
        period: Duration.minutes(5),
      }),
      threshold: 95,
      evaluationPeriods: 3,
    });

    const rule = new Rule(this, 'FailedRotation', {
      description: 'A password could not be rotated.',
      eventPattern: {
        source: ['aws.secretsmanager'],
        detailType: ['AWS Service Event via CloudTrail'],
        detail: { eventName: ['RotationFailed'], additionalEventData: { SecretId: [ownerSecretArn] } },
      },
      // The topic's policy already allows events.
      targets: [{ bind: () => ({ arn: this.alarmTopic.topicArn }) }],
    });
    this.alarm('FailedRotationAlarm', {
      alarmDescription: "The password of the database's owner could not be rotated.",
      metric: new Metric({
        namespace: 'AWS/Events',
        metricName: 'MatchedEvents',
        dimensionsMap: { RuleName: rule.ruleName },
        statistic: Stats.SUM,
        period: Duration.minutes(5),
      }),
    });
  }

  /** Draws the API and the database. */
  addDashboard(stageName: string, { cluster }: Database): void {
    const { region, stackName } = Stack.of(this);
    const schema = `{${METRICS_NAMESPACE},service,operation}`;
    const search = (metrics: string, statistic: string) => [
      [{ expression: `SEARCH('${schema} service="${stackName}" ${metrics}', '${statistic}')` }],
    ];
    const api = ['ApiName', stackName, 'Stage', stageName];
    const again = ['.', '.', '.', '.'];
    const widgets: [string, object][] = [
      [
        'Requests',
        {
          stat: 'Sum',
          metrics: [
            ['AWS/ApiGateway', 'Count', ...api],
            ['.', '4XXError', ...again],
            ['.', '5XXError', ...again],
          ],
        },
      ],
      [
        'Latency, p50 and p99',
        {
          metrics: [
            ['AWS/ApiGateway', 'Latency', ...api, { stat: 'p50' }],
            ['...', { stat: 'p99' }],
          ],
        },
      ],
      ['Failures by operation', { metrics: search('MetricName="Failure"', 'Sum') }],
      ['Latency by operation, p99', { metrics: search('MetricName="Latency"', 'p99') }],
      [
        'Database',
        {
          metrics: [
            ['AWS/RDS', 'DatabaseConnections', 'DBClusterIdentifier', cluster.clusterIdentifier],
            ['.', 'ServerlessDatabaseCapacity', '.', '.'],
            ['.', 'ACUUtilization', '.', '.'],
          ],
        },
      ],
      ['Cold starts and retries', { metrics: search('(MetricName="ColdStart" OR MetricName="DbRetry")', 'Sum') }],
    ];
    const [width, height] = [12, 6];
    new CfnDashboard(this, 'Dashboard', {
      dashboardName: stackName,
      dashboardBody: Stack.of(this).toJsonString({
        widgets: widgets.map(([title, properties], index) => ({
          type: 'metric',
          width,
          height,
          x: (index % 2) * width,
          y: Math.floor(index / 2) * height,
          properties: { title, region, ...properties },
        })),
      }),
    });
  }

  /** A CloudWatch Metrics Insights query over all functions, with periods of five minutes. */
  private query(what: string): MathExpression {
    return new MathExpression({
      expression: `SELECT ${what} FROM SCHEMA("${METRICS_NAMESPACE}", service, operation) WHERE service = '${Stack.of(this).stackName}'`,
      period: Duration.minutes(5),
    });
  }

  /** An alarm that notifies the topic; by default above zero in one period. */
  private alarm(id: string, props: Partial<AlarmProps> & { readonly metric: IMetric }): void {
    const alarm = new Alarm(this, id, {
      threshold: 0,
      evaluationPeriods: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      treatMissingData: TreatMissingData.NOT_BREACHING,
      ...props,
    });
    alarm.addAlarmAction(new SnsAction(this.alarmTopic));
  }
}
