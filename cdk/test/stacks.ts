/** Stacks for tests. All binaries are placeholders. */

import { readFileSync } from 'node:fs';
import { App, type Environment, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Key } from 'aws-cdk-lib/aws-kms';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { ApiStack } from '../lib/api-stack.ts';
import { PLACEHOLDERS } from '../lib/code.ts';
import { Database, type DatabaseProps } from '../lib/database.ts';
import type { Pattern } from '../lib/integrations.ts';
import { Network } from '../lib/network.ts';
import { Platform } from '../lib/platform.ts';
import { DEFAULTS, type Settings } from '../lib/settings.ts';

/** The context in `cdk.json`, which the CDK's CLI reads. */
export const CONTEXT: { readonly [name: string]: unknown } = JSON.parse(
  readFileSync(new URL('../cdk.json', import.meta.url), 'utf8'),
).context;

export function emptyApp(): App {
  return new App({ context: { ...CONTEXT, [PLACEHOLDERS]: true } });
}

export function emptyStack(env?: Environment): Stack {
  return new Stack(emptyApp(), 'test', env ? { env } : {});
}

/** The resources that most constructs need. */
export function ground(props: Partial<DatabaseProps> = {}) {
  const stack = emptyStack();
  const key = new Key(stack, 'Key');
  const logs = { key, logRetentionDays: 30 };
  const network = new Network(stack, 'Network', {
    ...logs,
    vpcCidr: '10.1.0.0/16',
    availabilityZones: [],
    endpointZones: 1,
  });
  const database = new Database(stack, 'Database', {
    ...DEFAULTS,
    profile: 'scale-to-zero',
    minCapacity: 0,
    ...logs,
    network,
    deletionProtection: false,
    ...props,
  } as DatabaseProps);
  const platform = () =>
    new Platform(stack, 'Platform', { logs, network, database, alarmTopic: new Topic(stack, 'Topic') });
  return { stack, key, logs, network, database, platform };
}

const SYNTHESISED = new Map<Settings, { stack: ApiStack; template: Template }>();

/** A whole stack and its template, synthesised once for the same `settings`; nothing may be added to it. */
export function synthesised(settings: Settings, pattern: Pattern = 'isolated') {
  const known = pattern === 'isolated' ? SYNTHESISED.get(settings) : undefined;
  if (known) return known;
  const stack = new ApiStack(emptyApp(), `test-${settings.stage}`, { settings, pattern });
  const made = { stack, template: Template.fromStack(stack) };
  if (pattern === 'isolated') SYNTHESISED.set(settings, made);
  return made;
}
