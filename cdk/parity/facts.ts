/**
 * What a template says, as one fact for each thing that could differ: `Cluster.BackupRetentionPeriod` is `7`. What can be
 * written in several ways (policies in and beside roles, rules in and beside security groups, an API as a document or
 * as resources) becomes the same facts, whichever way was taken.
 */

import type { Evaluator, Json, Resource, Template } from './evaluate.ts';

export type Facts = Map<string, string>;
type Properties = { readonly [name: string]: Json };
type Resources = Map<string, Resource & { readonly Properties: Properties }>;

/** Properties that only say where something is written, or that the tools fill in. */
const IGNORED: { readonly [type: string]: readonly string[] } = {
  '*': ['Tags', 'ResourceTags'],
  // SAM's ends with the revision, CDK's with the generation of secrets: each makes a new version so.
  'AWS::Lambda::Function': ['Code', 'Description'],
  'AWS::Lambda::Alias': ['FunctionVersion'],
  'AWS::ApiGateway::Stage': ['DeploymentId'],
};

export function facts(evaluator: Evaluator): Facts {
  const resources: Resources = evaluator.resources();
  const found: Facts = new Map();
  for (const [name, resource] of resources) describe(name, resource, resources, found);
  for (const [name, value] of evaluator.outputs()) flatten(`output ${name}`, value, found);
  order(resources, found);
  return found;
}

function describe(
  name: string,
  resource: Resource & { readonly Properties: Properties },
  resources: Resources,
  found: Facts,
): void {
  const { Type: type, Properties: properties } = resource;
  switch (type) {
    case 'AWS::IAM::Policy':
      for (const role of list(properties.Roles)) policy(`${reference(role)} may`, properties.PolicyDocument, found);
      return;
    case 'AWS::EC2::SecurityGroupIngress':
    case 'AWS::EC2::SecurityGroupEgress': {
      const direction = type.endsWith('Ingress') ? 'in' : 'out';
      rule(reference(properties.GroupId ?? ''), direction, properties, found);
      return;
    }
    case 'AWS::Lambda::Permission':
      found.set(
        `${reference(properties.FunctionName ?? '')} lets ${text(properties.Principal)} ${text(properties.Action)} from ${source(text(properties.SourceArn))}`,
        'yes',
      );
      return;
    case 'AWS::ApiGateway::RestApi':
      restApi(name, properties, found);
      return;
    case 'AWS::ApiGateway::Method':
      method(properties, found);
      return;
    case 'AWS::ApiGateway::GatewayResponse':
      gatewayResponse(text(properties.ResponseType), properties, found);
      return;
    // What they hold is told with the roles and methods that they serve.
    case 'AWS::IAM::ManagedPolicy':
    case 'AWS::ApiGateway::Authorizer':
    case 'AWS::ApiGateway::Deployment':
    case 'AWS::ApiGateway::Model':
    case 'AWS::ApiGateway::RequestValidator':
    case 'AWS::ApiGateway::Resource':
    case 'AWS::Lambda::Version':
      return;
  }

  found.set(`${name} is`, type);
  for (const policyName of ['DeletionPolicy', 'UpdateReplacePolicy'] as const) {
    // What is said by default is not said by everybody.
    const value = resource[policyName] ?? 'Delete';
    if (value !== 'Delete') found.set(`${name} at ${policyName}`, value);
  }
  if (resource.UpdatePolicy) flatten(`${name} at UpdatePolicy`, Object.keys(resource.UpdatePolicy), found);

  for (const [property, value] of Object.entries(properties)) {
    const path = `${name}.${property}`;
    if (IGNORED['*']?.includes(property) || IGNORED[type]?.includes(property)) continue;
    if (type === 'AWS::IAM::Role' && property === 'Policies') {
      for (const inline of list(value)) policy(`${name} may`, member(inline, 'PolicyDocument'), found);
    } else if (type === 'AWS::IAM::Role' && property === 'ManagedPolicyArns') {
      const [own, others] = partition(list(value), (arn) => resources.has(reference(arn)));
      for (const arn of own) {
        const document = resources.get(reference(arn))?.Properties.PolicyDocument;
        policy(`${name} may`, tagged(document, properties.Tags), found);
      }
      if (others.length > 0) flatten(path, others, found);
    } else if (property.startsWith('SecurityGroup') && /gress$/.test(property)) {
      for (const entry of list(value)) {
        rule(name, property.endsWith('Ingress') ? 'in' : 'out', entry as Properties, found);
      }
    } else if (isObject(value) && 'Statement' in value) {
      policy(path, value, found);
    } else if (property === 'MethodSettings') {
      for (const settings of list(value)) methodSettings(name, settings as Properties, found);
    } else if (property === 'DashboardBody') {
      flatten(path, JSON.parse(text(value)) as Json, found);
    } else if (property === 'Metrics') {
      for (const metric of list(value)) {
        const { Id, ReturnData = true, ...rest } = object(metric);
        // The expression that is watched has a name that nothing refers to.
        const name = rest.Expression === undefined ? Id : 'expression';
        flatten(`${path}[${text(name)}]`, { ...rest, ReturnData }, found);
      }
    } else if (type === 'AWS::Events::Rule' && property === 'Targets') {
      flatten(
        path,
        list(value).map((target) =>
          ['Arn', 'Input', 'RoleArn', 'RetryPolicy'].map((name) => member(target, name) ?? null),
        ),
        found,
      );
    } else {
      flatten(path, value, found);
    }
  }
}

