import { Duration, Lazy, RemovalPolicy, Stack } from 'aws-cdk-lib';
import {
  AccessLogFormat,
  ApiKey,
  AuthorizationType,
  BasePathMapping,
  CfnAccount,
  CfnGatewayResponse,
  type CfnRestApi,
  CognitoUserPoolsAuthorizer,
  DomainName,
  EndpointAccessMode,
  EndpointType,
  type IAuthorizer,
  type IModel,
  type IRequestValidator,
  JsonSchemaType,
  LogGroupLogDestination,
  type MethodDeploymentOptions,
  MethodLoggingLevel,
  type MethodOptions,
  MockIntegration,
  PassthroughBehavior,
  Period,
  type Resource,
  RestApi,
  SecurityPolicy,
  UsagePlan,
} from 'aws-cdk-lib/aws-apigateway';
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager';
import { UserPool } from 'aws-cdk-lib/aws-cognito';
import {
  AnyPrincipal,
  Effect,
  Grant,
  type IGrantable,
  ManagedPolicy,
  PolicyDocument,
  PolicyStatement,
  Role,
  ServicePrincipal,
} from 'aws-cdk-lib/aws-iam';
import { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import { CfnRecordSet } from 'aws-cdk-lib/aws-route53';
import { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';
import {
  CORS_HEADERS,
  EXPOSED_HEADERS,
  GATEWAY_RESPONSES,
  OPERATIONS,
  type OperationId,
} from './generated/operations.gen.ts';
import { NAME, TITLE } from './generated/project.gen.ts';
import {
  type AnyIntegrations,
  type Integrations,
  IntegrationsBuilder,
  type None,
  type OnlyOperations,
  type Pattern,
} from './integrations.ts';
import { type LogSettings, logGroup } from './logs.ts';
import { complete, withOwn } from './methods.ts';
import { OperationFunction } from './operation.ts';
import { OPERATION_IDS } from './operations.ts';
import type { Access, Domain, Options } from './settings.ts';

type Route = (typeof OPERATIONS)[OperationId]['routes'][number];

/** Logging and metrics of a method. */
const WATCHED = { metricsEnabled: true, loggingLevel: MethodLoggingLevel.ERROR, dataTraceEnabled: false };

/**
 * An id in a caller's policy. `*` would also match `/`: permission for `/v1/products/*` would include all paths below.
 */
const ANY_ID = '????????-????-????-????-????????????';

export interface CatalogApiProps<I extends AnyIntegrations = Integrations<None>>
  extends LogSettings,
    Pick<
      Options,
      | 'apiKeys'
      | 'corsAllowedOrigins'
      | 'corsAllowedHeaders'
      | 'allowedIpRanges'
      | 'stageCache'
      | 'manageGatewayAccount'
      | 'rateLimit'
      | 'burstLimit'
      | 'writeRateLimit'
      | 'writeBurstLimit'
      | 'dailyQuota'
    > {
  /** The integration of each operation: the result of a builder, or a record with all operations. */
  readonly integrations: I & OnlyOperations<I>;
  /** The name of the API's stage, which is the first part of its paths. */
  readonly stageName: string;
  /** Who may call. */
  readonly access: Access;
  readonly domain?: Domain | undefined;
}

/**
 * The REST API: every route of every operation, served by `integrations`.
 *
 * Its operations are the keys of the generated list: an operation that does not exist does not compile.
 */
export class CatalogApi<I extends AnyIntegrations = Integrations<None>> extends Construct {
  readonly restApi: RestApi;
  readonly integrations: I;
  readonly domain: DomainName | undefined;
  /** The key of the usage plan. */
  readonly apiKey: ApiKey | undefined;
  readonly #origins: string[] = [];
  readonly #headers: readonly string[];
  /** The methods by path. */
  readonly #paths = new Map<string, { readonly resource: Resource; readonly methods: string[] }>();

  /** Starts a builder of integrations with functions in `scope`: one for each operation, or one for all. */
  static defaultIntegrations(scope: Construct, pattern: Pattern = 'isolated'): IntegrationsBuilder<None> {
    return IntegrationsBuilder.in(scope, pattern);
  }

  /**
   * Integrations listed one by one: when an operation is added to the register, the record no longer compiles until it
   * has it.
   */
  static explicitIntegrations<T extends AnyIntegrations>(integrations: T & OnlyOperations<T>): T {
    return integrations;
  }

  constructor(scope: Construct, id: string, props: CatalogApiProps<I>) {
    super(scope, id);
    const { stackName } = Stack.of(this);
    this.integrations = props.integrations;
    this.#headers = props.corsAllowedHeaders;

    const accessLog = logGroup(this, 'AccessLogGroup', `/aws/apigateway/${stackName}`, props);
    this.restApi = new RestApi(this, 'Api', {
      restApiName: stackName,
      description: `${TITLE}, stage ${props.stageName}`,
      endpointTypes: [EndpointType.REGIONAL],
      cloudWatchRole: false,
      ...(props.allowedIpRanges.length > 0 ? { policy: ipPolicy(props) } : {}),
      deployOptions: {
        stageName: props.stageName,
        tracingEnabled: true,
        cacheClusterEnabled: props.stageCache,
        ...(props.stageCache ? { cacheClusterSize: '0.5' } : {}),
        accessLogDestination: new LogGroupLogDestination(accessLog),
        accessLogFormat: AccessLogFormat.custom(ACCESS_LOG_FORMAT),
        methodOptions: {
          '/*/*': {
            throttlingRateLimit: props.rateLimit,
            throttlingBurstLimit: props.burstLimit,
            ...WATCHED,
            cachingEnabled: false,
            cacheDataEncrypted: true,
          },
          ...particular(props),
        },
      },
    });

    const { deploymentStage } = this.restApi;
    const api = this.restApi.node.defaultChild as CfnRestApi;
    api.securityPolicy = SecurityPolicy.TLS13_1_2_PFS_PQ_2025_09;
    api.endpointAccessMode = EndpointAccessMode.STRICT;
    // API Gateway would otherwise create it, without encryption key and retention.
    const executionLog = `API-Gateway-Execution-Logs_${this.restApi.restApiId}/${props.stageName}`;
    deploymentStage.node.addDependency(logGroup(this, 'GatewayLogGroup', executionLog, props));

    // Remove the library's output: the stack has its own.
    this.restApi.node.tryRemoveChild('Endpoint');
    acknowledge(
      this.restApi,
      'APIG2',
      'The gateway checks that a body is an object; the functions validate the whole request, and report all faults at once.',
    );
    acknowledge(this.restApi, 'COG4', 'Callers sign with IAM by default; two routes are open.');
    this.addRoutes(props);
    this.addGatewayResponses();
    const origins = Lazy.string({ produce: () => this.#origins.join(',') });
    for (const integration of Object.values(this.integrations)) {
      const handler = 'handler' in integration ? integration.handler : undefined;
      if (handler instanceof LambdaFunction && handler.node.scope instanceof OperationFunction) {
        handler.addEnvironment('CORS_ALLOWED_ORIGINS', origins);
      }
    }
    this.restrictCorsTo(...props.corsAllowedOrigins);

    if (props.manageGatewayAccount) this.addGatewayAccount();
    this.apiKey = props.apiKeys ? this.addUsagePlan(props) : undefined;
    this.domain = props.domain && this.addDomain(props.domain);
  }

  /** The API's URL, including the stage. */
  get url(): string {
    const { region, urlSuffix } = Stack.of(this);
    const { restApiId, deploymentStage } = this.restApi;
    return `https://${restApiId}.execute-api.${region}.${urlSuffix}/${deploymentStage.stageName}`;
  }

  /** Lets `grantee` call the routes of `operations` only, or of all operations if none is given. */
  grantInvokeAccess(grantee: IGrantable, { operations = OPERATION_IDS }: { operations?: readonly OperationId[] } = {}) {
    return Grant.addToPrincipal({
      grantee,
      actions: ['execute-api:Invoke'],
      resourceArns: operations.flatMap((id) => OPERATIONS[id].routes.map((route) => this.arnOf(route))),
    });
  }

  /** The ARN that a caller of `route` needs permission for. */
  arnOf({ method, path }: Route): string {
    const { restApi } = this;
    return restApi.arnForExecuteApi(method, path.replaceAll(/\{\w+\}/g, ANY_ID), restApi.deploymentStage.stageName);
  }

  /**
   * Lets pages of `origins`, such as `https://store.example`, call the API, in addition to those that already may. The
   * functions send the headers, and the gateway responds to preflights. All other origins are refused.
   */
  restrictCorsTo(...origins: string[]): void {
    for (const origin of origins) {
      if (!URL.canParse(origin) || new URL(origin).origin !== origin) {
        throw new Error(`${JSON.stringify(origin)} is not an origin, such as "https://store.example"`);
      }
    }
    if (this.#origins.length === 0 && origins.length > 0) this.addPreflights();
    this.#origins.push(...origins.filter((origin) => !this.#origins.includes(origin)));
  }

  private addRoutes({ access, apiKeys }: CatalogApiProps<I>): void {
    const model = this.restApi.addModel('Object', {
      modelName: 'Object',
      contentType: 'application/json',
      schema: { type: JsonSchemaType.OBJECT },
    });
    // Stricter validation would respond before the function, which reports all faults at once.
    const validator = this.restApi.addRequestValidator('Body', {
      requestValidatorName: 'body',
      validateRequestBody: true,
      validateRequestParameters: false,
    });
    const authorizer =
      access.authMode === 'cognito'
        ? new CognitoUserPoolsAuthorizer(this, 'Cognito', {
            authorizerName: 'cognito',
            cognitoUserPools: [UserPool.fromUserPoolArn(this, 'UserPool', access.userPoolArn)],
          })
        : undefined;

    for (const { id, route } of routes()) {
      const here = this.#paths.get(route.path) ?? {
        resource: this.restApi.root.resourceForPath(route.path),
        methods: [],
      };
      this.#paths.set(route.path, here);
      here.methods.push(route.method);
      const { integration, options: own } = this.integrations[id];
      const ours: MethodOptions = {
        operationName: route.operationId,
        ...parameters(route.path),
        ...body(route.method, model, validator),
        ...(route.isOpen ? { authorizationType: AuthorizationType.NONE } : authorization(access, authorizer, route)),
        apiKeyRequired: apiKeys && !route.isOpen,
      };
      const { methodResponses, ...options } = withOwn(ours, own);
      const method = here.resource.addMethod(route.method, integration, options);
      complete(method, { ...options, methodResponses });
      if (route.isOpen) {
        acknowledge(method, 'APIG4', 'Everyone may read the contract, as a document and as a page.');
      } else if (access.authMode === 'none') {
        acknowledge(method, 'APIG4', 'The stage is open to everyone, which production cannot be.');
      }
    }
  }

  /**
   * Responds to preflight requests. The gateway can send only one origin as a constant. With several, a template
   * compares the origin, and another origin's page gets no CORS headers.
   */
  private addPreflights(): void {
    // VTL does not allow a method call on a string literal, but on a variable.
    const template = `#set($origins = "${Lazy.string({ produce: () => this.#origins.join(',') })}")
#set($origin = $input.params().header.get("Origin"))
#if(!$origin || $origin == "")#set($origin = $input.params().header.get("origin"))#end
#foreach($allowed in $origins.split(","))
#if($allowed == $origin)
#set($context.responseOverride.header.Access-Control-Allow-Origin = $origin)
#end
#end`;
    for (const { resource, methods } of this.#paths.values()) {
      const headers = {
        'Access-Control-Allow-Methods': [...methods.toSorted(), 'OPTIONS'].join(', '),
        'Access-Control-Allow-Headers': [...CORS_HEADERS, ...this.#headers].join(', '),
        'Access-Control-Max-Age': '7200',
        Vary: 'Origin',
      };
      const each = <T>(value: (text: string) => T) =>
        Object.fromEntries(
          Object.entries(headers).map(([name, text]) => [`method.response.header.${name}`, value(text)]),
        );
      const preflight = resource.addMethod(
        'OPTIONS',
        new MockIntegration({
          passthroughBehavior: PassthroughBehavior.WHEN_NO_TEMPLATES,
          requestTemplates: { 'application/json': '{"statusCode": 204}' },
          integrationResponses: [
            {
              statusCode: '204',
              responseParameters: each((text) => `'${text}'`),
              responseTemplates: { 'application/json': template },
            },
          ],
        }),
        {
          authorizationType: AuthorizationType.NONE,
          apiKeyRequired: false,
          methodResponses: [{ statusCode: '204', responseParameters: each(() => false) }],
        },
      );
      acknowledge(preflight, 'APIG4', 'A browser sends preflight requests without credentials.');
    }
  }

  /** The gateway's own errors: problem+json (RFC 9457) that a page of the first allowed origin may read. */
  private addGatewayResponses(): void {
    for (const [type, { status, title, retryAfterSeconds, carriedOut }] of Object.entries(GATEWAY_RESPONSES)) {
      // The catch-all types cover several statuses: the status is unchanged, and the body does not contain it.
      const isCatchAll = type.startsWith('DEFAULT');
      const members = [
        isCatchAll ? '' : `"title": "${title}", "status": ${status}, `,
        carriedOut ? `"carried_out": "${carriedOut}", ` : '',
      ].join('');
      const parameters = () => {
        const [origin] = this.#origins;
        return {
          'gatewayresponse.header.Content-Type': "'application/problem+json'",
          'gatewayresponse.header.X-Content-Type-Options': "'nosniff'",
          ...(origin
            ? {
                'gatewayresponse.header.Access-Control-Allow-Origin': `'${origin}'`,
                'gatewayresponse.header.Access-Control-Expose-Headers': `'${EXPOSED_HEADERS.join(', ')}'`,
                'gatewayresponse.header.Vary': "'Origin'",
              }
            : {}),
          ...(retryAfterSeconds === null ? {} : { 'gatewayresponse.header.Retry-After': `'${retryAfterSeconds}'` }),
        };
      };
      const response = new CfnGatewayResponse(this, `GatewayResponse${type}`, {
        restApiId: this.restApi.restApiId,
        responseType: type,
        ...(isCatchAll ? {} : { statusCode: String(status) }),
        responseParameters: Lazy.any({ produce: parameters }),
        responseTemplates: {
          'application/json': `{"type": "about:blank", ${members}"detail": $context.error.messageString, "instance": "$context.path", "request_id": "$context.requestId"}`,
        },
      });
      // Part of the deployment, and redeployed when it changes.
      this.restApi.latestDeployment?.node.addDependency(response);
      this.restApi.latestDeployment?.addToLogicalId({ type, members, parameters: Lazy.any({ produce: parameters }) });
    }
  }

  /** The role with which API Gateway logs, for all APIs of the account in this region. */
  private addGatewayAccount(): void {
    const role = new Role(this, 'GatewayLogRole', {
      assumedBy: new ServicePrincipal('apigateway.amazonaws.com'),
      managedPolicies: [ManagedPolicy.fromAwsManagedPolicyName('service-role/AmazonAPIGatewayPushToCloudWatchLogs')],
    });
    // All APIs of the account log with it, so it outlives this stack.
    role.applyRemovalPolicy(RemovalPolicy.RETAIN);
    acknowledge(
      role,
      'IAM4',
      'AWS maintains the policy that API Gateway needs to write logs.',
      'Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs',
    );
    const account = new CfnAccount(this, 'GatewayAccount', { cloudWatchRoleArn: role.roleArn });
    this.restApi.deploymentStage.node.addDependency(account);
  }

  private addUsagePlan({ rateLimit, burstLimit, dailyQuota }: CatalogApiProps<I>): ApiKey {
    const { stackName } = Stack.of(this);
    const plan = new UsagePlan(this, 'UsagePlan', {
      name: stackName,
      apiStages: [{ stage: this.restApi.deploymentStage }],
      throttle: { rateLimit, burstLimit },
      quota: { limit: dailyQuota, period: Period.DAY },
    });
    const key = new ApiKey(this, 'ApiKey', { apiKeyName: stackName, enabled: true });
    plan.addApiKey(key);
    return key;
  }

  private addDomain({ domainName, certificateArn, hostedZoneId }: Domain): DomainName {
    const domain = new DomainName(this, 'Domain', {
      domainName,
      certificate: Certificate.fromCertificateArn(this, 'Certificate', certificateArn),
      endpointType: EndpointType.REGIONAL,
      securityPolicy: SecurityPolicy.TLS13_1_2_PFS_PQ_2025_09,
      endpointAccessMode: EndpointAccessMode.STRICT,
    });
    new BasePathMapping(this, 'DomainMapping', {
      domainName: domain,
      restApi: this.restApi,
      stage: this.restApi.deploymentStage,
    });
    if (hostedZoneId) {
      new CfnRecordSet(this, 'DomainRecord', {
        hostedZoneId,
        name: domainName,
        type: 'A',
        aliasTarget: {
          dnsName: domain.domainNameAliasDomainName,
          hostedZoneId: domain.domainNameAliasHostedZoneId,
        },
      });
    }
    return domain;
  }
}

const ACCESS_LOG_FORMAT = [
  '{"requestId": "$context.requestId", "extendedRequestId": "$context.extendedRequestId",',
  '"ip": "$context.identity.sourceIp", "caller": "$context.identity.caller", "user": "$context.identity.user",',
  '"apiKeyId": "$context.identity.apiKeyId", "requestTime": "$context.requestTime",',
  '"httpMethod": "$context.httpMethod", "resourcePath": "$context.resourcePath", "path": "$context.path",',
  '"status": "$context.status", "protocol": "$context.protocol",',
  '"tlsVersion": "$context.tlsVersion", "cipherSuite": "$context.cipherSuite",',
  '"responseLength": "$context.responseLength",',
  '"responseLatency": "$context.responseLatency", "integrationLatency": "$context.integrationLatency",',
  // The type of the error without its message, which may quote the caller's input.
  '"errorType": "$context.error.responseType",',
  '"wafStatus": "$context.waf.status", "xrayTraceId": "$context.xrayTraceId"}',
].join(' ');

function routes(): { readonly id: OperationId; readonly route: Route }[] {
  return OPERATION_IDS.flatMap((id) => OPERATIONS[id].routes.map((route) => ({ id, route })));
}

/** The stage's settings for methods that write, and for open ones. */
function particular(settings: Pick<Options, 'stageCache' | 'writeRateLimit' | 'writeBurstLimit'>) {
  const methods: { [path: string]: MethodDeploymentOptions } = {};
  for (const { route } of routes()) {
    if (route.isOpen) {
      methods[`${route.path}/${route.method}`] = {
        ...WATCHED,
        throttlingRateLimit: 10,
        throttlingBurstLimit: 20,
        // A response without a body is not worth caching.
        ...(route.method === 'GET'
          ? { cachingEnabled: settings.stageCache, cacheTtl: Duration.minutes(5) }
          : { cachingEnabled: false }),
        cacheDataEncrypted: true,
      };
    } else if (!isReading(route.method)) {
      methods[`${route.path}/${route.method}`] = {
        ...WATCHED,
        throttlingRateLimit: settings.writeRateLimit,
        throttlingBurstLimit: settings.writeBurstLimit,
        cachingEnabled: false,
        cacheDataEncrypted: true,
      };
    }
  }
  return methods;
}

function isReading(method: string): boolean {
  return ['GET', 'HEAD'].includes(method);
}

function parameters(path: string): Pick<MethodOptions, 'requestParameters'> {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
  if (names.length === 0) return {};
  return { requestParameters: Object.fromEntries(names.map((name) => [`method.request.path.${name}`, true])) };
}

function body(method: string, model: IModel, requestValidator: IRequestValidator): MethodOptions {
  if (!['POST', 'PUT', 'PATCH'].includes(method)) return {};
  const mediaTypes = ['application/json', ...(method === 'PATCH' ? ['application/merge-patch+json'] : [])];
  return { requestValidator, requestModels: Object.fromEntries(mediaTypes.map((mediaType) => [mediaType, model])) };
}

function authorization(access: Access, authorizer: IAuthorizer | undefined, route: Route): MethodOptions {
  if (access.authMode === 'iam') return { authorizationType: AuthorizationType.IAM };
  if (!authorizer) return { authorizationType: AuthorizationType.NONE };
  const scope = `${NAME}/${isReading(route.method) ? 'read' : 'write'}`;
  return { authorizationType: AuthorizationType.COGNITO, authorizer, authorizationScopes: [scope] };
}

/**
 * The resource policy, which restricts callers by address. With AWS_IAM, an Allow for everything would admit every
 * principal of the account regardless of its own policies. So it covers only the open routes, and callers need policies
 * for the rest.
 */
function ipPolicy({ access, allowedIpRanges }: { access: Access; allowedIpRanges: readonly string[] }): PolicyDocument {
  const open = routes().filter(({ route }) => route.isOpen);
  const allowed =
    access.authMode === 'iam'
      ? [...open.map(({ route }) => `execute-api:/*/${route.method}${route.path}`), 'execute-api:/*/OPTIONS/*']
      : ['execute-api:/*'];
  const invoke = { principals: [new AnyPrincipal()], actions: ['execute-api:Invoke'] };
  return new PolicyDocument({
    statements: [
      new PolicyStatement({ ...invoke, effect: Effect.ALLOW, resources: allowed }),
      new PolicyStatement({
        ...invoke,
        effect: Effect.DENY,
        resources: ['execute-api:/*'],
        conditions: { NotIpAddress: { 'aws:SourceIp': [...allowedIpRanges] } },
      }),
    ],
  });
}
