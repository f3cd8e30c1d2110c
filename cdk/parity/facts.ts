/**
 * A template as a set of facts, one for each value that could differ: `Cluster.BackupRetentionPeriod` is `7`.
 * Equivalent forms (inline and separate policies, inline and separate rules of security groups, an API as a document or
 * as resources) become the same facts.
 */

import type { Evaluator, Json, Resource, Template } from './evaluate.ts';

export type Facts = Map<string, string>;
type Properties = { readonly [name: string]: Json };
type Described = Resource & { readonly Properties: Properties };
type Resources = Map<string, Described>;

/** Properties that only depend on where something is defined, or that the tools fill in. */
const IGNORED: { readonly [type: string]: readonly string[] } = {
  '*': ['Tags', 'ResourceTags'],
  // SAM's ends with the revision, CDK's with the generation of secrets: each publishes a new version in this way.
  'AWS::Lambda::Function': ['Code', 'Description'],
  'AWS::Lambda::Alias': ['FunctionVersion'],
  'AWS::ApiGateway::Stage': ['DeploymentId'],
};

/** Types whose contents are described with the roles, methods and aliases that refer to them. */
const DESCRIBED_WITH_OTHERS =
  /^AWS::(ApiGateway::(Authorizer|Deployment|Model|RequestValidator|Resource)|IAM::ManagedPolicy|Lambda::Version)$/;

export function facts(evaluator: Evaluator): Facts {
  const resources: Resources = evaluator.resources();
  const found: Facts = new Map();
  for (const [name, resource] of resources) describe(name, resource, resources, found);
  for (const [name, value] of evaluator.outputs()) flatten(`output ${name}`, value, found);
  order(resources, found);
  return found;
}

function describe(name: string, resource: Described, resources: Resources, found: Facts): void {
  const { Type: type, Properties: properties } = resource;
  switch (type) {
    case 'AWS::EC2::SecurityGroupIngress':
    case 'AWS::EC2::SecurityGroupEgress':
      rule(reference(properties.GroupId ?? ''), type.endsWith('Ingress') ? 'in' : 'out', properties, found);
      return;
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
    case 'AWS::ApiGateway::GatewayResponse': {
      const { restApiId: _, responseType, ...rest } = inCamelCase(properties);
      flatten(`gateway response ${text(responseType)}`, rest, found);
      return;
    }
  }
  if (DESCRIBED_WITH_OTHERS.test(type)) return;

  found.set(`${name} is`, type);
  for (const policyName of ['DeletionPolicy', 'UpdateReplacePolicy'] as const) {
    // Only one of the templates writes default values.
    const value = resource[policyName] ?? 'Delete';
    if (value !== 'Delete') found.set(`${name} at ${policyName}`, value);
  }
  if (resource.UpdatePolicy) flatten(`${name} at UpdatePolicy`, Object.keys(resource.UpdatePolicy), found);

  for (const [property, value] of Object.entries(properties)) {
    const path = `${name}.${property}`;
    if (IGNORED['*']?.includes(property) || IGNORED[type]?.includes(property)) continue;
    if (type === 'AWS::IAM::Role' && property === 'Policies') {
      for (const inline of list(value)) policy(`${name} may`, at(inline, 'PolicyDocument'), found);
    } else if (type === 'AWS::IAM::Role' && property === 'ManagedPolicyArns') {
      for (const arn of list(value)) {
        const managed = resources.get(reference(arn))?.Properties.PolicyDocument;
        if (managed) policy(`${name} may`, tagged(managed, properties.Tags), found);
        else found.set(`${name} has ${text(arn)}`, 'yes');
      }
    } else if (property.startsWith('SecurityGroup') && /gress$/.test(property)) {
      for (const entry of list(value)) {
        rule(name, property.endsWith('Ingress') ? 'in' : 'out', entry as Properties, found);
      }
    } else if (isObject(value) && 'Statement' in value) {
      policy(path, value, found);
    } else if (property === 'MethodSettings') {
      for (const settings of list(value)) {
        const { ResourcePath, HttpMethod, ...rest } = object(settings);
        const route = text(ResourcePath).replaceAll('~1', '/').replace(/^\/+/, '/');
        flatten(`${name} for ${text(HttpMethod)} ${route}`, rest, found);
      }
    } else if (property === 'DashboardBody') {
      flatten(path, JSON.parse(text(value)) as Json, found);
    } else if (property === 'Metrics') {
      for (const metric of list(value)) {
        const { Id = null, ReturnData = true, ...rest } = object(metric);
        // No expression refers to the id of the watched metric.
        flatten(`${path}[${ReturnData ? 'watched' : text(Id)}]`, rest, found);
      }
    } else if (type === 'AWS::Events::Rule' && property === 'Targets') {
      for (const target of list(value)) {
        const { Id: _, ...rest } = object(target);
        flatten(`${path}[${text(rest.Arn)}]`, rest, found);
      }
    } else {
      flatten(path, value, found);
    }
  }
}