/** Each single right, so that it does not matter how statements are cut. */
function policy(path: string, document: Json | undefined, found: Facts): void {
  for (const statement of list(member(document, 'Statement'))) {
    const principal = member(statement, 'Principal') ?? null;
    const principals = isObject(principal)
      ? Object.entries(principal).flatMap(([kind, names]) => list(names).map((one) => `${kind} ${text(one)}`))
      : [principal === null ? '' : text(principal)];
    const condition = member(statement, 'Condition');
    for (const who of principals) {
      for (const action of list(member(statement, 'Action'))) {
        for (const resource of list(member(statement, 'Resource') ?? '')) {
          const right = [member(statement, 'Effect'), who === 'AWS *' ? '*' : who, action, resource].map((part) =>
            text(part),
          );
          const when = condition === undefined ? '' : ` if ${canonical(condition)}`;
          found.set(`${path}: ${right.filter(Boolean).join(' | ')}${when}`, 'yes');
        }
      }
    }
  }
}

/** `document` for a principal that has `tags`. */
function tagged(document: Json | undefined, tags: Json | undefined): Json {
  const values = Object.fromEntries(list(tags).map((tag) => [text(member(tag, 'Key')), text(member(tag, 'Value'))]));
  const said = JSON.stringify(document).replaceAll(/\$\{aws:PrincipalTag\/(\w+)\}/g, (_, tag) => values[tag] ?? '');
  return JSON.parse(said) as Json;
}

/** Where the gateway calls from: SAM lets it call from any stage of the API, which has one, in the partition of its region. */
function source(arn: string): string {
  return arn
    .replace(/^arn:aws:(execute-api:.*\})\/\*\//, 'arn:${AWS::Partition}:$1/STAGE/')
    .replace(/\}\/(dev|staging|prod)\//, '}/STAGE/');
}

/** A rule of a security group. */
function rule(group: string, direction: string, rule: Properties, found: Facts): void {
  const peer =
    rule.CidrIp ?? rule.SourceSecurityGroupId ?? rule.DestinationSecurityGroupId ?? rule.SourcePrefixListId ?? '';
  const ports = rule.FromPort === undefined ? '' : ` ${text(rule.FromPort)}-${text(rule.ToPort)}`;
  found.set(
    `${group} lets ${direction} ${text(rule.IpProtocol)}${ports}, ${isReference(peer) ? reference(peer) : text(peer)}`,
    text(rule.Description ?? ''),
  );
}

function methodSettings(stage: string, settings: Properties, found: Facts): void {
  const { ResourcePath: path, HttpMethod: verb, ...rest } = settings;
  const route = `${text(verb)} ${text(path).replaceAll('~1', '/').replace(/^\/+/, '/')}`;
  flatten(`${stage} for ${route}`, rest, found);
}

function restApi(name: string, properties: Properties, found: Facts): void {
  const { Body: body, Policy, Parameters: _, Tags: __, ...rest } = properties;
  flatten(name, rest, found);
  policy(`${name} lets`, Policy ?? member(body, 'x-amazon-apigateway-policy'), found);
  if (body === undefined) return;
  for (const [path, item] of Object.entries(object(member(body, 'paths')))) {
    for (const [verb, operation] of Object.entries(object(item)))
      documented(body, `${verb.toUpperCase()} ${path}`, operation, found);
  }
  const responses = object(member(body, 'x-amazon-apigateway-gateway-responses'));
  for (const [type, response] of Object.entries(responses)) {
    const { statusCode, responseParameters, responseTemplates } = object(response);
    const parts = {
      StatusCode: statusCode,
      ResponseParameters: responseParameters,
      ResponseTemplates: responseTemplates,
    };
    gatewayResponse(
      type,
      Object.fromEntries(Object.entries(parts).filter(([, part]) => part !== undefined)) as Properties,
      found,
    );
  }
}

