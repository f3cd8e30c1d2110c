/**
 * Where the CDK app may differ from `template.yaml`, and why. Not compared at all: tags, which SAM gets from
 * `samconfig.toml`; where code is; descriptions of templates and outputs; and the template's rules, in whose place the app
 * refuses settings (`checked`, and the types of settings).
 */

export interface Difference {
  /** The facts that differ. */
  readonly fact: RegExp;
  /** Whether only the app has them, or only the template; both, with other values, if it is not said. */
  readonly cdk?: 'more' | 'less';
  readonly reason: string;
}

export const ALLOWED: readonly Difference[] = [
  {
    fact: /^\w+\.Environment\.Variables\.DATABASE_URL$/,
    cdk: 'less',
    reason:
      '`sam local invoke` only sets variables that the template has; deployed, it is empty, which counts as absent.',
  },
  {
    fact: /^(Writer|Standby)\.(PromotionTier|PerformanceInsightsRetentionPeriod)$|^Vpc\.InstanceTenancy$|^Subnet[AB]\.MapPublicIpOnLaunch$|^Cluster\.Port$|^(FailedRotation|Forget|HealthCheck)\.State$/,
    cdk: 'more',
    reason: 'The library writes out what is so by default.',
  },
  {
    fact: /^VpcPrivateSubnet2RouteTable(\.VpcId| is)$/,
    cdk: 'more',
    reason: 'The library makes a route table for each subnet; both have the one route, to S3.',
  },
  {
    fact: /^(S3Endpoint\.RouteTableIds|RouteTableOfB\.RouteTableId)$/,
    reason: 'The same.',
  },
  {
    fact: /^\w+SecurityGroup lets out icmp 252-86, 255\.255\.255\.255\/32$/,
    cdk: 'more',
    reason: 'The rule by which the library lets nothing out, instead of the rule that a group would have without any.',
  },
  {
    fact: /^\w+SecurityGroup lets out -1, 127\.0\.0\.1\/32$/,
    cdk: 'less',
    reason: 'The rule by which the template lets nothing out.',
  },
  {
    fact: /^(ProxySecurityGroup lets out|DatabaseSecurityGroup lets in) tcp \$\{Cluster\.Endpoint\.Port\}-\$\{Cluster\.Endpoint\.Port\}, (Database|Proxy)SecurityGroup$/,
    cdk: 'more',
    reason: 'The library lets the proxy reach the cluster at its port, which is 5432, and nothing else in the network.',
  },
  {
    fact: /^(ProxySecurityGroup lets out tcp 5432-5432, [\d.]+\/16|DatabaseSecurityGroup lets in tcp 5432-5432, ProxySecurityGroup)$/,
    cdk: 'less',
    reason: 'The same.',
  },
  {
    fact: /^Key\.KeyPolicy: Allow \| AWS arn:\$\{AWS::Partition\}:iam::\$\{AWS::AccountId\}:root \| kms:[\w*]+ \| \* if \{"StringEquals":\{"kms:ViaService":"secretsmanager\.\$\{AWS::Region\}\.amazonaws\.com"\}\}$/,
    cdk: 'more',
    reason: 'The library adds it for each secret; the account may do all that already.',
  },
  {
    fact: /^Migration\.Ways$/,
    cdk: 'less',
    reason: 'The template waits for the ways to the database by naming them, the app by a dependency.',
  },
  {
    fact: /^ApiStage\.AccessLogSetting\.DestinationArn$/,
    reason: 'The library leaves out the `:*` at the end, as API Gateway does.',
  },
  {
    fact: /^AlarmTopic\.KmsMasterKeyId$/,
    reason: 'The library names the key by its ARN, the template by its id.',
  },
  {
    fact: /^DeploymentRole\.ManagedPolicyArns$/,
    reason:
      'SAM takes AWSCodeDeployRoleForLambda. Its Limited form has all that deployments without hooks on topics need.',
  },
];
