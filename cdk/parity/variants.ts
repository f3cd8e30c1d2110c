/** Converts settings to parameters of `template.yaml`, and has settings that no stage has. */

import { DEFAULTS, type Settings } from '../lib/settings.ts';

/** A stack with everything, one in transition, and one with the minimum. */
export const VARIANTS: { readonly everything: Settings; readonly between: Settings; readonly nothing: Settings } = {
  everything: {
    ...DEFAULTS,
    stage: 'prod',
    authMode: 'cognito',
    userPoolArn: 'arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_Example',
    profile: 'proxy',
    minCapacity: 2,
    maxCapacity: 16,
    apiKeys: true,
    corsAllowedOrigins: ['https://store.example', 'https://admin.example'],
    corsAllowedHeaders: ['X-Store', 'X-Till'],
    allowedIpRanges: ['198.51.100.0/24', '203.0.113.0/24'],
    waf: true,
    wafRateLimit: 12_000,
    stageCache: true,
    cache: true,
    domain: {
      domainName: 'api.example.com',
      certificateArn: 'arn:aws:acm:eu-central-1:123456789012:certificate/12345678-1234-1234-1234-123456789012',
      hostedZoneId: 'Z0123456789EXAMPLE',
    },
    rateLimit: 500,
    burstLimit: 700,
    writeRateLimit: 30,
    writeBurstLimit: 60,
    secretsGeneration: 4,
    dailyQuota: 5000,
    memorySize: 512,
    functionTimeout: 20,
    readerConcurrency: 7,
    writerConcurrency: 5,
    documentConcurrency: 3,
    deploymentPreference: 'Linear10PercentEvery1Minute',
    logLevel: 'WARN',
    logRetentionDays: 30,
    logDestinationArn: 'arn:aws:firehose:eu-central-1:123456789012:deliverystream/logs',
    logDestinationRoleArn: 'arn:aws:iam::123456789012:role/logs',
    requireIfMatch: true,
    vpcCidr: '10.77.0.0/16',
    availabilityZones: ['eu-central-1b', 'eu-central-1c'],
    engineVersion: '16.8',
    maxConnections: 300,
    proxyConnectionsPercent: 70,
    backupRetentionDays: 14,
    failureThreshold: 9,
    alarmEmail: 'alarms@example.com',
    monthlyBudget: 250,
  },
  /** In transition from one profile to the other, and from no cache to one. */
  between: {
    ...DEFAULTS,
    stage: 'staging',
    authMode: 'iam',
    profile: 'scale-to-zero',
    minCapacity: 0,
    bothPaths: true,
    cache: 'writes',
    logDestinationArn: 'arn:aws:lambda:eu-central-1:123456789012:function:logs',
    alarmEmail: 'nobody',
  },
  nothing: {
    ...DEFAULTS,
    stage: 'dev',
    authMode: 'none',
    profile: 'scale-to-zero',
    minCapacity: 0,
    allowedIpRanges: ['198.51.100.0/24'],
    manageGatewayAccount: false,
    alarmEmail: 'nobody',
  },
};

/** The parameters of `template.yaml` for these settings. */
export function parameters(settings: Settings): { [name: string]: string } {
  const { domain, ...flat } = settings;
  const entries = Object.entries({ ...flat, ...domain }).map(([name, value]): [string, string] => [
    name.charAt(0).toUpperCase() + name.slice(1),
    Array.isArray(value) ? value.join(',') : String(value),
  ]);
  return Object.fromEntries(entries);
}