/** A method in an OpenAPI document, in the words of `AWS::ApiGateway::Method`. */
function documented(body: Json, route: string, operation: Json, found: Facts): void {
  const schemes = object(member(member(body, 'components'), 'securitySchemes'));
  // One of them may be an API key, which the gateway wants besides.
  const security: Properties = Object.assign({}, ...list(member(operation, 'security')).map(object));
  const names = Object.keys(security);
  const kind = (name: string) => text(member(schemes[name], 'x-amazon-apigateway-authtype') ?? '');
  const authorizer = names.find((name) => kind(name) === 'cognito_user_pools');
  const authorization = names.some((name) => kind(name) === 'awsSigv4')
    ? 'AWS_IAM'
    : authorizer
      ? 'COGNITO_USER_POOLS'
      : 'NONE';
  const content = object(member(member(operation, 'requestBody'), 'content'));
  const schemas = object(member(member(body, 'components'), 'schemas'));
  const models = Object.entries(content).map(([mediaType, media]) => {
    const schema =
      text(member(member(media, 'schema'), '$ref'))
        .split('/')
        .pop() ?? '';
    return [mediaType, schemas[schema] ?? null] as const;
  });
  const validator = member(operation, 'x-amazon-apigateway-request-validator');
  const parameters = list(member(operation, 'parameters')).map((parameter) => [
    `method.request.${text(member(parameter, 'in'))}.${text(member(parameter, 'name'))}`,
    text(member(parameter, 'required')),
  ]);
  const integration = object(member(operation, 'x-amazon-apigateway-integration'));
  const responses = Object.values(object(integration.responses)).map((response) => ({
    StatusCode: member(response, 'statusCode') ?? null,
    ResponseParameters: member(response, 'responseParameters') ?? null,
    ResponseTemplates: member(response, 'responseTemplates') ?? null,
  }));
  told(route, found, {
    authorization,
    providers: authorizer
      ? (member(member(schemes[authorizer], 'x-amazon-apigateway-authorizer'), 'providerARNs') ?? null)
      : null,
    scopes: authorizer ? (security[authorizer] ?? null) : null,
    apiKey: names.some((name) => text(member(schemes[name], 'name')) === 'x-api-key'),
    models: Object.fromEntries(models),
    validation:
      validator === undefined
        ? null
        : (member(member(body, 'x-amazon-apigateway-request-validators'), text(validator)) ?? null),
    parameters: Object.fromEntries(parameters) as Json,
    integration: text(integration.type).toUpperCase(),
    verb: integration.httpMethod ?? null,
    uri: integration.uri ?? null,
    timeout: integration.timeoutInMillis ?? null,
    passthrough: integration.passthroughBehavior ? text(integration.passthroughBehavior).toUpperCase() : null,
    requestTemplates: integration.requestTemplates ?? null,
    responses,
    answers: Object.keys(object(member(operation, 'responses'))),
  });
}

/** What is known of a method, however it is written. */
interface Told {
  readonly [name: string]: Json;
}

function told(route: string, found: Facts, method: Told): void {
  for (const [name, value] of Object.entries(method)) flatten(`${route} ${name}`, value, found);
}

/** A method as a resource, of a {@link linked} template. */
function method(properties: Properties, found: Facts): void {
  const integration = object(properties.Integration);
  const route = `${text(properties.HttpMethod)} ${text(properties.Path)}`;
  const isLambda = text(integration.Type) === 'AWS_PROXY';
  told(route, found, {
    authorization: properties.AuthorizationType ?? 'NONE',
    providers: properties.Providers ?? null,
    scopes: properties.AuthorizationScopes ?? null,
    apiKey: properties.ApiKeyRequired ?? false,
    models: properties.Models ?? {},
    validation: properties.Validation ?? null,
    parameters: properties.RequestParameters ?? {},
    integration: integration.Type ?? null,
    verb: integration.IntegrationHttpMethod ?? null,
    uri: integration.Uri ?? null,
    // The gateway's own limit, unless something else is said.
    timeout: integration.TimeoutInMillis ?? (isLambda ? 29_000 : null),
    passthrough: integration.PassthroughBehavior ?? null,
    requestTemplates: integration.RequestTemplates ?? null,
    responses: integration.IntegrationResponses ?? [],
    answers: list(properties.MethodResponses).map((response) => member(response, 'StatusCode') ?? null),
  });
}

