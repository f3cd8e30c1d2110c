import { describe, expect, test } from 'vitest';
import { Evaluator, type Json, type Template } from '../parity/evaluate.ts';
import { facts, linked } from '../parity/facts.ts';

const evaluator = (template: Partial<Template>, parameters: { [name: string]: string } = {}) =>
  new Evaluator({ Resources: {}, ...template }, { stackName: 'store', parameters, rename: (id) => id });

/** The facts of a template of one resource. */
const factsOf = (Type: string, Properties: { [name: string]: Json }, others: Template['Resources'] = {}) =>
  Object.fromEntries(facts(evaluator(linked({ Resources: { It: { Type, Properties }, ...others } }))));

describe('a value is the same, however it is written', () => {
  const template: Partial<Template> = {
    Parameters: { Ports: { Type: 'CommaDelimitedList', Default: '1,2' }, Mode: { Type: 'String', Default: 'a' } },
    Conditions: { IsA: { 'Fn::Equals': [{ Ref: 'Mode' }, 'a'] }, IsB: { 'Fn::Not': [{ Condition: 'IsA' }] } },
    Resources: { Key: { Type: 'AWS::KMS::Key' } },
  };
  test.each<[Json, Json]>([
    [{ 'Fn::Sub': 'x-${AWS::StackName}-${Key.Arn}-${!literal}' }, 'x-store-${Key.Arn}-${literal}'],
    [{ 'Fn::Join': ['-', ['x', { Ref: 'AWS::StackName' }, { 'Fn::GetAtt': ['Key', 'Arn'] }]] }, 'x-store-${Key.Arn}'],
    [{ 'Fn::Sub': ['${A}/${B}', { A: '1', B: { Ref: 'Mode' } }] }, '1/a'],
    [{ 'Fn::If': ['IsA', 'yes', 'no'] }, 'yes'],
    [{ Kept: 1, Gone: { 'Fn::If': ['IsB', 1, { Ref: 'AWS::NoValue' }] } }, { Kept: 1 }],
    [{ 'Fn::Select': [1, { Ref: 'Ports' }] }, '2'],
    [{ 'Fn::Select': [1, { 'Fn::Cidr': ['10.0.0.0/16', 2, 12] }] }, '10.0.16.0/20'],
    [{ 'Fn::Select': [6, { 'Fn::Split': [':', { 'Fn::GetAtt': ['P', 'Arn'] }] }] }, '${part 6 of ${P.Arn} split at :}'],
  ])('%j', (json, expected) => {
    expect(evaluator(template).value(json)).toEqual(expected);
  });

  test('and parameters that are given go before defaults', () => {
    expect(evaluator(template, { Mode: 'b' }).value({ 'Fn::If': ['IsA', 'yes', 'no'] })).toBe('no');
  });
});

describe('facts', () => {
  test('leave out resources whose condition does not hold', () => {
    const template = {
      Conditions: { Never: { 'Fn::Equals': ['a', 'b'] } },
      Resources: { It: { Type: 'AWS::SNS::Topic', Condition: 'Never' } },
    };
    expect(facts(evaluator(template)).size).toBe(0);
  });

  test('tell each right, however statements are cut, in a role or in a policy that it has', () => {
    const statement = (Action: Json) => ({ Effect: 'Allow', Action, Resource: 'r' });
    const inside = factsOf('AWS::IAM::Role', {
      Policies: [{ PolicyDocument: { Statement: [statement(['a:One', 'a:Two'])] } }],
    });
    const beside = factsOf(
      'AWS::IAM::Role',
      { ManagedPolicyArns: [{ Ref: 'Policy' }], Tags: [{ Key: 'of', Value: 'r' }] },
      {
        Policy: {
          Type: 'AWS::IAM::ManagedPolicy',
          Properties: {
            PolicyDocument: {
              Statement: [statement('a:Two'), { ...statement('a:One'), Resource: '${aws:PrincipalTag/of}' }],
            },
          },
        },
      },
    );
    expect(inside).toEqual(beside);
    expect(inside).toHaveProperty(['It may: Allow | a:One | r'], 'yes');
  });

  test('tell a route, in a document or as resources', () => {
    const uri = 'arn:function/invocations';
    const document = factsOf('AWS::ApiGateway::RestApi', {
      Body: {
        components: { securitySchemes: { sigv4: { 'x-amazon-apigateway-authtype': 'awsSigv4' } } },
        paths: {
          '/things/{id}': {
            get: {
              security: [{ sigv4: [] }],
              parameters: [{ name: 'id', in: 'path', required: true }],
              'x-amazon-apigateway-integration': { type: 'aws_proxy', httpMethod: 'POST', timeoutInMillis: 29000, uri },
            },
          },
        },
      },
    });
    const method = {
      HttpMethod: 'GET',
      ResourceId: { Ref: 'Thing' },
      AuthorizationType: 'AWS_IAM',
      RequestParameters: { 'method.request.path.id': true },
      Integration: { Type: 'AWS_PROXY', IntegrationHttpMethod: 'POST', Uri: uri },
    };
    const others = {
      Things: {
        Type: 'AWS::ApiGateway::Resource',
        Properties: { PathPart: 'things', ParentId: { 'Fn::GetAtt': ['Api', 'Root'] } },
      },
      Thing: { Type: 'AWS::ApiGateway::Resource', Properties: { PathPart: '{id}', ParentId: { Ref: 'Things' } } },
    };
    expect(factsOf('AWS::ApiGateway::Method', method, others)).toEqual(document);
    expect(factsOf('AWS::ApiGateway::Method', { ...method, AuthorizationType: 'NONE' }, others)).not.toEqual(document);
  });
});
