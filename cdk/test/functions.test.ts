/** Options of functions: for all, for those of a role, declared by an operation, and for one operation in the app. */

import { type App, Duration, Size, type Stack, Validations } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { type ISubnet, SecurityGroup, SubnetType, Vpc } from 'aws-cdk-lib/aws-ec2';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import { LambdaInsightsVersion, LayerVersion, Tracing } from 'aws-cdk-lib/aws-lambda';
import { SqsDestination } from 'aws-cdk-lib/aws-lambda-destinations';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { AwsSolutionsChecks } from 'cdk-nag';
import { describe, expect, test } from 'vitest';
import { CatalogApi } from '../lib/catalog-api.ts';
import { OPERATIONS } from '../lib/generated/operations.gen.ts';
import { type DefaultOptions, IntegrationsBuilder, type None, type Pattern } from '../lib/integrations.ts';
import { OPERATION_IDS, OWN, type OwnOfOperations } from '../lib/operations.ts';
import { ground } from './stacks.ts';

type Builder = IntegrationsBuilder<None>;

/** Functions with the options that `say` sets, for operations that declare `own`. */
function build(
  say: (builder: Builder, stack: Stack) => Builder,
  { pattern = 'isolated', own = {} }: { pattern?: Pattern; own?: Partial<OwnOfOperations> } = {},
) {
  const { stack, platform } = ground();
  const builder = IntegrationsBuilder.in(stack, pattern, { ...OWN, ...own }).withDefaultOptions({
    platform: platform(),
  });
  const integrations = say(builder, stack).build();
  const template = Template.fromStack(stack);
  const called = (name: string) => {
    const [found] = Object.values(
      template.findResources('AWS::Lambda::Function', { Properties: { FunctionName: `test-${name}` } }),
    );
    return found?.Properties;
  };
  return { stack, integrations, template, called };
}

const withDefaults = (options: (stack: Stack) => DefaultOptions) =>
  build((builder, stack) => builder.withDefaultOptions(options(stack)));

