/** Combines an override's integration and options with a method. */

import {
  CfnMethod,
  type IntegrationResponse,
  IntegrationType,
  type Method,
  type MethodOptions,
  type MethodResponse,
} from 'aws-cdk-lib/aws-apigateway';

/**
 * Overrides the options `ours` with `own`. Parameters are merged; another authoriser or type of authorisation replaces
 * the scopes as well, and another validation replaces ours.
 */
export function withOwn(ours: MethodOptions, own: MethodOptions = {}): MethodOptions {
  const { authorizationType, authorizer, authorizationScopes, requestValidator, ...others } = ours;
  const isAnotherCaller =
    own.authorizer !== undefined ||
    (own.authorizationType !== undefined && own.authorizationType !== authorizationType);
  return {
    ...(isAnotherCaller ? {} : { authorizationType, authorizer, authorizationScopes }),
    ...(own.requestValidatorOptions ? {} : { requestValidator }),
    ...others,
    ...own,
    requestParameters: { ...ours.requestParameters, ...own.requestParameters },
  };
}

/**
 * Adds to `method` the parts without which API Gateway would refuse its integration or respond with 500: a response for
 * each status, the mapped headers and parameters, and a status for a mock. Existing ones stay unchanged.
 */
export function complete(method: Method, options: MethodOptions): void {
  const resource = method.node.defaultChild;
  if (!(resource instanceof CfnMethod)) return;
  const integration = resource.integration as CfnMethod.IntegrationProperty;
  const isProxy = [IntegrationType.AWS_PROXY, IntegrationType.HTTP_PROXY].includes(integration.type as IntegrationType);
  const given = (integration.integrationResponses ?? []) as readonly IntegrationResponse[];
  const responses = given.length > 0 || isProxy ? given : [{ statusCode: '200' }];

  for (const response of methodResponses(options.methodResponses ?? [], responses)) method.addMethodResponse(response);
  resource.requestParameters = { ...mapped(integration), ...options.requestParameters };
  resource.integration = {
    ...integration,
    ...(responses.length > 0 ? { integrationResponses: [...responses] } : {}),
    ...(integration.type === IntegrationType.MOCK && !integration.requestTemplates
      ? { requestTemplates: mock(responses, options) }
      : {}),
  };
  // The library's deployment depends on the given options only; the parts added here may change with a release.
  const { requestParameters, integration: completed } = resource;
  method.api.latestDeployment?.addToLogicalId({ requestParameters, completed });
}

/** The `declared` responses, plus those that `responses` need. */
function methodResponses(declared: readonly MethodResponse[], responses: readonly IntegrationResponse[]) {
  const all = new Map(declared.map((response) => [response.statusCode, response]));
  for (const { statusCode, responseParameters = {} } of responses) {
    const headers = Object.fromEntries(Object.keys(responseParameters).map((name) => [name, false]));
    const response = all.get(statusCode) ?? { statusCode };
    all.set(statusCode, {
      ...response,
      ...(Object.keys(headers).length > 0
        ? { responseParameters: { ...headers, ...response.responseParameters } }
        : {}),
    });
  }
  return all.values();
}

/** The parameters of the request that `integration` maps. */
function mapped({ requestParameters = {} }: CfnMethod.IntegrationProperty): { [name: string]: boolean } {
  const sources = Object.values(requestParameters as { readonly [name: string]: string });
  const parameters = sources.filter((source) =>
    /^method\.request\.(path|header|multivalueheader|querystring|multivaluequerystring)\.[\w.-]+$/.test(source),
  );
  return Object.fromEntries(parameters.map((name) => [name, false]));
}

/** The request templates that give a mock its status, which cannot be set in another way. */
function mock(responses: readonly IntegrationResponse[], { requestModels = {} }: MethodOptions) {
  const { statusCode } = responses.find(({ selectionPattern }) => !selectionPattern) ??
    responses[0] ?? { statusCode: 200 };
  const mediaTypes = ['application/json', ...Object.keys(requestModels)];
  return Object.fromEntries(mediaTypes.map((mediaType) => [mediaType, `{"statusCode": ${statusCode}}`]));
}
