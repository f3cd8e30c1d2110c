import { expect, test } from 'vitest';
import { checked, DEFAULTS, type Settings, STAGES } from '../lib/settings.ts';

test('every stage is fit to be deployed', () => {
  for (const settings of Object.values(STAGES)) expect(checked(settings)).toBe(settings);
});

test('all faults are told at once', () => {
  const settings = { ...STAGES.dev, functionTimeout: 29, monthlyBudget: 5, vpcCidr: '10.0.0.0/8' };
  expect(() => checked(settings)).toThrow(
    'stage dev: functionTimeout is 29, not 3 to 28; monthlyBudget needs an alarmEmail other than nobody; vpcCidr 10.0.0.0/8 is not a /16',
  );
});

test('what pages may send is named', () => {
  const headers =
    (...corsAllowedHeaders: string[]) =>
    () =>
      checked({ ...STAGES.dev, corsAllowedHeaders });
  expect(headers('X-Store', 'x-till')).not.toThrow();
  for (const name of ['*', 'X Store', '', 'X-Store,X-Till']) expect(headers(name)).toThrow('not the name of a header');
});

test('what no type has seen is refused too', () => {
  const open = { ...STAGES.prod, authMode: 'none' } as unknown as Settings;
  expect(() => checked(open)).toThrow('stage prod needs authMode iam or cognito');
  const asleep = { ...STAGES.prod, profile: 'scale-to-zero' } as unknown as Settings;
  expect(() => checked(asleep)).toThrow('stage prod needs profile proxy');
  const contradiction = { ...STAGES.dev, minCapacity: 1 } as unknown as Settings;
  expect(() => checked(contradiction)).toThrow('profile scale-to-zero contradicts minCapacity 1');
});

test('functions want no more connections than the proxy has', () => {
  expect(() => checked({ ...STAGES.prod, readerConcurrency: 0 })).toThrow('its connections are counted');
  expect(() => checked({ ...STAGES.prod, readerConcurrency: 100 })).toThrow(/want \d+ connections at once, of 640/);
});

test('a budget has a reader', () => {
  expect(checked({ ...STAGES.dev, monthlyBudget: 5, alarmEmail: 'a@example.com' }).monthlyBudget).toBe(5);
  expect(DEFAULTS.monthlyBudget).toBe(0);
});

test('a stage says who is told of alarms, in words that mean something', () => {
  for (const alarmEmail of [undefined, '', 'somebody']) {
    expect(() => checked({ ...STAGES.dev, alarmEmail } as unknown as Settings)).toThrow(
      'neither an address nor nobody',
    );
  }
});

test('zones are two or none, and logs go somewhere before a role is named for it', () => {
  expect(() => checked({ ...STAGES.dev, availabilityZones: ['eu-central-1a'] })).toThrow('neither two zones nor none');
  expect(() => checked({ ...STAGES.dev, availabilityZones: ['eu-central-1a', 'eu-central-1a'] })).toThrow(
    'neither two',
  );
  expect(() => checked({ ...STAGES.dev, logDestinationRoleArn: 'arn:aws:iam::1:role/logs' })).toThrow(
    'needs logDestinationArn',
  );
});

test('staging is prod but for sizes, concurrency, shifts and retention', () => {
  const { prod, staging } = STAGES;
  const differ = (Object.keys(prod) as (keyof typeof prod)[]).filter((name) => prod[name] !== staging[name]);
  expect(differ.sort()).toEqual([
    'backupRetentionDays',
    'deploymentPreference',
    'documentConcurrency',
    'logRetentionDays',
    'maxCapacity',
    'maxConnections',
    'readerConcurrency',
    'stage',
    'writerConcurrency',
  ]);
});
