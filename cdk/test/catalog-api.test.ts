import { Duration } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { HttpIntegration } from 'aws-cdk-lib/aws-apigateway';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { describe, expect, test } from 'vitest';
import { CatalogApi, type CatalogApiProps } from '../lib/catalog-api.ts';
import { CORS_HEADERS, EXPOSED_HEADERS, OPERATIONS, type OperationId } from '../lib/generated/operations.gen.ts';
import { NAME } from '../lib/generated/project.gen.ts';
import type { Pattern } from '../lib/integrations.ts';
import { OPERATION_IDS } from '../lib/operations.ts';
import { DEFAULTS } from '../lib/settings.ts';
import { emptyStack, ground } from './stacks.ts';

/** Matches the function of an operation by its description. */
const described = (description: string) => ({ Description: Match.stringLikeRegexp(`^${description};`) });

/** An API with functions, and its template. */
function build(pattern: Pattern = 'isolated', more: Partial<CatalogApiProps> = {}) {
  const { stack, key, platform } = ground();
  const integrations = CatalogApi.defaultIntegrations(stack, pattern)
    .withDefaultOptions({ platform: platform(), memorySize: 300 })
    .build();
  const api = new CatalogApi(stack, 'Api', {
    ...DEFAULTS,
    key,
    integrations,
    stageName: 'dev',
    access: { authMode: 'iam' },
    ...more,
  });
  return { stack, api, template: () => Template.fromStack(stack) };
}

const ROUTES = OPERATION_IDS.flatMap((id) => OPERATIONS[id].routes.map((route) => ({ id, ...route })));

describe('integrations', () => {
  test('have a function, a role, an alarm and a deployment for each operation', () => {
    const template = build().template();
    const count = OPERATION_IDS.length;
    template.resourceCountIs('AWS::Lambda::Function', count);
    template.resourceCountIs('AWS::Lambda::Alias', count);
    template.resourceCountIs('AWS::CodeDeploy::DeploymentGroup', count);
    template.resourceCountIs('AWS::CloudWatch::Alarm', count);
    template.allResourcesProperties('AWS::Lambda::Function', {
      Architectures: ['arm64'],
      Runtime: 'provided.al2023',
      MemorySize: 300,
      TracingConfig: { Mode: 'Active' },
      KmsKeyArn: Match.anyValue(),
    });
  });

  test('of one operation have its own options, over the defaults', () => {
    const { stack, platform } = ground();
    CatalogApi.defaultIntegrations(stack)
      .withDefaultOptions({ platform: platform(), memorySize: 300, logLevel: 'DEBUG' })
      .withOperationOptions({ searchProducts: { memorySize: 1024, environment: { EXTRA: 'yes' } } })
      .withOperationOptions({
        searchProducts: { timeout: Duration.seconds(20) },
        getProduct: { reservedConcurrentExecutions: 4 },
      })
      .build();
    const template = Template.fromStack(stack);
    template.hasResourceProperties('AWS::Lambda::Function', {
      ...described('GET /v1/products/search, HEAD /v1/products/search'),
      MemorySize: 1024,
      Timeout: 20,
      Environment: { Variables: Match.objectLike({ EXTRA: 'yes', POWERTOOLS_LOG_LEVEL: 'DEBUG' }) },
    });
    template.hasResourceProperties('AWS::Lambda::Function', {
      ...described('GET /v1/products/{id}, HEAD /v1/products/{id}'.replaceAll(/[{}]/g, '\\$&')),
      MemorySize: 300,
      ReservedConcurrentExecutions: 4,
    });
  });

  test('connect as the role of their operation', () => {
    const template = build().template();
    for (const [route, user] of [
      ['POST /v1/products', 'catalog_writer'],
      ['GET /v1/products, HEAD /v1/products', 'catalog_reader'],
    ] as const) {
      template.hasResourceProperties('AWS::Lambda::Function', {
        ...described(route),
        Environment: { Variables: Match.objectLike({ DB_AUTH: 'iam', DB_USER: user }) },
        VpcConfig: Match.anyValue(),
      });
    }
    template.hasResourceProperties('AWS::Lambda::Function', {
      ...described('GET /openapi.json, HEAD /openapi.json, GET /docs, HEAD /docs'),
      Environment: { Variables: Match.not(Match.objectLike({ DB_HOST: Match.anyValue() })) },
      VpcConfig: Match.absent(),
    });
  });

  test('that are overridden make no function', () => {
    const { stack, platform } = ground();
    const integration = new HttpIntegration('https://health.example');
    const integrations = CatalogApi.defaultIntegrations(stack)
      .withDefaultOptions({ platform: platform() })
      .withOverrides({ getHealth: { integration, owner: 'platform team' } })
      .build();
    expect(integrations.getHealth).toEqual({ integration, owner: 'platform team' });
    expect(Object.keys(integrations)).toEqual(OPERATION_IDS);
    Template.fromStack(stack).resourceCountIs('AWS::Lambda::Function', OPERATION_IDS.length - 1);
  });

  test('of which all are overridden need no platform', () => {
    const integration = new HttpIntegration('https://elsewhere.example');
    const all = Object.fromEntries(OPERATION_IDS.map((id) => [id, { integration }])) as {
      [Id in OperationId]: { integration: HttpIntegration };
    };
    const { stack, key } = ground();
    const api = new CatalogApi(stack, 'Api', {
      ...DEFAULTS,
      key,
      integrations: CatalogApi.explicitIntegrations(all),
      stageName: 'dev',
      access: { authMode: 'iam' },
    });
    expect(api.integrations.getProduct.integration).toBe(integration);
  });

  test('without a platform are refused', () => {
    expect(() => CatalogApi.defaultIntegrations(emptyStack()).build()).toThrow('give withDefaultOptions one');
  });
});