/** Adds each single permission, so that the division into statements does not matter. */
function policy(path: string, document: Json | undefined, found: Facts): void {
  for (const statement of list(at(document, 'Statement'))) {
    const principal = at(statement, 'Principal');
    const principals = isObject(principal)
      ? Object.entries(principal).flatMap(([kind, names]) => list(names).map((one) => `${kind} ${text(one)}`))
      : [text(principal)];
    const condition = at(statement, 'Condition');
    const when = condition === null ? '' : ` if ${canonical(condition)}`;
    const effect = text(at(statement, 'Effect'));
    for (const who of principals) {
      for (const action of list(at(statement, 'Action'))) {
        for (const resource of list(at(statement, 'Resource') ?? '')) {
          const right = [effect, who === 'AWS *' ? '*' : who, text(action), text(resource)];
          found.set(`${path}: ${right.filter(Boolean).join(' | ')}${when}`, 'yes');
        }
      }
    }
  }
}

/** `document` for a principal that has `tags`. */
function tagged(document: Json, tags: Json | undefined): Json {
  const values = Object.fromEntries(list(tags).map((tag) => [text(at(tag, 'Key')), text(at(tag, 'Value'))]));
  const said = JSON.stringify(document).replaceAll(/\$\{aws:PrincipalTag\/(\w+)\}/g, (_, tag) => values[tag] ?? '');
  return JSON.parse(said) as Json;
}

/**
 * The source ARN of the gateway's calls: SAM allows any stage of the API, which has only one, in the region's
 * partition.
 */
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
    `${group} lets ${direction} ${text(rule.IpProtocol)}${ports}, ${reference(peer)}`,
    text(rule.Description ?? ''),
  );
}

function restApi(name: string, properties: Properties, found: Facts): void {
  const { Body: body = null, Policy, Parameters: _, Tags: __, ...rest } = properties;
  flatten(name, rest, found);
  policy(`${name} lets`, Policy ?? at(body, 'x-amazon-apigateway-policy'), found);
  for (const [path, item] of Object.entries(object(at(body, 'paths')))) {
    for (const [verb, operation] of Object.entries(object(item)))
      documented(body, `${verb.toUpperCase()} ${path}`, operation, found);
  }
  for (const [type, response] of Object.entries(object(at(body, 'x-amazon-apigateway-gateway-responses'))))
    flatten(`gateway response ${type}`, response, found);
}

