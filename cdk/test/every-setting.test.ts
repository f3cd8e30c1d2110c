/** Changes each setting alone: the template changes, and exactly the functions that read it get new versions. */

import { describe, expect, test } from 'vitest';
import { ApiStack } from '../lib/api-stack.ts';
import { OPERATIONS, type OperationId } from '../lib/generated/operations.gen.ts';
import { constructId, type Role } from '../lib/operation.ts';
import { OPERATION_IDS, OWN } from '../lib/operations.ts';
import type { Settings } from '../lib/settings.ts';
import { VARIANTS } from '../parity/variants.ts';
import { emptyApp } from './stacks.ts';

type Every<T> = T extends unknown ? keyof T : never;

const BASE = { ...VARIANTS.everything, stage: 'staging' } as Settings;

/** Functions of operations by their database role, and `migrate`. */
type Readers = readonly (Role | 'migrate')[];
const NOBODY: Readers = [];
const OPERATIONS_ALL: Readers = ['reader', 'writer', 'none'];
const DATABASE: Readers = ['reader', 'writer'];

/**
 * A change of each setting, and the functions that then get a new version. A new setting does not compile without an
 * entry.
 */
const CHANGES: { readonly [Name in Every<Settings>]: readonly [change: object, readers: Readers] } = {
  stage: [{ stage: 'prod' }, NOBODY],
  authMode: [{ authMode: 'iam' }, NOBODY],
  userPoolArn: [{ userPoolArn: 'arn:aws:cognito-idp:eu-central-1:1:userpool/eu-central-1_Other' }, NOBODY],
  // Together with the capacity, since a proxy keeps the database awake.
  profile: [{ profile: 'scale-to-zero', minCapacity: 0 }, DATABASE],
  minCapacity: [{ minCapacity: 4 }, NOBODY],
  apiKeys: [{ apiKeys: false }, NOBODY],
  corsAllowedOrigins: [{ corsAllowedOrigins: ['https://other.example'] }, OPERATIONS_ALL],
  corsAllowedHeaders: [{ corsAllowedHeaders: ['X-Other'] }, NOBODY],
  allowedIpRanges: [{ allowedIpRanges: ['192.0.2.0/24'] }, NOBODY],
  waf: [{ waf: false }, NOBODY],
  wafRateLimit: [{ wafRateLimit: 500 }, NOBODY],
  stageCache: [{ stageCache: false }, NOBODY],
  domain: [{ domain: undefined }, NOBODY],
  manageGatewayAccount: [{ manageGatewayAccount: false }, NOBODY],
  rateLimit: [{ rateLimit: 501 }, NOBODY],
  burstLimit: [{ burstLimit: 701 }, NOBODY],
  writeRateLimit: [{ writeRateLimit: 31 }, NOBODY],
  writeBurstLimit: [{ writeBurstLimit: 61 }, NOBODY],
  dailyQuota: [{ dailyQuota: 5001 }, NOBODY],
  memorySize: [{ memorySize: 1024 }, [...OPERATIONS_ALL, 'migrate']],
  // `migrate` has its own timeout of 15 minutes; it sets the database's statement timeout for the others.
  functionTimeout: [{ functionTimeout: 21 }, [...OPERATIONS_ALL, 'migrate']],
  readerConcurrency: [{ readerConcurrency: 8 }, NOBODY],
  writerConcurrency: [{ writerConcurrency: 6 }, NOBODY],
  documentConcurrency: [{ documentConcurrency: 4 }, NOBODY],
  deploymentPreference: [{ deploymentPreference: 'AllAtOnce' }, NOBODY],
  logLevel: [{ logLevel: 'DEBUG' }, [...OPERATIONS_ALL, 'migrate']],
  logRetentionDays: [{ logRetentionDays: 90 }, NOBODY],
  logDestinationArn: [{ logDestinationArn: 'arn:aws:firehose:eu-central-1:1:deliverystream/other' }, NOBODY],
  logDestinationRoleArn: [{ logDestinationRoleArn: 'arn:aws:iam::1:role/other' }, NOBODY],
  secretsGeneration: [{ secretsGeneration: 5 }, OPERATIONS_ALL],
  requireIfMatch: [{ requireIfMatch: false }, DATABASE],
  vpcCidr: [{ vpcCidr: '10.78.0.0/16' }, NOBODY],
  availabilityZones: [{ availabilityZones: ['eu-central-1a', 'eu-central-1b'] }, NOBODY],
  engineVersion: [{ engineVersion: '17.7' }, NOBODY],
  maxCapacity: [{ maxCapacity: 32 }, NOBODY],
  maxConnections: [{ maxConnections: 350 }, NOBODY],
  proxyConnectionsPercent: [{ proxyConnectionsPercent: 75 }, NOBODY],
  backupRetentionDays: [{ backupRetentionDays: 15 }, NOBODY],
  bothPaths: [{ bothPaths: true }, NOBODY],
  cache: [{ cache: 'writes' }, ['reader']],
  failureThreshold: [{ failureThreshold: 10 }, NOBODY],
  alarmEmail: [{ alarmEmail: 'others@example.com' }, NOBODY],
  monthlyBudget: [{ monthlyBudget: 251 }, NOBODY],
};

interface Resources {
  readonly [id: string]: { readonly Type: string };
}

function resources(change: object): Resources {
  const stack = new ApiStack(emptyApp(), 'test', { settings: { ...BASE, ...change } as Settings });
  // Like `Template.fromStack`, but without the library's validation, which takes four times as long.
  return stack.resolve((stack as unknown as { _toCloudFormation(): object })._toCloudFormation()).Resources;
}

/** The logical ids of all versions, which include a hash of the version. */
const versions = (all: Resources) => Object.keys(all).filter((id) => all[id]?.Type === 'AWS::Lambda::Version');

const base = resources({});

/** The names of the constructs with new versions in `changed`. */
function published(changed: Resources): string[] {
  const before = new Set(versions(base));
  const names = versions(changed)
    .filter((id) => !before.has(id))
    .map((id) => id.replace(/(Function)?CurrentVersion[0-9A-F]{8}[0-9a-f]+$/, ''));
  return names.sort();
}

function functionsOf(readers: Readers, setting?: string): string[] {
  const ignores = (id: OperationId) => setting === 'functionTimeout' && OWN[id].timeoutSeconds !== undefined;
  const readsIt = (id: OperationId) => readers.includes(OPERATIONS[id].databaseRole) && !ignores(id);
  const operations = OPERATION_IDS.filter(readsIt);
  const names = operations.map((id) => constructId(OPERATIONS[id].functionName));
  return [...names, ...(readers.includes('migrate') ? ['MigrationsMigrate'] : [])].sort();
}

describe('a change of', () => {
  test.each(Object.entries(CHANGES))(
    '%s arrives, at the functions that read it and no others',
    (setting, [change, readers]) => {
      const changed = resources(change);
      expect(changed).not.toEqual(base);
      expect(published(changed)).toEqual(functionsOf(readers, setting));
    },
  );

  test('nothing changes nothing', () => {
    expect(resources({})).toEqual(base);
  });
});

test('the cache comes and goes in steps: what writes uses it first and last', () => {
  const without = versions(resources({ cache: false }));
  const writes = versions(resources({ cache: 'writes' }));
  const common = writes.filter((id) => without.includes(id)).map((id) => id.replace(/FunctionCurrentVersion.*$/, ''));
  expect(common.filter((name) => name !== 'GetOpenapi' && !name.startsWith('Migrations')).sort()).toEqual(
    functionsOf(['reader']),
  );
});
