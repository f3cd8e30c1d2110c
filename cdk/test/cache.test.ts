import { Match, Template } from 'aws-cdk-lib/assertions';
import { expect, test } from 'vitest';
import { Cache } from '../lib/cache.ts';
import { NAME } from '../lib/generated/project.gen.ts';
import { ground } from './stacks.ts';

const { stack, network, key } = ground();
const cache = new Cache(stack, 'Cache', { network, key });
const template = Template.fromStack(stack);

test('the cache is encrypted and bounded', () => {
  template.hasResourceProperties('AWS::ElastiCache::ServerlessCache', {
    Engine: 'valkey',
    KmsKeyId: Match.anyValue(),
    CacheUsageLimits: { DataStorage: { Maximum: 1, Unit: 'GB' }, ECPUPerSecond: { Maximum: 5000 } },
  });
});

test('its user can do nothing dangerous, and touch no other keys', () => {
  template.hasResourceProperties('AWS::ElastiCache::User', {
    AccessString: Match.stringLikeRegexp(`^on ~${NAME}\\* -@all .* -@dangerous$`),
  });
});

test('only functions reach it', () => {
  template.hasResourceProperties('AWS::EC2::SecurityGroupIngress', {
    FromPort: 6379,
    ToPort: 6380,
    SourceSecurityGroupId: { 'Fn::GetAtt': [Match.stringLikeRegexp('FunctionSecurityGroup'), 'GroupId'] },
  });
});

test('functions get its address and its password, which the template does not show', () => {
  const { CACHE_URL, CACHE_PASSWORD, ...rest } = stack.resolve(cache.environment);
  expect(CACHE_URL['Fn::Join'][1][0]).toBe('rediss://');
  expect(JSON.stringify(CACHE_PASSWORD)).toContain('{{resolve:secretsmanager:');
  expect(rest.CACHE_CLUSTER).toBe('true');
});