describe('options of the library', () => {
  test('name another network, which replaces all of ours', () => {
    const { called, template } = withDefaults((stack) => {
      const vpc = new Vpc(stack, 'Mine', { maxAzs: 2, natGateways: 1 });
      return {
        vpc,
        vpcSubnets: { subnetType: SubnetType.PRIVATE_WITH_EGRESS },
        securityGroups: [new SecurityGroup(stack, 'MyGroup', { vpc })],
      };
    });
    const { VpcConfig } = called('get-product');
    expect(VpcConfig.SubnetIds[0].Ref).toMatch(/^MinePrivateSubnet1/);
    expect(JSON.stringify(VpcConfig.SecurityGroupIds)).toContain('MyGroup');
    expect(JSON.stringify(VpcConfig.SecurityGroupIds)).not.toContain('NetworkFunction');
    // Functions without a database join the network, too, with permission to do so.
    expect(called('get-openapi').VpcConfig).toEqual(VpcConfig);
    const [role] = Object.values(
      template.findResources('AWS::IAM::Role', {
        Properties: { Policies: [Match.objectLike({ PolicyName: 'get-openapi' })] },
      }),
    );
    expect(JSON.stringify(role?.Properties.ManagedPolicyArns)).toContain('NetworkPolicy');
  });

  test('name another network alone: the library makes a group there', () => {
    const { called } = withDefaults((stack) => ({ vpc: new Vpc(stack, 'Mine', { maxAzs: 1, natGateways: 1 }) }));
    expect(JSON.stringify(called('get-product').VpcConfig)).toContain('Mine');
  });

  test('name another network for one function, without the subnets and groups of the others', () => {
    const { called } = build((builder, stack) => {
      const others = new Vpc(stack, 'Others', { maxAzs: 2, natGateways: 1 });
      return builder
        .withDefaultOptions({
          vpc: others,
          vpcSubnets: { subnets: [others.privateSubnets[0] as ISubnet] },
          securityGroups: [new SecurityGroup(stack, 'OthersGroup', { vpc: others })],
        })
        .withOperationOptions({ getProduct: { vpc: new Vpc(stack, 'Mine', { maxAzs: 2, natGateways: 1 }) } });
    });
    expect(JSON.stringify(called('get-product').VpcConfig)).not.toContain('Others');
    expect(called('get-artisan').VpcConfig.SubnetIds).toHaveLength(1);
  });

  test('name other groups in our network, where a function is in it', () => {
    const { called } = build((builder, stack) => {
      const vpc = stack.node.findChild('Network').node.findChild('Vpc') as Vpc;
      return builder.withDefaultOptions({ securityGroups: [new SecurityGroup(stack, 'MyGroup', { vpc })] });
    });
    expect(JSON.stringify(called('get-product').VpcConfig.SecurityGroupIds)).toContain('MyGroup');
    expect(called('get-product').VpcConfig.SubnetIds).toHaveLength(2);
    expect(called('get-openapi').VpcConfig).toBeUndefined();
  });

  test('reach every function', () => {
    const { called, template } = withDefaults((stack) => ({
      layers: [
        LayerVersion.fromLayerVersionArn(stack, 'Layer', 'arn:aws:lambda:eu-central-1:123456789012:layer:mine:1'),
      ],
      ephemeralStorageSize: Size.mebibytes(1024),
      timeout: Duration.seconds(17),
      memorySize: 333,
      tracing: Tracing.PASS_THROUGH,
      environment: { EXTRA: 'yes' },
    }));
    template.allResourcesProperties('AWS::Lambda::Function', {
      Layers: ['arn:aws:lambda:eu-central-1:123456789012:layer:mine:1'],
      EphemeralStorage: { Size: 1024 },
      MemorySize: 333,
      TracingConfig: { Mode: 'PassThrough' },
      Environment: { Variables: Match.objectLike({ EXTRA: 'yes', POWERTOOLS_SERVICE_NAME: 'test' }) },
    });
    for (const id of OPERATION_IDS) {
      expect(called(OPERATIONS[id].functionName).Timeout).toBe(OWN[id].timeoutSeconds ?? 17);
    }
  });

  test('come with the rights that they need', () => {
    const { called, template } = build((builder, stack) => {
      const queue = new Queue(stack, 'Dead');
      return builder.withOperationOptions({
        createProduct: {
          deadLetterQueue: queue,
          onFailure: new SqsDestination(queue),
          insightsVersion: LambdaInsightsVersion.VERSION_1_0_333_0,
          initialPolicy: [new PolicyStatement({ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::mine/x'] })],
        },
      });
    });
    const { DeadLetterConfig, Layers } = called('create-product');
    expect(DeadLetterConfig.TargetArn['Fn::GetAtt'][0]).toMatch(/^Dead/);
    expect(Layers).toHaveLength(1);
    template.resourceCountIs('AWS::Lambda::EventInvokeConfig', 1);
    template.hasResourceProperties('AWS::IAM::Policy', {
      PolicyDocument: {
        Statement: Match.arrayWith([Match.objectLike({ Action: Match.arrayWith(['sqs:SendMessage']) })]),
      },
    });
    template.hasResourceProperties('AWS::IAM::Role', {
      Policies: [
        Match.objectLike({
          PolicyName: 'create-product',
          PolicyDocument: Match.objectLike({
            Statement: Match.arrayWith([Match.objectLike({ Action: 's3:GetObject', Resource: 'arn:aws:s3:::mine/x' })]),
          }),
        }),
      ],
      ManagedPolicyArns: Match.arrayWith([
        { 'Fn::Join': ['', Match.arrayWith([':iam::aws:policy/CloudWatchLambdaInsightsExecutionRolePolicy'])] },
      ]),
    });
  });

  test('put a role, a key, a log group and a name in the place of ours', () => {
    const { called, template } = build((builder, stack) =>
      builder.withOperationOptions({
        getProduct: {
          functionName: 'my-own-name',
          role: new Role(stack, 'MyRole', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') }),
          environmentEncryption: new Key(stack, 'MyKey'),
          logGroup: new LogGroup(stack, 'MyLogs'),
        },
      }),
    );
    expect(called('get-product')).toBeUndefined();
    template.hasResourceProperties('AWS::Lambda::Function', {
      FunctionName: 'my-own-name',
      Role: { 'Fn::GetAtt': [Match.stringLikeRegexp('^MyRole'), 'Arn'] },
      KmsKeyArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^MyKey'), 'Arn'] },
      LoggingConfig: { LogGroup: { Ref: Match.stringLikeRegexp('^MyLogs') } },
    });
    // The role has the same permissions to log, decrypt and connect as ours, and the alarm watches that function.
    const [policy] = Object.values(
      template.findResources('AWS::IAM::Policy', {
        Properties: { PolicyName: Match.stringLikeRegexp('^MyRoleDefaultPolicy') },
      }),
    );
    const said = JSON.stringify(policy);
    for (const part of ['MyLogs', 'MyKey', 'rds-db:connect', 'function:my-own-name']) expect(said).toContain(part);
    expect(JSON.stringify(template.findResources('AWS::CloudWatch::Alarm'))).toContain('"my-own-name"');
  });
});

describe('one level of options over another', () => {
  test('the nearest to the operation is what counts', () => {
    const { called } = build(
      (builder) =>
        builder
          .withDefaultOptions({ memorySize: 300, timeout: Duration.seconds(5), reservedConcurrentExecutions: 1 })
          .withRoleOptions({ reader: { memorySize: 400, reservedConcurrentExecutions: 2 }, none: { memorySize: 128 } })
          .withOperationOptions({ getArtisan: { memorySize: 600 } }),
      {
        own: { getProduct: { memorySize: 500, timeoutSeconds: 9 }, getArtisan: { memorySize: 512, timeoutSeconds: 8 } },
      },
    );
    const settingsOf = (name: string) => {
      const { MemorySize, Timeout, ReservedConcurrentExecutions } = called(name);
      return [MemorySize, Timeout, ReservedConcurrentExecutions];
    };
    expect(settingsOf('create-product')).toEqual([300, 5, 1]);
    expect(settingsOf('list-products')).toEqual([400, 5, 2]);
    expect(settingsOf('get-openapi')).toEqual([128, 5, 1]);
    expect(settingsOf('get-product')).toEqual([500, 9, 2]);
    expect(settingsOf('get-artisan')).toEqual([600, 8, 2]);
  });

  test('variables and rights add up', () => {
    const { called } = build(
      (builder) =>
        builder
          .withDefaultOptions({ environment: { FIRST: 'default', SECOND: 'default', THIRD: 'default' } })
          .withOperationOptions({ getProduct: { environment: { THIRD: 'here' } } }),
      { own: { getProduct: { environment: { SECOND: 'own' } } } },
    );
    expect(called('get-product').Environment.Variables).toMatchObject({
      FIRST: 'default',
      SECOND: 'own',
      THIRD: 'here',
      DB_AUTH: 'iam',
    });
    expect(called('get-artisan').Environment.Variables).toMatchObject({
      FIRST: 'default',
      SECOND: 'default',
      THIRD: 'default',
    });
  });
});

const OWN_OF_SEARCH: Partial<OwnOfOperations> = {
  searchProducts: {
    memorySize: 1024,
    timeoutSeconds: 20,
    reservedConcurrency: 3,
    provisionedConcurrency: 2,
    environment: { EXTRA: 'yes' },
    rights: [
      {
        sid: 'ReadIt',
        actions: ['s3:GetObject'],
        resources: ['arn:${AWS::Partition}:s3:::pictures/*'],
      },
    ],
  },
};
const RIGHT = {
  Sid: 'ReadIt',
  Effect: 'Allow',
  Action: 's3:GetObject',
  Resource: { 'Fn::Sub': 'arn:${AWS::Partition}:s3:::pictures/*' },
};

describe('what an operation declares', () => {
  test('has its function, and no other', () => {
    const { called, template } = build((builder) => builder, { own: OWN_OF_SEARCH });
    expect(called('search-products')).toMatchObject({
      MemorySize: 1024,
      Timeout: 20,
      ReservedConcurrentExecutions: 3,
      Environment: { Variables: { EXTRA: 'yes' } },
    });
    expect(called('list-products').MemorySize).toBe(256);
    expect(JSON.stringify(called('list-products'))).not.toContain('EXTRA');
    const aliases = Object.values(template.findResources('AWS::Lambda::Alias')).map(
      ({ Properties }) => Properties.ProvisionedConcurrencyConfig?.ProvisionedConcurrentExecutions,
    );
    expect(aliases.filter(Boolean)).toEqual([2]);
    const roles = Object.values(template.findResources('AWS::IAM::Role'))
      .flatMap(({ Properties }) => Properties.Policies ?? [])
      .filter(({ PolicyDocument }) => JSON.stringify(PolicyDocument).includes('pictures'));
    expect(roles.map(({ PolicyName }) => PolicyName)).toEqual(['search-products']);
    expect(roles[0].PolicyDocument.Statement).toContainEqual(RIGHT);
  });

  test('has the one function of all operations: the most memory and time, and every right and variable', () => {
    const { called, template } = build((builder) => builder.withDefaultOptions({ memorySize: 512 }), {
      pattern: 'shared',
      own: { ...OWN_OF_SEARCH, getProduct: { memorySize: 300, rights: OWN_OF_SEARCH.searchProducts?.rights ?? [] } },
    });
    expect(called('router')).toMatchObject({
      MemorySize: 1024,
      Timeout: Math.max(20, ...OPERATION_IDS.map((id) => OWN[id].timeoutSeconds ?? 0)),
      Environment: { Variables: { EXTRA: 'yes' } },
    });
    expect(called('router').ReservedConcurrentExecutions).toBeUndefined();
    const [policy] = Object.values(template.findResources('AWS::IAM::Role'))
      .flatMap(({ Properties }) => Properties.Policies ?? [])
      .filter(({ PolicyName }) => PolicyName === 'router');
    const names = policy.PolicyDocument.Statement.map(({ Sid }: { Sid: string }) => Sid);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain('ConnectAsReaderAndWriter');
  });
});

test.each<Pattern>(['isolated', 'shared'])(
  'rights that operations declare need no other word in pattern %s',
  (pattern) => {
    const { stack, platform } = ground();
    const app = stack.node.root as App;
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
    const other = new Role(stack, 'Other', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') });
    other.addToPolicy(new PolicyStatement({ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::others/*'] }));
    IntegrationsBuilder.in(stack, pattern, { ...OWN, ...OWN_OF_SEARCH })
      .withDefaultOptions({ platform: platform() })
      .build();
    let said = '';
    try {
      app.synth();
    } catch (error) {
      said = String(error);
    }
    expect(said.match(/IAM5\[.*\]/g)).toEqual(['IAM5[Resource::arn:aws:s3:::others/*]']);
  },
);

test('versions stay when the next one comes', () => {
  const { template } = build((builder) => builder, { pattern: 'shared' });
  template.allResources('AWS::Lambda::Version', { DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
});

test('rights stand in the role, and those that are granted later beside it', () => {
  const { stack, platform } = ground();
  const integrations = CatalogApi.defaultIntegrations(stack).withDefaultOptions({ platform: platform() }).build();
  new Bucket(stack, 'Reports').grantRead(integrations.listProducts.handler);
  const template = Template.fromStack(stack);
  template.resourceCountIs('AWS::IAM::Policy', 1);
  template.hasResourceProperties('AWS::IAM::Policy', {
    Roles: [{ Ref: Match.stringLikeRegexp('^ListProducts') }],
    PolicyDocument: { Statement: [Match.objectLike({ Action: Match.arrayWith(['s3:GetObject*']) })] },
  });
});
