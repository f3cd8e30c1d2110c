import { Match, Template } from 'aws-cdk-lib/assertions';
import { RestApi } from 'aws-cdk-lib/aws-apigateway';
import { describe, expect, test } from 'vitest';
import { METRICS_NAMESPACE } from '../lib/generated/project.gen.ts';
import { Observability } from '../lib/observability.ts';
import type { AlarmEmail } from '../lib/settings.ts';
import { Waf } from '../lib/waf.ts';
import { ground } from './stacks.ts';

function watched(props: { alarmEmail?: AlarmEmail; monthlyBudget?: number; profile?: 'proxy' } = {}) {
  const { stack, key, database, logs } = ground(props.profile ? { profile: 'proxy', minCapacity: 1 } : {});
  const api = new RestApi(stack, 'Api');
  api.root.addMethod('GET');
  const observability = new Observability(stack, 'Observability', {
    monthlyBudget: 0,
    alarmEmail: 'nobody',
    ...props,
    key,
  });
  observability.watchApi(api);
  observability.watchFunctions(20);
  observability.watchCache();
  observability.watchDatabase(database, 200);
  observability.addDashboard('prod', database);
  new Waf(stack, 'Waf', { ...logs, wafRateLimit: 12_345, stage: api.deploymentStage });
  return Template.fromStack(stack);
}

describe('alarms', () => {
  const template = watched();

  test('tell the topic, and are quiet without data', () => {
    template.allResourcesProperties('AWS::CloudWatch::Alarm', {
      AlarmActions: [{ Ref: Match.stringLikeRegexp('AlarmTopic') }],
      TreatMissingData: 'notBreaching',
    });
  });

  test.each([
    ['5XXError', { Threshold: 0.01, Statistic: 'Average' }],
    ['Latency', { Threshold: 1000, ExtendedStatistic: 'p99', EvaluationPeriods: 3 }],
    ['Throttles', { Threshold: 0, Statistic: 'Sum' }],
    ['MatchedEvents', { Threshold: 0, Statistic: 'Sum' }],
    ['ACUUtilization', { Threshold: 95, Statistic: 'Average', EvaluationPeriods: 3, Period: 300 }],
  ])('watch %s', (MetricName, properties) => {
    template.hasResourceProperties('AWS::CloudWatch::Alarm', { MetricName, ...properties });
  });

  test('watch how much of the connections is used', () => {
    template.hasResourceProperties('AWS::CloudWatch::Alarm', {
      Threshold: 80,
      Metrics: Match.arrayWith([Match.objectLike({ Expression: '100 * used / 200' })]),
    });
  });

  test.each([
    ['SUM(DbRetry)', 20],
    ['SUM(CacheError)', 20],
    ['MAX(Latency)', 80],
  ])('watch %s of all functions', (what, Threshold) => {
    const Expression = `SELECT ${what} FROM SCHEMA("${METRICS_NAMESPACE}", service, operation) WHERE service = 'test'`;
    template.hasResourceProperties('AWS::CloudWatch::Alarm', {
      Threshold,
      Metrics: Match.arrayWith([Match.objectLike({ Expression, Period: 300 })]),
    });
  });

  test('hold the slowest against the time that functions have', () => {
    template.hasResourceProperties('AWS::CloudWatch::Alarm', {
      Metrics: Match.arrayWith([Match.objectLike({ Expression: '100 * slowest / (1000 * 20)' })]),
    });
  });

  test('watch pinned connections where there is a proxy', () => {
    const pinned = { Properties: { MetricName: 'DatabaseConnectionsCurrentlySessionPinned' } };
    expect(template.findResources('AWS::CloudWatch::Alarm', pinned)).toEqual({});
    watched({ profile: 'proxy' }).hasResource('AWS::CloudWatch::Alarm', pinned);
  });

  test('go nowhere without an address', () => {
    template.resourceCountIs('AWS::SNS::Subscription', 0);
    template.resourceCountIs('AWS::Budgets::Budget', 0);
  });

  test('and the budget go to the address', () => {
    const template = watched({ alarmEmail: 'a@example.com', monthlyBudget: 40 });
    template.hasResourceProperties('AWS::SNS::Subscription', { Protocol: 'email', Endpoint: 'a@example.com' });
    template.hasResourceProperties('AWS::Budgets::Budget', {
      Budget: { BudgetLimit: { Amount: 40, Unit: 'USD' }, CostFilters: { TagKeyValue: ['user:project$test'] } },
    });
  });
});

test('a password that cannot be rotated is an event for the topic', () => {
  watched().hasResourceProperties('AWS::Events::Rule', {
    EventPattern: Match.objectLike({ source: ['aws.secretsmanager'] }),
    Targets: [Match.objectLike({ Arn: { Ref: Match.stringLikeRegexp('AlarmTopic') } })],
  });
});

test('the topic is encrypted, and only services of this account publish', () => {
  const template = watched();
  template.hasResourceProperties('AWS::SNS::Topic', { KmsMasterKeyId: Match.anyValue() });
  template.hasResourceProperties('AWS::SNS::TopicPolicy', {
    PolicyDocument: {
      Statement: [
        Match.objectLike({
          Action: 'sns:Publish',
          Principal: { Service: ['budgets.amazonaws.com', 'cloudwatch.amazonaws.com'] },
          Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
        }),
        // EventBridge sends no source account: with the condition, its events would not arrive.
        Match.objectLike({
          Action: 'sns:Publish',
          Principal: { Service: 'events.amazonaws.com' },
          Condition: Match.absent(),
        }),
      ],
    },
  });
});

test('the dashboard draws the API and the database', () => {
  const [dashboard] = Object.values(watched().findResources('AWS::CloudWatch::Dashboard'));
  const body = JSON.stringify(dashboard?.Properties.DashboardBody);
  for (const name of ['5XXError', 'ServerlessDatabaseCapacity', 'ColdStart']) expect(body).toContain(name);
});

describe('WAF', () => {
  const template = watched();

  test('only counts long bodies, which functions refuse, and what machines and searches send', () => {
    const [acl] = Object.values(template.findResources('AWS::WAFv2::WebACL'));
    const common = acl?.Properties.Rules.find((rule: { Name: string }) => rule.Name === 'Common');
    expect(common.Statement.ManagedRuleGroupStatement.RuleActionOverrides).toEqual(
      ['SizeRestrictions_BODY', 'SizeRestrictions_QUERYSTRING', 'NoUserAgent_HEADER'].map((Name) => ({
        Name,
        ActionToUse: { Count: {} },
      })),
    );
    expect(acl?.Properties.Rules[3].Statement.RateBasedStatement.Limit).toBe(12_345);
    expect(acl?.Properties.Rules.map((rule: { Priority: number }) => rule.Priority)).toEqual([0, 1, 2, 3]);
  });

  test('logs no credentials', () => {
    template.hasResourceProperties('AWS::WAFv2::LoggingConfiguration', {
      RedactedFields: [{ SingleHeader: { Name: 'authorization' } }, { SingleHeader: { Name: 'x-api-key' } }],
    });
    template.resourceCountIs('AWS::WAFv2::WebACLAssociation', 1);
  });
});
