/**
 * Where the CDK app may differ from `template.yaml`, and why. Not compared at all: tags, which SAM reads from
 * `samconfig.toml`; the location of code; descriptions of templates and outputs; and the template's rules, instead of
 * which the app refuses settings (`checked`, and the types of settings).
 */

export interface Difference {
  /** Facts that only the app has. */
  readonly more?: RegExp;
  /** Facts that only the template has. */
  readonly less?: RegExp;
  /** Facts that both have, with different values. */
  readonly other?: RegExp;
  readonly reason: string;
}

export const ALLOWED: readonly Difference[] = [
  {
    less: /^\w+\.Environment\.Variables\.DATABASE_URL$/,
    reason:
      '`sam local invoke` only sets variables that the template has; deployed, it is empty, which counts as absent.',
  },
  {
    more: /^(Writer|Standby)\.(PromotionTier|PerformanceInsightsRetentionPeriod)$|^Vpc\.InstanceTenancy$|^Subnet[AB]\.MapPublicIpOnLaunch$|^Cluster\.Port$|^(FailedRotation|Forget|HealthCheck)\.State$/,
    reason: 'The library also writes default values.',
  },
  {
    more: /^VpcPrivateSubnet2RouteTable(\.VpcId| is)$/,
    other: /^(S3Endpoint\.RouteTableIds|RouteTableOfB\.RouteTableId)$/,
    reason: 'The library makes a route table for each subnet; both have the one route, to S3.',
  },
  {
    more: /^\w+SecurityGroup lets out icmp 252-86, 255\.255\.255\.255\/32$/,
    less: /^\w+SecurityGroup lets out -1, 127\.0\.0\.1\/32$/,
    reason: 'Each has its own form of the rule that blocks outgoing traffic, instead of the default rule of a group.',
  },
  {
    more: /^(ProxySecurityGroup lets out|DatabaseSecurityGroup lets in) tcp \$\{Cluster\.Endpoint\.Port\}-\$\{Cluster\.Endpoint\.Port\}, (Database|Proxy)SecurityGroup$/,
    less: /^(ProxySecurityGroup lets out tcp 5432-5432, [\d.]+\/16|DatabaseSecurityGroup lets in tcp 5432-5432, ProxySecurityGroup)$/,
    reason: 'The library lets the proxy reach the cluster at its port, which is 5432, and nothing else in the network.',
  },
  {
    more: /^Key\.KeyPolicy: Allow \| AWS arn:\$\{AWS::Partition\}:iam::\$\{AWS::AccountId\}:root \| kms:[\w*]+ \| \* if \{"StringEquals":\{"kms:ViaService":"secretsmanager\.\$\{AWS::Region\}\.amazonaws\.com"\}\}$/,
    reason: 'The library adds it for each secret; the account may do all that already.',
  },
  {
    less: /^Migration\.Ways$/,
    reason: 'The template waits for the ways to the database by naming them, the app by a dependency.',
  },
  {
    other: /^ApiStage\.AccessLogSetting\.DestinationArn$/,
    reason: 'The library leaves out the `:*` at the end, as API Gateway does.',
  },
  {
    other: /^AlarmTopic\.KmsMasterKeyId$/,
    reason: 'The library names the key by its ARN, the template by its id.',
  },
  {
    more: /^DeploymentRole has .*:policy\/service-role\/AWSCodeDeployRoleForLambdaLimited$/,
    less: /^DeploymentRole has arn:aws:iam::aws:policy\/service-role\/AWSCodeDeployRoleForLambda$/,
    reason: 'SAM takes the one policy. Its Limited form has all that deployments without hooks on topics need.',
  },
];
