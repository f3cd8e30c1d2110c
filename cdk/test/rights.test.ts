/** The callers' permissions, evaluated by IAM's rules for wildcards. */

import { Template } from 'aws-cdk-lib/assertions';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { describe, expect, test } from 'vitest';
import { CatalogApi } from '../lib/catalog-api.ts';
import { OPERATIONS, type OperationId } from '../lib/generated/operations.gen.ts';
import { OPERATION_IDS } from '../lib/operations.ts';
import { DEFAULTS } from '../lib/settings.ts';
import { Evaluator, type Json, type Template as Translated } from '../parity/evaluate.ts';
import { ground } from './stacks.ts';

/** Whether `resource` matches `pattern` by IAM's rules: `*` is any text and `?` any one character, including `/`. */
function matches(pattern: string, resource: string): boolean {
  const escaped = pattern.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, 's').test(resource);
}

test('wildcards cross slashes', () => {
  expect(matches('a/*', 'a/b/c')).toBe(true);
  expect(matches('a/?', 'a/b')).toBe(true);
  expect(matches('a?b', 'a/b')).toBe(true);
  expect(matches('a/?', 'a/bc')).toBe(false);
  expect(matches('a.b', 'axb')).toBe(false);
});

const ID = '0198f0e2-7c1b-7a5e-9d3c-2f6b8a4c1d00';
const ROUTES = OPERATION_IDS.flatMap((id) => OPERATIONS[id].routes.map((route) => ({ id, ...route })));

/** A stack with one caller for each operation, which may call only that operation. */
const allowed = (() => {
  const { stack, key, platform } = ground();
  const integrations = CatalogApi.defaultIntegrations(stack, 'shared')
    .withDefaultOptions({ platform: platform() })
    .build();
  const api = new CatalogApi(stack, 'Api', {
    ...DEFAULTS,
    key,
    integrations,
    stageName: 'dev',
    access: { authMode: 'iam' },
  });
  for (const id of OPERATION_IDS) {
    const caller = new Role(stack, `${id}Caller`, { assumedBy: new ServicePrincipal('ec2.amazonaws.com') });
    api.grantInvokeAccess(caller, { operations: [id] });
  }
  const template = Template.fromStack(stack).toJSON();
  const evaluator = new Evaluator(template as Translated, {
    stackName: 'test',
    parameters: {},
    rename: (name) => name.replace(/[0-9A-F]{8}$/, ''),
  });
  const policies = [...evaluator.resources()].filter(([, { Type }]) => Type === 'AWS::IAM::Policy');
  return new Map(
    OPERATION_IDS.map((id) => {
      const [, policy] = policies.find(([name]) => name === `${id}CallerDefaultPolicy`) ?? [];
      const document = policy?.Properties.PolicyDocument as { Statement: { Resource: Json }[] } | undefined;
      return [id, document?.Statement.flatMap(({ Resource }) => [Resource].flat().map(String)) ?? []];
    }),
  );
})();

describe('a caller of', () => {
  test.each(OPERATION_IDS)('%s may call its routes, and no other operation', (id: OperationId) => {
    const [any = ''] = allowed.get(id) ?? [];
    const prefix = any.split('/dev/')[0];
    const open = ROUTES.filter(({ method, path }) => {
      const called = `${prefix}/dev/${method}${path.replaceAll(/\{\w+\}/g, ID)}`;
      return allowed.get(id)?.some((pattern) => matches(pattern, called));
    });
    expect(open.map(({ id, method, path }) => `${id}: ${method} ${path}`)).toEqual(
      ROUTES.filter((route) => route.id === id).map(({ method, path }) => `${id}: ${method} ${path}`),
    );
  });
});
