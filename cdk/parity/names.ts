/** The names by which resources of both templates are compared: those in `template.yaml`. */

import { CfnElement, type Stack } from 'aws-cdk-lib';

/** Constructs that only group others. */
const GROUPS = ['Cache', 'Database', 'Gateway', 'Migrations', 'Network', 'Observability', 'Platform', 'Waf'];

/** The names that the library's constructs give to their parts. */
const PARTS: readonly (readonly [RegExp, string])[] = [
  [/^VpcPrivateSubnet1Subnet$/, 'SubnetA'],
  [/^VpcPrivateSubnet2Subnet$/, 'SubnetB'],
  [/^VpcPrivateSubnet1RouteTable$/, 'RouteTable'],
  [/^VpcPrivateSubnet1RouteTableAssociation$/, 'RouteTableOfA'],
  [/^VpcPrivateSubnet2RouteTableAssociation$/, 'RouteTableOfB'],
  [/^Cluster(Writer|Standby)$/, '$1'],
  [/^ProxyProxyTargetGroup$/, 'ProxyTargets'],
  [/^ApiDeploymentStage\w+$/, 'ApiStage'],
  [/^UsagePlanUsagePlanKey.*$/, 'UsagePlanKey'],
  [/(Function)?CurrentVersion$/, 'Version'],
  [/^(\w+)Function(Role|LogGroup|Logs)?$/, '$1$2'],
];

/** The names of the CDK app's resources, by their place in the construct tree. */
export function cdkNames(stack: Stack): (logicalId: string) => string {
  const names = new Map<string, string>();
  for (const element of stack.node.findAll()) {
    if (!CfnElement.isCfnElement(element)) continue;
    const [first, ...rest] = element.node.path.split('/').slice(1);
    const path = [...(GROUPS.includes(first ?? '') && rest.length > 0 ? [] : [first]), ...rest];
    const name = path
      .filter((part) => part !== 'Resource' && part !== 'Default')
      .join('')
      .replaceAll(/\W/g, '');
    const [pattern, part] = PARTS.find(([pattern]) => pattern.test(name)) ?? [/$/, ''];
    names.set(stack.resolve(element.logicalId), name.replace(pattern, part));
  }
  return (logicalId) => names.get(logicalId) ?? logicalId;
}

/** The names of resources that SAM adds to `template.yaml`. */
export function samName(logicalId: string): string {
  return (
    logicalId
      // The hash that `tests/deploy/translate.py` sets.
      .replace(/^(\w+)Versionrevision$/, '$1Version')
      .replace(/^(\w+)Aliaslive$/, '$1Alias')
      .replace(/^ApiDeployment[0-9a-f]{10}$/, 'ApiDeployment')
      .replace(/^ServerlessDeploymentApplication$/, 'Deployments')
      .replace(/^CodeDeployServiceRole$/, 'DeploymentRole')
  );
}