describe('pattern shared', () => {
  test('has one function, with both roles, for every operation', () => {
    const { api, template } = build('shared');
    template().resourceCountIs('AWS::Lambda::Function', 1);
    template().hasResourceProperties('AWS::Lambda::Function', {
      FunctionName: 'test-router',
      Environment: { Variables: Match.objectLike({ DB_USER: 'catalog_reader', WRITER_DB_USER: 'catalog_writer' }) },
    });
    const handlers = new Set(OPERATION_IDS.map((id) => api.integrations[id].handler));
    expect(handlers.size).toBe(1);
  });

  test('has the same routes', () => {
    const routes = (pattern: Pattern) =>
      Object.values(build(pattern).template().findResources('AWS::ApiGateway::Method')).length;
    expect(routes('shared')).toBe(routes('isolated'));
  });

  test('refuses options of one operation', () => {
    const { stack, platform } = ground();
    const builder = CatalogApi.defaultIntegrations(stack, 'shared').withDefaultOptions({ platform: platform() });
    expect(() => builder.withOperationOptions({ getProduct: { memorySize: 512 } }).build()).toThrow(
      'pattern shared has one function for all operations: no options for getProduct',
    );
  });
});

describe('routes', () => {
  const { template } = build();
  const methods = Object.values(template().findResources('AWS::ApiGateway::Method'));

  test('are those of the register', () => {
    expect(methods).toHaveLength(ROUTES.length);
  });

  test('want a signature, but for the open ones', () => {
    const types = methods.map((method) => method.Properties.AuthorizationType).sort();
    const open = ROUTES.filter((route) => route.isOpen).length;
    expect(types).toEqual([...Array(ROUTES.length - open).fill('AWS_IAM'), ...Array(open).fill('NONE')]);
  });

  test('may each be called by the gateway at their method and path alone', () => {
    template().resourceCountIs('AWS::Lambda::Permission', ROUTES.length);
    for (const permission of Object.values(template().findResources('AWS::Lambda::Permission'))) {
      expect(JSON.stringify(permission.Properties.SourceArn)).not.toContain('/*/*');
    }
  });

  test('want tokens with a scope, if users have a pool', () => {
    const access = { authMode: 'cognito', userPoolArn: 'arn:aws:cognito-idp:eu-central-1:1:userpool/eu-central-1_x' };
    const { template } = build('isolated', { access: access as never, apiKeys: true });
    for (const [HttpMethod, AuthorizationScopes] of [
      ['DELETE', [`${NAME}/write`]],
      ['HEAD', [`${NAME}/read`]],
    ] as const) {
      template().hasResourceProperties('AWS::ApiGateway::Method', {
        HttpMethod,
        AuthorizationType: 'COGNITO_USER_POOLS',
        AuthorizationScopes,
        ApiKeyRequired: true,
      });
    }
  });
});