/** `template` with methods that say themselves what the resources say that they name. */
export function linked(template: Template): Template {
  const named = (json: Json | undefined): Properties => {
    const id = member(json, 'Ref') ?? list(member(json, 'Fn::GetAtt'))[0];
    return (id === undefined ? undefined : template.Resources[text(id)]?.Properties) ?? {};
  };
  const path = (json: Json | undefined): string => {
    const { ParentId, PathPart } = named(json);
    return PathPart === undefined ? '' : `${path(ParentId)}/${text(PathPart)}`;
  };
  const link = (properties: Properties): Properties => {
    const models = Object.entries(object(properties.RequestModels)).map(([mediaType, model]) => {
      const { $schema: _, ...schema } = object(named(model).Schema);
      return [mediaType, schema] as const;
    });
    const { ValidateRequestBody, ValidateRequestParameters } = named(properties.RequestValidatorId);
    return {
      ...properties,
      Path: path(properties.ResourceId) || '/',
      Models: Object.fromEntries(models),
      Validation: properties.RequestValidatorId
        ? {
            validateRequestBody: ValidateRequestBody ?? false,
            validateRequestParameters: ValidateRequestParameters ?? false,
          }
        : null,
      Providers: named(properties.AuthorizerId).ProviderARNs ?? null,
    };
  };
  const resources = Object.entries(template.Resources).map(([id, resource]) => {
    const isMethod = resource.Type === 'AWS::ApiGateway::Method';
    return [id, isMethod ? { ...resource, Properties: link(resource.Properties ?? {}) } : resource] as const;
  });
  return { ...template, Resources: Object.fromEntries(resources) };
}

function gatewayResponse(type: string, properties: Properties, found: Facts): void {
  const { RestApiId: _, ResponseType: __, ...rest } = properties;
  flatten(`gateway response ${type}`, rest, found);
}

/** What must be there before something else: a migration before functions, a network before a migration. */
function order(resources: Resources, found: Facts): void {
  const direct = new Map<string, Set<string>>();
  for (const [name, resource] of resources) {
    const named = [...JSON.stringify(resource.Properties).matchAll(/\$\{([\w:]+)/g)].map(([, id]) => id ?? '');
    direct.set(name, new Set([...[resource.DependsOn ?? []].flat(), ...named].filter((id) => resources.has(id))));
  }
  const before = (name: string, seen = new Set<string>()): Set<string> => {
    for (const other of direct.get(name) ?? []) {
      if (!seen.has(other)) before(other, seen.add(other));
    }
    return seen;
  };
  for (const [name, resource] of resources) {
    const waited = before(name);
    if (resource.Type === 'AWS::Lambda::Function' && waited.has('Migration'))
      found.set(`${name} waits for`, 'Migration');
    if (name === 'Migration') {
      for (const other of ['Writer', 'S3Endpoint', 'SecretsManagerEndpoint']) {
        if (waited.has(other)) found.set(`${name} waits for ${other}`, 'yes');
      }
      const ways = [...resources].filter(
        ([, { Type, Properties }]) =>
          Type === 'AWS::EC2::SecurityGroupIngress' && reference(Properties.GroupId ?? '') === 'DatabaseSecurityGroup',
      );
      found.set(`${name} waits for every way to the database`, String(ways.every(([way]) => waited.has(way))));
    }
  }
}

function flatten(path: string, value: Json, found: Facts): void {
  if (Array.isArray(value)) {
    if (value.every((item) => !isObject(item) && !Array.isArray(item))) {
      // Such lists are sets.
      const items = value.map((item) => text(item)).sort();
      found.set(path, items.join(', '));
    } else {
      value.forEach((item, index) => {
        flatten(`${path}[${label(item) ?? index}]`, item, found);
      });
    }
  } else if (isObject(value)) {
    for (const [name, item] of Object.entries(value)) flatten(`${path}.${name}`, item, found);
  } else if (value !== null) {
    found.set(path, text(value));
  }
}

/** What an item of a list is known by. */
function label(item: Json): string | undefined {
  const name = member(item, 'Name') ?? member(item, 'Key');
  return typeof name === 'string' ? name : undefined;
}

function isObject(value: Json | undefined): value is { [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function object(value: Json | undefined): { [name: string]: Json } {
  return isObject(value) ? value : {};
}

function list(value: Json | undefined): Json[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : [value];
}

function member(value: Json | undefined, name: string): Json | undefined {
  return isObject(value) ? value[name] : undefined;
}

function partition<T>(items: readonly T[], holds: (item: T) => boolean): [T[], T[]] {
  return [items.filter(holds), items.filter((item) => !holds(item))];
}

function isReference(value: Json): boolean {
  return /^\$\{[^}]+\}$/.test(text(value));
}

/** The name of the resource that is referred to, by whatever attribute. */
function reference(value: Json): string {
  return text(value).replace(/^\$\{([^.}]+)[^}]*\}$/, '$1');
}

function text(value: Json | undefined): string {
  if (value === undefined || value === null) return '';
  // A dynamic reference without its optional parts.
  return typeof value === 'object' ? canonical(value) : String(value).replaceAll(/:+(\}\})/g, '$1');
}

/** JSON with its members in order and lists of one item as that item. */
function canonical(value: Json): string {
  return JSON.stringify(value, (_, part: Json) => {
    if (Array.isArray(part)) return part.length === 1 ? part[0] : part;
    if (!isObject(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => a.localeCompare(b)));
  });
}
