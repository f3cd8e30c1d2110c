import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, Stack, Validations } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { CfnManagedPolicy } from 'aws-cdk-lib/aws-iam';
import { Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { AwsSolutionsChecks } from 'cdk-nag';
import { describe, expect, test } from 'vitest';
import { ApiStack } from '../lib/api-stack.ts';
import { BINARIES, compiled, PLACEHOLDERS } from '../lib/code.ts';
import { OPERATIONS } from '../lib/generated/operations.gen.ts';
import { constructId } from '../lib/operation.ts';
import { OPERATION_IDS } from '../lib/operations.ts';
import { type Settings, STAGES } from '../lib/settings.ts';
import { PATTERN, stages } from '../lib/stages.ts';
import { VARIANTS } from '../parity/variants.ts';
import { CONTEXT, emptyApp, synthesised } from './stacks.ts';

/** The minimum number of operations, of the present kind, that must fit into one stack with everything enabled. */
const LEAST_OPERATIONS = 31;

/** The logical ids of everything that `id` depends on. */
function waitsFor(template: Template, id: string): Set<string> {
  const resources = template.toJSON().Resources;
  const seen = new Set<string>();
  const visit = (name: string) => {
    const named = JSON.stringify(resources[name]).matchAll(/"(?:Ref|Fn::GetAtt)":\[?"([^"]+)"/g);
    for (const next of [...(resources[name].DependsOn ?? []), ...[...named].map((match) => match[1])]) {
      if (next in resources && !seen.has(next)) {
        seen.add(next);
        visit(next);
      }
    }
  };
  visit(id);
  return seen;
}

describe('a stack', () => {
  const { stack, template } = synthesised({ ...STAGES.prod, deploymentPreference: 'Canary10Percent5Minutes' });

  test('migrates before any function that uses the database changes', () => {
    const [migration] = Object.keys(template.findResources('Custom::Migration'));
    const functions = Object.entries(template.findResources('AWS::Lambda::Function'));
    for (const [id, { Properties }] of functions) {
      const uses = 'DB_USER' in Properties.Environment.Variables;
      expect(waitsFor(template, id).has(migration ?? ''), id).toBe(uses);
    }
  });

  test('migrates when the database and what migrate needs are there, and again with each version', () => {
    const [migration] = Object.keys(template.findResources('Custom::Migration'));
    const waited = [...waitsFor(template, migration ?? '')].join(' ');
    // Rules of security groups are separate resources, which nothing else depends on.
    const rules = Object.keys(template.findResources('AWS::EC2::SecurityGroupIngress')).filter((id) =>
      id.startsWith('Database'),
    );
    expect(rules.length).toBeGreaterThan(1);
    for (const id of [...rules, 'DatabaseClusterWriter', 'NetworkS3Endpoint', 'NetworkSecretsManagerEndpoint']) {
      expect(waited).toContain(id);
    }
    template.hasResourceProperties('Custom::Migration', {
      Version: { Ref: Match.stringLikeRegexp('^MigrationsMigrateCurrentVersion') },
    });
  });

  test('moves traffic little by little, and back on an alarm', () => {
    template.allResourcesProperties('AWS::CodeDeploy::DeploymentGroup', {
      DeploymentConfigName: 'CodeDeployDefault.LambdaCanary10Percent5Minutes',
      AlarmConfiguration: { Enabled: true, Alarms: [{ Name: { Ref: Match.stringLikeRegexp('Alarm') } }] },
      AutoRollbackConfiguration: { Enabled: true },
    });
    const aliases = template.findResources('AWS::Lambda::Alias', {
      UpdatePolicy: { CodeDeployLambdaAliasUpdate: Match.anyValue() },
    });
    // All except that of migrate, which has no traffic.
    expect(Object.keys(aliases)).toHaveLength(Object.keys(template.findResources('AWS::Lambda::Alias')).length - 1);
  });

  test('of production cannot be deleted by mistake', () => {
    expect(stack.terminationProtection).toBe(true);
    template.hasResourceProperties('AWS::RDS::DBCluster', { DeletionProtection: true });
  });

  test('shows no secret', () => {
    const variables = Object.values(template.findResources('AWS::Lambda::Function')).map(
      ({ Properties }) => Properties.Environment.Variables.CURSOR_KEY,
    );
    for (const key of variables.filter(Boolean)) expect(JSON.stringify(key)).toContain('{{resolve:secretsmanager:');
  });

  test('has resources for as many operations again', () => {
    const { Resources } = synthesised(VARIANTS.everything).template.toJSON();
    const all = Object.entries<{ Type: string }>(Resources);
    const ofOperations = all.filter(([id, { Type }]) =>
      Type === 'AWS::ApiGateway::Method' || Type === 'AWS::ApiGateway::Resource'
        ? true
        : OPERATION_IDS.some((operation) => id.startsWith(`${constructId(OPERATIONS[operation].functionName)}`)),
    );
    const each = ofOperations.length / OPERATION_IDS.length;
    // CloudFormation's limit is 500.
    const fit = Math.floor((500 - (all.length - ofOperations.length)) / each);
    expect(fit).toBeGreaterThanOrEqual(LEAST_OPERATIONS);
  });

  test('says where the API is', () => {
    for (const name of ['Url', 'ApiId', 'AlarmTopic', 'OwnerSecret', 'AuthMode']) template.hasOutput(name, {});
  });
});

describe('logs', () => {
  const { template } = synthesised(VARIANTS.everything);
  const groups = template.findResources('AWS::Logs::LogGroup');

  test('are all encrypted, kept as long as the stage says, and gone with the stack', () => {
    template.allResources('AWS::Logs::LogGroup', {
      DeletionPolicy: 'Delete',
      Properties: Match.objectLike({ RetentionInDays: 30, KmsKeyId: Match.anyValue() }),
    });
  });

  test("of the gateway, the database and its proxy are the stack's own, and there before who writes them", () => {
    const names = Object.entries(groups).map(([id, { Properties }]) => [id, JSON.stringify(Properties.LogGroupName)]);
    for (const [beginning, writer] of [
      ['API-Gateway-Execution-Logs_', 'AWS::ApiGateway::Stage'],
      ['/aws/rds/cluster/', 'AWS::RDS::DBInstance'],
      ['/aws/rds/proxy/', 'AWS::RDS::DBProxy'],
    ] as const) {
      const [id] = names.find(([, name]) => name?.includes(beginning)) ?? [];
      expect(id, beginning).toBeDefined();
      const writers = Object.keys(template.findResources(writer)).filter((one) => !one.includes('Standby'));
      for (const one of writers) expect(waitsFor(template, one)).toContain(id);
    }
  });

  test('of any group are readable to the key, whatever it is called', () => {
    const [key] = Object.values(template.findResources('AWS::KMS::Key'));
    const statements: { Sid?: string; Condition: { ArnLike: object } }[] = key?.Properties.KeyPolicy.Statement ?? [];
    const statement = statements.find(({ Sid }) => Sid === 'Logs');
    const arns = JSON.stringify(statement?.Condition.ArnLike);
    for (const name of ['*test-prod*', 'API-Gateway-Execution-Logs_*/prod', '/aws/rds/cluster/*'])
      expect(arns).toContain(`:log-group:${name}"`);
  });

  test('are sent to the destination, each of them', () => {
    const filters = Object.values(template.findResources('AWS::Logs::SubscriptionFilter'));
    expect(filters.map(({ Properties }) => Properties.LogGroupName.Ref).sort()).toEqual(Object.keys(groups).sort());
    template.allResourcesProperties('AWS::Logs::SubscriptionFilter', {
      DestinationArn: VARIANTS.everything.logDestinationArn,
      RoleArn: VARIANTS.everything.logDestinationRoleArn,
      FilterPattern: '',
    });
  });

  test('go nowhere else unless the stage says so, and with a role only where there is one', () => {
    synthesised(STAGES.dev).template.resourceCountIs('AWS::Logs::SubscriptionFilter', 0);
    synthesised(VARIANTS.between).template.allResourcesProperties('AWS::Logs::SubscriptionFilter', {
      RoleArn: Match.absent(),
    });
  });
});

describe('the way to the database', () => {
  const said = (profile: 'proxy' | 'scale-to-zero', bothPaths: boolean) => {
    const capacity =
      profile === 'proxy' ? { profile, minCapacity: 0.5 as const } : { profile, minCapacity: 0 as const };
    const { template } = synthesised({ ...STAGES.staging, ...capacity, bothPaths });
    const [reader] = Object.values(
      template.findResources('AWS::Lambda::Function', { Properties: { FunctionName: 'test-staging-get-product' } }),
    );
    const [role] = Object.values(template.findResources('AWS::IAM::Role')).filter(({ Properties }) =>
      Properties.Policies?.some(({ PolicyName }: { PolicyName: string }) => PolicyName === 'get-product'),
    );
    const statements: { Action: string; Resource: unknown }[] =
      role?.Properties.Policies[0].PolicyDocument.Statement ?? [];
    const connect = statements.find(({ Action }) => Action === 'rds-db:connect');
    const rights = [connect?.Resource]
      .flat()
      .map((arn) => (JSON.stringify(arn).includes('DBProxyArn') ? 'proxy' : 'cluster'));
    const host = JSON.stringify(reader?.Properties.Environment.Variables.DB_HOST).includes('DatabaseProxy');
    const doors = JSON.stringify(template.findResources('AWS::EC2::SecurityGroupIngress'));
    return {
      host: host ? 'proxy' : 'cluster',
      rights,
      proxies: Object.keys(template.findResources('AWS::RDS::DBProxy')).length,
      isOpen:
        /"GroupId":\{"Fn::GetAtt":\["DatabaseDatabaseSecurityGroup[^}]*\},[^{}]*"SourceSecurityGroupId":\{"Fn::GetAtt":\["NetworkFunction/.test(
          doors,
        ),
      awake: Object.keys(template.findResources('AWS::RDS::DBInstance')).length,
    };
  };

  test.each([
    ['proxy', false, { host: 'proxy', rights: ['proxy'], proxies: 1, isOpen: false, awake: 2 }],
    ['proxy', true, { host: 'proxy', rights: ['cluster', 'proxy'], proxies: 1, isOpen: true, awake: 2 }],
    ['scale-to-zero', true, { host: 'cluster', rights: ['cluster', 'proxy'], proxies: 1, isOpen: true, awake: 1 }],
    ['scale-to-zero', false, { host: 'cluster', rights: ['cluster'], proxies: 0, isOpen: true, awake: 1 }],
  ] as const)('with profile %s, both ways %s', (profile, bothPaths, expected) => {
    expect(said(profile, bothPaths)).toEqual(expected);
  });
});

describe('the cache', () => {
  test('is told of changes by those that write, before anybody reads it', () => {
    const functions = Object.values(synthesised(VARIANTS.between).template.findResources('AWS::Lambda::Function'));
    for (const { Properties } of functions) {
      const { CACHE_URL, CACHE_PASSWORD, DB_USER } = Properties.Environment.Variables;
      expect(CACHE_URL !== undefined, Properties.FunctionName).toBe(DB_USER === 'catalog_writer');
      expect(CACHE_PASSWORD !== undefined).toBe(CACHE_URL !== undefined);
    }
  });

  test('has no such step where one function reads and writes', () => {
    expect(() => synthesised(VARIANTS.between, 'shared')).toThrow('pattern shared has one function');
  });
});

test('subnets are in the zones that the stage names', () => {
  const zones = Object.values(synthesised(VARIANTS.everything).template.findResources('AWS::EC2::Subnet'));
  expect(zones.map(({ Properties }) => Properties.AvailabilityZone)).toEqual(['eu-central-1b', 'eu-central-1c']);
});

describe('TLS', () => {
  const { template } = synthesised(VARIANTS.everything);
  const policy = { SecurityPolicy: 'SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09', EndpointAccessMode: 'STRICT' };

  test('is of today, at the API and at its domain', () => {
    template.allResourcesProperties('AWS::ApiGateway::RestApi', policy);
    template.allResourcesProperties('AWS::ApiGateway::DomainName', policy);
  });
});

describe('health', () => {
  test('is asked for by a rule that may do nothing else, and missed when nobody answers', () => {
    const { template } = synthesised(STAGES.prod);
    const [rule] = Object.values(
      template.findResources('AWS::Events::Rule', { Properties: { ScheduleExpression: 'rate(5 minutes)' } }),
    );
    const [target] = rule?.Properties.Targets ?? [];
    expect(JSON.stringify(target.Arn)).toMatch(/"\/",\{"Ref":"GatewayApiDeploymentStageprod\w+"\},"\/GET\/health"/);
    expect(target.RetryPolicy).toEqual({ MaximumRetryAttempts: 0 });
    const role = template.toJSON().Resources[target.RoleArn['Fn::GetAtt'][0]];
    expect(role.Properties.Policies[0].PolicyDocument.Statement).toEqual([
      { Action: 'execute-api:Invoke', Effect: 'Allow', Resource: target.Arn },
    ]);
    template.hasResourceProperties('AWS::CloudWatch::Alarm', {
      Threshold: 1,
      ComparisonOperator: 'LessThanThreshold',
      TreatMissingData: 'breaching',
      Metrics: Match.arrayWith([Match.objectLike({ Expression: 'FILL(answers, 0) - FILL(failures, 0)' })]),
    });
  });

  const POOL = 'arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_Example';
  test.each<[string, object]>([
    ['of a database that sleeps', STAGES.dev],
    ['where a token is needed', { ...STAGES.prod, authMode: 'cognito', userPoolArn: POOL }],
    ['where a key is needed', { ...STAGES.prod, apiKeys: true }],
    ['where addresses are listed', { ...STAGES.prod, allowedIpRanges: ['198.51.100.0/24'] }],
  ])('is not asked for %s', (_, settings) => {
    const { template } = synthesised(settings as Settings);
    expect(
      template.findResources('AWS::Events::Rule', { Properties: { ScheduleExpression: 'rate(5 minutes)' } }),
    ).toEqual({});
    expect(JSON.stringify(template.findResources('AWS::CloudWatch::Alarm'))).not.toContain('FILL(failures');
  });
});

describe('the flags of the library', () => {
  /** The differences from the recommended values, and why. */
  const OTHERWISE = {
    // For GovCloud as well.
    '@aws-cdk/core:target-partitions': ['aws', 'aws-cn', 'aws-us-gov'],
    // For AWS's usage statistics, in which the app does not take part.
    '@aws-cdk/core:enableAdditionalMetadataCollection': false,
  };

  test('are those that it recommends: what a new release adds is decided when it comes', () => {
    const recommended = createRequire(import.meta.url)('aws-cdk-lib/recommended-feature-flags.json');
    const { 'cli-telemetry': _, ...flags } = CONTEXT;
    expect(flags).toEqual({ ...recommended, ...OTHERWISE });
  });

  test('make errors of what its rules find', () => {
    const stack = new Stack(emptyApp(), 'test');
    const statement = { Sid: 'Twice', Effect: 'Allow', Action: 's3:GetObject', Resource: 'arn:aws:s3:::b/k' };
    new CfnManagedPolicy(stack, 'Policy', {
      policyDocument: { Version: '2012-10-17', Statement: [statement, { ...statement, Action: 's3:PutObject' }] },
    });
    expect(() => Template.fromStack(stack)).toThrow('duplicate');
  });
});

describe('code', () => {
  test('that is a placeholder cannot be deployed', () => {
    const { template } = synthesised(STAGES.dev);
    template.hasParameter('Code', { Default: 'placeholder', AllowedValues: ['placeholder'] });
    expect(template.toJSON().Rules.CodeIsCompiled.Assertions).toEqual([
      {
        Assert: { 'Fn::Equals': [{ Ref: 'Code' }, 'compiled'] },
        AssertDescription: 'This template was made with -c placeholders=true: its functions have no code.',
      },
    ]);
  });

  /** The errors about the code in the folder `binaries`. */
  const errors = (binaries: string) => {
    const app = new App({ context: { [BINARIES]: binaries } });
    const stack = new Stack(app, 'test');
    compiled(stack, 'get-product');
    const { messages } = app.synth({ force: true }).getStackByName('test');
    return messages.filter(({ level }) => level === 'error').map(({ entry }) => entry.data);
  };

  test('that is missing is an error that says what to do', () => {
    expect(errors('/nowhere')).toEqual([
      '/nowhere/get-product/bootstrap does not exist: run `cargo lambda build --release --arm64` first, or synthesise only the template with `-c placeholders=true`',
    ]);
  });

  test('that is packed already is deployed as it is', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cdk-'));
    const zip = Buffer.from('the very bytes');
    writeFileSync(join(folder, 'get-product.zip'), zip);
    const app = new App({ context: { [BINARIES]: folder } });
    const stack = new Stack(app, 'test');
    new LambdaFunction(stack, 'It', {
      code: compiled(stack, 'get-product'),
      handler: 'bootstrap',
      runtime: Runtime.PROVIDED_AL2023,
    });
    const assembly = app.synth();
    const assets = readdirSync(assembly.directory).filter((name) => name.endsWith('.zip'));
    expect(assets.map((name) => readFileSync(join(assembly.directory, name)))).toEqual([zip]);
    rmSync(folder, { recursive: true });
  });

  test('for another processor is an error, for arm64 is not', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cdk-'));
    const build = (machine: number) => {
      mkdirSync(join(folder, 'get-product'), { recursive: true });
      const elf = Buffer.alloc(64);
      elf.writeUInt16LE(machine, 18);
      writeFileSync(join(folder, 'get-product', 'bootstrap'), elf);
    };
    try {
      build(62);
      expect(errors(folder)).toEqual([expect.stringContaining('is not for arm64')]);
      build(183);
      expect(errors(folder)).toEqual([]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("AWS Solutions' rules", () => {
  const synth = (app: App) => app.synth();

  test('have nothing left to say about any stage', () => {
    const app = emptyApp();
    stages(app);
    expect(() => synth(app)).not.toThrow();
  });

  test.each(Object.entries(VARIANTS))('have nothing left to say about %s', (name, settings) => {
    const app = emptyApp();
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
    new ApiStack(app, name, { settings });
    expect(() => synth(app)).not.toThrow();
  });

  test('have nothing left to say about pattern shared', () => {
    const app = new App({ context: { ...CONTEXT, [PLACEHOLDERS]: true, [PATTERN]: 'shared' } });
    const { staging } = stages(app);
    expect(() => synth(app)).not.toThrow();
    // For `router` and `migrate`.
    Template.fromStack(staging).resourceCountIs('AWS::Lambda::Function', 2);
  });

  test('know two patterns', () => {
    expect(() => stages(new App({ context: { [PATTERN]: 'scattered' } }))).toThrow('neither isolated nor shared');
  });

  test('have something to say about a plain bucket', () => {
    const app = emptyApp();
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
    new Bucket(new Stack(app, 'plain'), 'Bucket');
    expect(() => synth(app)).toThrow();
  });
});
