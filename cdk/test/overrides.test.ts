/** Operations with custom integrations, in the forms of the AWS CDK's documentation. */

import type { Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import {
  AuthorizationType,
  AwsIntegration,
  CognitoUserPoolsAuthorizer,
  HttpIntegration,
  IdentitySource,
  MockIntegration,
  Model,
  PassthroughBehavior,
  RequestAuthorizer,
  TokenAuthorizer,
} from 'aws-cdk-lib/aws-apigateway';
import { UserPool } from 'aws-cdk-lib/aws-cognito';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { render } from 'velocityjs';
import { describe, expect, test } from 'vitest';
import { CatalogApi } from '../lib/catalog-api.ts';
import { OPERATIONS, type OperationId } from '../lib/generated/operations.gen.ts';
import { NAME } from '../lib/generated/project.gen.ts';
import type { Overrides } from '../lib/integrations.ts';
import type { FunctionOptions } from '../lib/operation.ts';
import { OPERATION_IDS } from '../lib/operations.ts';
import { type Access, DEFAULTS } from '../lib/settings.ts';
import { ground } from './stacks.ts';

const IAM: Access = { authMode: 'iam' };
const COGNITO: Access = {
  authMode: 'cognito',
  userPoolArn: 'arn:aws:cognito-idp:eu-central-1:1:userpool/eu-central-1_x',
};

/** An API with `overrides` or options of functions, and its methods. */
function build(
  given: (stack: Stack) => { overrides?: Overrides; options?: { [Id in OperationId]?: FunctionOptions } },
  { access = IAM, apiKeys = false } = {},
) {
  const { stack, key, platform } = ground();
  const { overrides = {}, options = {} } = given(stack);
  const integrations = CatalogApi.defaultIntegrations(stack, 'shared')
    .withDefaultOptions({ platform: platform() })
    .withOperationOptions(options)
    .withOverrides(overrides)
    .build();
  const props = { ...DEFAULTS, key, stageName: 'dev', access, apiKeys };
  const api = new CatalogApi(stack, 'Api', { ...props, integrations });
  const template = Template.fromStack(stack);
  const methods = new Map(
    Object.values(template.findResources('AWS::ApiGateway::Method')).map(({ Properties }) => [
      Properties.OperationName as string,
      Properties,
    ]),
  );
  const method = (name: string) => methods.get(name) ?? {};
  return { api, template, method };
}

/** The status that the mock `method` sets for a request with `mediaType`, and the response that it selects. */
function mocked(method: { [name: string]: never } | ReturnType<ReturnType<typeof build>['method']>, mediaType: string) {
  const integration = method.Integration;
  expect(integration.Type).toBe('MOCK');
  const { statusCode } = JSON.parse(render(integration.RequestTemplates[mediaType], {}));
  const responses: { StatusCode: string; SelectionPattern?: string }[] = integration.IntegrationResponses;
  const chosen =
    responses.find(({ SelectionPattern: pattern }) => pattern && new RegExp(`^${pattern}$`).test(String(statusCode))) ??
    responses.find(({ SelectionPattern: pattern }) => !pattern);
  expect(method.MethodResponses.map((response: { StatusCode: string }) => response.StatusCode)).toContain(
    chosen?.StatusCode,
  );
  return chosen?.StatusCode;
}

test('methods are named as the contract names them', () => {
  const { method } = build(() => ({}));
  for (const { operationId, method: verb } of OPERATION_IDS.flatMap((id) => [...OPERATIONS[id].routes])) {
    expect(method(operationId).HttpMethod).toBe(verb);
  }
});

describe('a mock', () => {
  test('without anything answers 200', () => {
    const { method } = build(() => ({ overrides: { getHealth: { integration: new MockIntegration() } } }));
    for (const name of ['getHealth', 'headHealth']) expect(mocked(method(name), 'application/json')).toBe('200');
  });

  test('with a response of its own answers that', () => {
    const integration = new MockIntegration({ integrationResponses: [{ statusCode: '503' }] });
    const { method } = build(() => ({ overrides: { createProduct: { integration } } }));
    expect(mocked(method('createProduct'), 'application/json')).toBe('503');
  });

  test('takes every media type that its operation does', () => {
    const { method } = build(() => ({ overrides: { patchProduct: { integration: new MockIntegration() } } }));
    expect(mocked(method('patchProduct'), 'application/merge-patch+json')).toBe('200');
  });

  test('as the documentation has it stays as it is', () => {
    const integration = new MockIntegration({
      integrationResponses: [
        { statusCode: '200', responseTemplates: { 'application/json': '{"status": "up"}' } },
        { statusCode: '418', selectionPattern: '418' },
      ],
      passthroughBehavior: PassthroughBehavior.NEVER,
      requestTemplates: { 'application/json': '{ "statusCode": 200 }' },
    });
    const options = {
      methodResponses: [{ statusCode: '200', responseModels: { 'application/json': Model.EMPTY_MODEL } }],
    };
    const { method } = build(() => ({ overrides: { getHealth: { integration, options } } }));
    expect(mocked(method('getHealth'), 'application/json')).toBe('200');
    expect(method('getHealth').Integration.PassthroughBehavior).toBe('NEVER');
    expect(method('getHealth').MethodResponses).toEqual([
      { StatusCode: '200', ResponseModels: { 'application/json': 'Empty' } },
      { StatusCode: '418' },
    ]);
  });
});

describe("S3's objects", () => {
  /** The documentation's sample: a file in a bucket, with its name in the query. */
  const sample = (stack: Stack) => {
    const bucket = new Bucket(stack, 'Files');
    const credentialsRole = new Role(stack, 'Reader', { assumedBy: new ServicePrincipal('apigateway.amazonaws.com') });
    bucket.grantRead(credentialsRole);
    const integration = new AwsIntegration({
      service: 's3',
      integrationHttpMethod: 'GET',
      path: `${bucket.bucketName}/{fileName}`,
      options: {
        credentialsRole,
        requestParameters: { 'integration.request.path.fileName': 'method.request.querystring.fileName' },
        integrationResponses: [
          {
            statusCode: '200',
            responseParameters: { 'method.response.header.Content-Type': 'integration.response.header.Content-Type' },
          },
          { statusCode: '404', selectionPattern: '404' },
        ],
      },
    });
    return { bucket, integration };
  };

  test('are served with the role, and with the responses and parameters that the method then needs', () => {
    const { method } = build((stack) => ({ overrides: { getHealth: sample(stack) } }));
    const { Integration, MethodResponses, RequestParameters } = method('getHealth');
    expect(Integration.Type).toBe('AWS');
    expect(Integration.IntegrationHttpMethod).toBe('GET');
    expect(JSON.stringify(Integration.Uri)).toContain(':s3:path/');
    expect(Integration.Credentials['Fn::GetAtt'][0]).toMatch(/^Reader/);
    expect(MethodResponses).toEqual([
      { StatusCode: '200', ResponseParameters: { 'method.response.header.Content-Type': false } },
      { StatusCode: '404' },
    ]);
    expect(RequestParameters).toEqual({ 'method.request.querystring.fileName': false });
  });

  test('have the options that are given with them, over all others', () => {
    const options = {
      operationName: 'getFile',
      apiKeyRequired: true,
      requestParameters: { 'method.request.querystring.fileName': true },
      methodResponses: [
        { statusCode: '200', responseParameters: { 'method.response.header.Content-Type': true } },
        { statusCode: '500' },
      ],
    };
    const { api, method } = build((stack) => ({ overrides: { getProduct: { ...sample(stack), options } } }));
    expect(method('getFile')).toMatchObject({
      ApiKeyRequired: true,
      AuthorizationType: 'AWS_IAM',
      // The path parameter is kept.
      RequestParameters: { 'method.request.path.id': true, 'method.request.querystring.fileName': true },
      MethodResponses: [
        { StatusCode: '200', ResponseParameters: { 'method.response.header.Content-Type': true } },
        { StatusCode: '500' },
        { StatusCode: '404' },
      ],
    });
    expect('bucket' in api.integrations.getProduct).toBe(true);
  });
});

describe('another address', () => {
  test('is called as it is, with the id of the path', () => {
    const integration = new HttpIntegration('https://catalogue.example/{id}', {
      httpMethod: 'GET',
      options: { requestParameters: { 'integration.request.path.id': 'method.request.path.id' } },
    });
    const { method } = build(() => ({ overrides: { getProduct: { integration } } }));
    expect(method('getProduct')).toMatchObject({
      Integration: { Type: 'HTTP_PROXY', Uri: 'https://catalogue.example/{id}' },
      RequestParameters: { 'method.request.path.id': true },
    });
    expect(method('getProduct').MethodResponses).toBeUndefined();
  });

  test('whose answers are mapped has an answer', () => {
    const integration = new HttpIntegration('https://catalogue.example', { proxy: false });
    const { method } = build(() => ({ overrides: { getHealth: { integration } } }));
    expect(method('getHealth').Integration.IntegrationResponses).toEqual([{ StatusCode: '200' }]);
    expect(method('getHealth').MethodResponses).toEqual([{ StatusCode: '200' }]);
  });
});

describe("an authoriser of one's own", () => {
  const integration = new HttpIntegration('https://elsewhere.example');
  const pool = (stack: Stack) =>
    new CognitoUserPoolsAuthorizer(stack, 'Mine', { cognitoUserPools: [new UserPool(stack, 'Pool')] });
  const handler = (stack: Stack) =>
    new LambdaFunction(stack, 'Judge', {
      runtime: Runtime.NODEJS_22_X,
      handler: 'index.handler',
      code: Code.fromInline('exports.handler = async () => ({})'),
    });

  test.each([
    ['iam', IAM],
    ['cognito', COGNITO],
    ['none', { authMode: 'none' } as Access],
  ])('of tokens guards one operation of a stage with %s', (_, access) => {
    const { method } = build(
      (stack) => ({
        overrides: { getProduct: { integration, options: { authorizer: pool(stack), authorizationScopes: ['mine'] } } },
      }),
      { access },
    );
    for (const name of ['getProduct', 'headProduct']) {
      expect(method(name)).toMatchObject({
        AuthorizationType: 'COGNITO_USER_POOLS',
        AuthorizationScopes: ['mine'],
        AuthorizerId: { Ref: expect.stringMatching(/^Mine/) },
      });
    }
    expect(method('listProducts').AuthorizerId).not.toEqual(method('getProduct').AuthorizerId);
  });

  test('does not keep the scopes of the stage', () => {
    const { method } = build(
      (stack) => ({ overrides: { getProduct: { integration, options: { authorizer: pool(stack) } } } }),
      { access: COGNITO },
    );
    expect(method('getProduct').AuthorizationScopes).toBeUndefined();
    expect(method('listProducts').AuthorizationScopes).toEqual([`${NAME}/read`]);
  });

  test('can be a function', () => {
    const { method } = build((stack) => ({
      overrides: {
        getProduct: {
          integration,
          options: { authorizer: new TokenAuthorizer(stack, 'T', { handler: handler(stack) }) },
        },
      },
    }));
    expect(method('getProduct').AuthorizationType).toBe('CUSTOM');
  });

  test('guards a function of this project as well', () => {
    const { method } = build((stack) => ({
      options: {
        deleteProduct: {
          methodOptions: {
            authorizer: new RequestAuthorizer(stack, 'R', {
              handler: handler(stack),
              identitySources: [IdentitySource.header('X-Badge')],
            }),
            requestParameters: { 'method.request.header.X-Badge': true },
          },
        },
      },
    }));
    expect(method('deleteProduct')).toMatchObject({
      AuthorizationType: 'CUSTOM',
      Integration: { Type: 'AWS_PROXY' },
      RequestParameters: { 'method.request.path.id': true, 'method.request.header.X-Badge': true },
    });
    expect(method('getProduct').AuthorizationType).toBe('AWS_IAM');
  });

  test('is not needed where everybody may call', () => {
    const options = { authorizationType: AuthorizationType.NONE };
    const { method } = build(() => ({ overrides: { getProduct: { integration, options } } }), { access: COGNITO });
    expect(method('getProduct').AuthorizationType).toBe('NONE');
    expect(method('getProduct').AuthorizerId).toBeUndefined();
  });

  test("needs no word about the stage's own", () => {
    const options = { authorizationScopes: ['my-api/admin'] };
    const { method } = build(() => ({ overrides: { getProduct: { integration, options } } }), { access: COGNITO });
    expect(method('getProduct')).toMatchObject({
      AuthorizationType: 'COGNITO_USER_POOLS',
      AuthorizationScopes: ['my-api/admin'],
    });
  });
});

test('other validation replaces the one that there is', () => {
  const integration = new HttpIntegration('https://elsewhere.example');
  const options = { requestValidatorOptions: { validateRequestParameters: true } };
  const { template } = build(() => ({ overrides: { createProduct: { integration, options } } }));
  template.hasResourceProperties('AWS::ApiGateway::RequestValidator', { ValidateRequestParameters: true });
});

test('another integration is another deployment', () => {
  const deployment = (statusCode: string) => {
    const integration = new MockIntegration({ integrationResponses: [{ statusCode }] });
    const { template } = build(() => ({ overrides: { getHealth: { integration } } }));
    return Object.keys(template.findResources('AWS::ApiGateway::Deployment'));
  };
  expect(deployment('200')).toEqual(deployment('200'));
  expect(deployment('200')).not.toEqual(deployment('503'));
});

test('an explicit record is taken as it is, and functions of this project among others know of CORS', () => {
  const { stack, key, platform } = ground();
  const functions = CatalogApi.defaultIntegrations(stack, 'shared')
    .withDefaultOptions({ platform: platform() })
    .build();
  const integration = new MockIntegration();
  const api = new CatalogApi(stack, 'Api', {
    ...DEFAULTS,
    key,
    stageName: 'dev',
    access: IAM,
    corsAllowedOrigins: ['https://store.example'],
    integrations: { ...functions, getHealth: { integration, owner: 'platform team' } },
  });
  expect(api.integrations.getHealth.owner).toBe('platform team');
  Template.fromStack(stack).hasResourceProperties('AWS::Lambda::Function', {
    Environment: { Variables: { CORS_ALLOWED_ORIGINS: 'https://store.example' } },
  });
});