/** A method in an OpenAPI document. */
function documented(body: Json, route: string, operation: Json, found: Facts): void {
  const schemes = at(body, 'components', 'securitySchemes');
  // One of them may be an API key, which is required in addition.
  const security: Properties = Object.assign({}, ...list(at(operation, 'security')).map(object));
  const names = Object.keys(security);
  const ofType = (type: string) => names.find((name) => at(schemes, name, 'x-amazon-apigateway-authtype') === type);
  const pool = ofType('cognito_user_pools');
  const model = (media: Json) =>
    at(
      body,
      'components',
      'schemas',
      text(at(media, 'schema', '$ref'))
        .split('/')
        .pop() ?? '',
    );
  const validator = at(operation, 'x-amazon-apigateway-request-validator');
  const parameters = list(at(operation, 'parameters')).map((parameter) => [
    `method.request.${text(at(parameter, 'in'))}.${text(at(parameter, 'name'))}`,
    at(parameter, 'required'),
  ]);
  const { responses, type, passthroughBehavior, ...integration } = object(
    at(operation, 'x-amazon-apigateway-integration'),
  );
  describeMethod(route, found, {
    name: at(operation, 'operationId'),
    authorization: ofType('awsSigv4') ? 'AWS_IAM' : pool ? 'COGNITO_USER_POOLS' : 'NONE',
    providers: pool ? at(schemes, pool, 'x-amazon-apigateway-authorizer', 'providerARNs') : null,
    scopes: pool ? (security[pool] ?? null) : null,
    apiKey: names.some((name) => at(schemes, name, 'name') === 'x-api-key'),
    models: each(at(operation, 'requestBody', 'content'), model),
    validation: validator && at(body, 'x-amazon-apigateway-request-validators', text(validator)),
    parameters: Object.fromEntries(parameters) as Json,
    integration: {
      ...integration,
      type: text(type).toUpperCase(),
      passthroughBehavior: text(passthroughBehavior).toUpperCase(),
    },
    responses: Object.values(object(responses)),
    answers: each(at(operation, 'responses'), (response) => Object.keys(object(at(response, 'headers')))),
  });
}

/** A method as a resource of a {@link linked} template. */
function method(properties: Properties, found: Facts): void {
  const { integrationHttpMethod, integrationResponses, ...integration } = inCamelCase(properties.Integration);
  const headers = (response: Json) => Object.keys(object(at(response, 'ResponseParameters')));
  const answers = list(properties.MethodResponses).map((response) => [
    at(response, 'StatusCode'),
    headers(response).map((name) => name.replace('method.response.header.', '')),
  ]);
  describeMethod(`${text(properties.HttpMethod)} ${text(properties.Path)}`, found, {
    name: properties.OperationName,
    authorization: properties.AuthorizationType ?? 'NONE',
    providers: properties.Providers,
    scopes: properties.AuthorizationScopes,
    apiKey: properties.ApiKeyRequired ?? false,
    models: properties.Models,
    validation: properties.Validation,
    parameters: properties.RequestParameters,
    integration: {
      ...integration,
      passthroughBehavior: text(integration.passthroughBehavior),
      httpMethod: integrationHttpMethod ?? null,
      // The gateway's own limit by default.
      timeoutInMillis: integration.timeoutInMillis ?? (integration.type === 'AWS_PROXY' ? 29_000 : null),
    },
    responses: list(integrationResponses).map(inCamelCase),
    answers: Object.fromEntries(answers),
  });
}

function describeMethod(route: string, found: Facts, method: { readonly [name: string]: Json | undefined }): void {
  for (const [name, value] of Object.entries(method)) flatten(`${route} ${name}`, value, found);
}

/** `value` with its members in the spelling of OpenAPI documents. */
function inCamelCase(value: Json | undefined): { [name: string]: Json } {
  const members = Object.entries(object(value));
  return Object.fromEntries(members.map(([name, item]) => [`${name.charAt(0).toLowerCase()}${name.slice(1)}`, item]));
}