describe('grantInvokeAccess', () => {
  const granted = (operations?: OperationId[]) => {
    const { stack, api, template } = build();
    const role = new Role(stack, 'Caller', { assumedBy: new ServicePrincipal('ec2.amazonaws.com') });
    api.grantInvokeAccess(role, operations ? { operations } : {});
    const policies = template().findResources('AWS::IAM::Policy', {
      Properties: { PolicyName: Match.stringLikeRegexp('^CallerDefaultPolicy') },
    });
    const [policy] = Object.values(policies);
    const statements = policy?.Properties.PolicyDocument.Statement;
    expect(statements).toHaveLength(1);
    expect(statements[0].Action).toBe('execute-api:Invoke');
    const resources = [statements[0].Resource].flat().map((resource) => JSON.stringify(resource));
    return resources.map((arn) => /\/(GET|HEAD|POST|PUT|PATCH|DELETE)\/[^"]*/.exec(arn)?.[0]).sort();
  };

  test('gives exactly the methods of the operations', () => {
    expect(granted(['getProduct', 'createArtisan'])).toEqual([
      '/GET/v1/products/????????-????-????-????-????????????',
      '/HEAD/v1/products/????????-????-????-????-????????????',
      '/POST/v1/artisans',
    ]);
  });

  test('gives all of them if none is named', () => {
    expect(granted()).toHaveLength(ROUTES.length);
  });
});

describe('restrictCorsTo', () => {
  const origin = 'https://store.example';

  test('lets pages of no origin call, unless it is told to', () => {
    const { template } = build();
    expect(JSON.stringify(template().toJSON())).not.toContain('Access-Control-Allow-Origin');
    template().allResourcesProperties('AWS::Lambda::Function', {
      Environment: { Variables: Match.objectLike({ CORS_ALLOWED_ORIGINS: '' }) },
    });
  });

  test('tells functions, preflights and the gateway of every origin', () => {
    const { api, template } = build();
    api.restrictCorsTo(origin);
    api.restrictCorsTo('https://admin.example', origin);
    template().allResourcesProperties('AWS::Lambda::Function', {
      Environment: { Variables: Match.objectLike({ CORS_ALLOWED_ORIGINS: `${origin},https://admin.example` }) },
    });
    const preflights = template().findResources('AWS::ApiGateway::Method', { Properties: { HttpMethod: 'OPTIONS' } });
    expect(Object.keys(preflights)).toHaveLength(new Set(ROUTES.map((route) => route.path)).size);
    for (const preflight of Object.values(preflights)) {
      expect(preflight.Properties.AuthorizationType).toBe('NONE');
      expect(JSON.stringify(preflight)).toContain(`${origin},https://admin.example`);
    }
    template().allResourcesProperties('AWS::ApiGateway::GatewayResponse', {
      ResponseParameters: Match.objectLike({
        'gatewayresponse.header.Access-Control-Allow-Origin': `'${origin}'`,
      }),
    });
  });

  test('adds headers to those that pages may send, and names those that they may read', () => {
    const { api, template } = build('isolated', { corsAllowedHeaders: ['X-Store', 'X-Till'] });
    api.restrictCorsTo(origin);
    const preflights = template().findResources('AWS::ApiGateway::Method', { Properties: { HttpMethod: 'OPTIONS' } });
    for (const preflight of Object.values(preflights)) {
      expect(JSON.stringify(preflight)).toContain(`'${[...CORS_HEADERS, 'X-Store', 'X-Till'].join(', ')}'`);
    }
    template().allResourcesProperties('AWS::ApiGateway::GatewayResponse', {
      ResponseParameters: Match.objectLike({
        'gatewayresponse.header.Access-Control-Expose-Headers': `'${EXPOSED_HEADERS.join(', ')}'`,
      }),
    });
  });

  test('is deployed', () => {
    const deployment = (origins: string[]) => {
      const { api, template } = build();
      api.restrictCorsTo(...origins);
      return Object.keys(template().findResources('AWS::ApiGateway::Deployment'));
    };
    expect(deployment([origin])).not.toEqual(deployment(['https://other.example']));
  });

  test.each(['*', 'store.example', 'https://store.example/', 'https://store.example/catalogue', 'null'])(
    'refuses %s',
    (text) => {
      expect(() => build().api.restrictCorsTo(text)).toThrow('is not an origin');
    },
  );
});

test('the gateway answers in problem+json itself', () => {
  const { template } = build();
  template().allResourcesProperties('AWS::ApiGateway::GatewayResponse', {
    ResponseParameters: Match.objectLike({ 'gatewayresponse.header.Content-Type': "'application/problem+json'" }),
    ResponseTemplates: { 'application/json': Match.stringLikeRegexp('"request_id": "\\$context\\.requestId"') },
  });
  template().hasResourceProperties('AWS::ApiGateway::GatewayResponse', {
    ResponseType: 'THROTTLED',
    StatusCode: '429',
    ResponseParameters: Match.objectLike({ 'gatewayresponse.header.Retry-After': "'1'" }),
  });
  // A constant cannot express when the day of a quota ends.
  template().hasResourceProperties('AWS::ApiGateway::GatewayResponse', {
    ResponseType: 'QUOTA_EXCEEDED',
    StatusCode: '429',
    ResponseParameters: Match.objectLike({ 'gatewayresponse.header.Retry-After': Match.absent() }),
  });
  template().hasResourceProperties('AWS::ApiGateway::GatewayResponse', {
    ResponseType: 'INTEGRATION_TIMEOUT',
    ResponseTemplates: { 'application/json': Match.stringLikeRegexp('"carried_out": "unknown"') },
  });
});

test('addresses can be listed, which opens nothing to whom policies refuse', () => {
  const { template } = build('isolated', { allowedIpRanges: ['198.51.100.0/24'] });
  template().hasResourceProperties('AWS::ApiGateway::RestApi', {
    Policy: {
      Statement: [
        {
          Effect: 'Allow',
          Principal: { AWS: '*' },
          Action: 'execute-api:Invoke',
          Resource: [
            'execute-api:/*/GET/docs',
            'execute-api:/*/GET/openapi.json',
            'execute-api:/*/HEAD/docs',
            'execute-api:/*/HEAD/openapi.json',
            'execute-api:/*/OPTIONS/*',
          ],
        },
        {
          Effect: 'Deny',
          Principal: { AWS: '*' },
          Action: 'execute-api:Invoke',
          Resource: 'execute-api:/*',
          Condition: { NotIpAddress: { 'aws:SourceIp': ['198.51.100.0/24'] } },
        },
      ],
      Version: '2012-10-17',
    },
  });
});
