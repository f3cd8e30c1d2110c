import { Stack } from 'aws-cdk-lib';
import type { Stage } from 'aws-cdk-lib/aws-apigateway';
import { CfnLoggingConfiguration, CfnWebACL, CfnWebACLAssociation } from 'aws-cdk-lib/aws-wafv2';
import { Construct } from 'constructs';
import { type LogSettings, logGroup } from './logs.ts';
import type { Options } from './settings.ts';

export interface WafProps extends LogSettings, Pick<Options, 'wafRateLimit'> {
  /** The API's stage to protect. */
  readonly stage: Stage;
}

/** Rules of AWS's common rule set that only count. */
const COUNTED = [
  // Blocks bodies over 8 KiB. This API accepts up to 64 KiB, which functions enforce.
  'SizeRestrictions_BODY',
  // Blocks query strings over 2,048 bytes, which the next page of a search can have.
  'SizeRestrictions_QUERYSTRING',
  // Programs that sign their requests often send no User-Agent.
  'NoUserAgent_HEADER',
];

/** AWS WAF in front of the API: known bad inputs, the common rules, and a rate limit per address. */
export class Waf extends Construct {
  readonly webAcl: CfnWebACL;

  constructor(scope: Construct, id: string, props: WafProps) {
    super(scope, id);
    const { stackName, partition, region, account } = Stack.of(this);
    const visibility = (metricName: string) => ({
      sampledRequestsEnabled: true,
      cloudWatchMetricsEnabled: true,
      metricName,
    });
    const managed = (name: string) => ({ vendorName: 'AWS', name });

    this.webAcl = new CfnWebACL(this, 'WebAcl', {
      name: stackName,
      scope: 'REGIONAL',
      defaultAction: { allow: {} },
      visibilityConfig: visibility(stackName),
      associationConfig: { requestBody: { API_GATEWAY: { defaultSizeInspectionLimit: 'KB_64' } } },
      rules: [
        {
          name: 'Reputation',
          priority: 0,
          overrideAction: { none: {} },
          statement: { managedRuleGroupStatement: managed('AWSManagedRulesAmazonIpReputationList') },
          visibilityConfig: visibility('Reputation'),
        },
        {
          name: 'KnownBadInputs',
          priority: 1,
          overrideAction: { none: {} },
          statement: { managedRuleGroupStatement: managed('AWSManagedRulesKnownBadInputsRuleSet') },
          visibilityConfig: visibility('KnownBadInputs'),
        },
        {
          name: 'Common',
          priority: 2,
          overrideAction: { none: {} },
          statement: {
            managedRuleGroupStatement: {
              ...managed('AWSManagedRulesCommonRuleSet'),
              ruleActionOverrides: COUNTED.map((name) => ({ name, actionToUse: { count: {} } })),
            },
          },
          visibilityConfig: visibility('Common'),
        },
        {
          name: 'Rate',
          priority: 3,
          action: { block: {} },
          statement: {
            rateBasedStatement: { limit: props.wafRateLimit, evaluationWindowSec: 300, aggregateKeyType: 'IP' },
          },
          visibilityConfig: visibility('Rate'),
        },
      ],
    });
    new CfnWebACLAssociation(this, 'WebAclAssociation', {
      resourceArn: props.stage.stageArn,
      webAclArn: this.webAcl.attrArn,
    });
    // AWS WAF requires this prefix of the name.
    const name = `aws-waf-logs-${stackName}`;
    const group = logGroup(this, 'WafLogGroup', name, props);
    const log = new CfnLoggingConfiguration(this, 'WafLog', {
      resourceArn: this.webAcl.attrArn,
      // AWS WAF requires the ARN without the `:*` at the end of the group's own.
      logDestinationConfigs: [`arn:${partition}:logs:${region}:${account}:log-group:${name}`],
      redactedFields: [{ singleHeader: { Name: 'authorization' } }, { singleHeader: { Name: 'x-api-key' } }],
    });
    log.node.addDependency(group);
  }
}