/** `template` with the contents of resources merged into the methods that refer to them. */
export function linked(template: Template): Template {
  const named = (json: Json | undefined): Properties => {
    const id = at(json, 'Ref') ?? list(at(json, 'Fn::GetAtt'))[0];
    return template.Resources[text(id)]?.Properties ?? {};
  };
  const path = (json: Json | undefined): string => {
    const { ParentId, PathPart } = named(json);
    return PathPart === undefined ? '' : `${path(ParentId)}/${text(PathPart)}`;
  };
  const link = (properties: Properties): Properties => {
    const model = (media: Json) => {
      const { $schema: _, ...schema } = object(named(media).Schema);
      return schema;
    };
    const { ValidateRequestBody, ValidateRequestParameters } = named(properties.RequestValidatorId);
    const validation = {
      validateRequestBody: ValidateRequestBody ?? false,
      validateRequestParameters: ValidateRequestParameters ?? false,
    };
    return {
      ...properties,
      Path: path(properties.ResourceId) || '/',
      Models: each(properties.RequestModels ?? null, model),
      Validation: properties.RequestValidatorId ? validation : null,
      Providers: named(properties.AuthorizerId).ProviderARNs ?? null,
    };
  };
  const resources = Object.entries(template.Resources).map(([id, resource]) => {
    const isMethod = resource.Type === 'AWS::ApiGateway::Method';
    return [id, isMethod ? { ...resource, Properties: link(resource.Properties ?? {}) } : resource] as const;
  });
  return { ...template, Resources: Object.fromEntries(resources) };
}

/** Resources that have to exist before others, in addition to the migration before functions. */
const FIRST: { readonly [name: string]: readonly string[] } = {
  Migration: ['Writer', 'ProxyTargets', 'S3Endpoint', 'SecretsManagerEndpoint'],
  Forget: ['Migration'],
  // AWS would otherwise create these log groups.
  ApiStage: ['GatewayLogGroup', 'GatewayAccount'],
  Writer: ['DatabaseLogGroup'],
  Proxy: ['ProxyLogGroup'],
};

/** Adds the dependencies between resources. */
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
    const firsts = resource.Type === 'AWS::Lambda::Function' ? ['Migration'] : (FIRST[name] ?? []);
    for (const other of firsts) if (waited.has(other)) found.set(`${name} waits for ${other}`, 'yes');
    if (name === 'Migration') {
      const ways = [...resources].filter(
        ([, { Type, Properties }]) =>
          Type === 'AWS::EC2::SecurityGroupIngress' && reference(Properties.GroupId ?? '') === 'DatabaseSecurityGroup',
      );
      found.set(`${name} waits for every way to the database`, String(ways.every(([way]) => waited.has(way))));
    }
  }
}

function flatten(path: string, value: Json | undefined, found: Facts): void {
  if (isObject(value)) {
    for (const [name, item] of Object.entries(value)) flatten(`${path}.${name}`, item, found);
  } else if (!Array.isArray(value)) {
    if (value !== null && value !== undefined) found.set(path, text(value));
  } else if (value.some((item) => typeof item === 'object')) {
    // An item is identified by its name, if it has one.
    for (const [index, item] of value.entries())
      flatten(`${path}[${text(at(item, 'Name') ?? at(item, 'Key') ?? index)}]`, item, found);
  } else {
    // Lists of plain values are compared as sets.
    found.set(path, value.map(text).sort().join(', '));
  }
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

/** The member of `value` at the path `names`, or null. */
function at(value: Json | undefined, ...names: string[]): Json {
  return names.reduce<Json>((inner, name) => object(inner)[name] ?? null, value ?? null);
}

/** Maps each member of `value`. */
function each(value: Json, as: (item: Json) => Json): Json {
  return Object.fromEntries(Object.entries(object(value)).map(([name, item]) => [name, as(item)]));
}

/** The name of the referenced resource, whatever the attribute. */
function reference(value: Json): string {
  return text(value).replace(/^\$\{([^.}]+)[^}]*\}$/, '$1');
}

function text(value: Json | undefined): string {
  if (value === undefined || value === null) return '';
  // A dynamic reference without its optional parts.
  return typeof value === 'object' ? canonical(value) : String(value).replaceAll(/:+(\}\})/g, '$1');
}

/** JSON with sorted members, and with lists of one item replaced by the item. */
function canonical(value: Json): string {
  return JSON.stringify(value, (_, part: Json) => {
    if (Array.isArray(part)) return part.length === 1 ? part[0] : part;
    if (!isObject(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => a.localeCompare(b)));
  });
}
