//! The parts of `template.yaml` that follow from the register: the paths of the REST API, and what each operation has
//! of its own. Everything that the operations share is written by hand around them.

use std::{collections::BTreeSet, fmt::Write as _};

use anyhow::Result;
use http::Method;
use shared::{
    Operation, Role, Route,
    http::{EXPOSED_HEADERS, REQUEST_HEADERS},
};

use super::{replaced, routes};
use crate::OPERATIONS;

const PATHS: &str = "        # Paths, generated from the register of operations by `cargo xtask generate`.\n";
const PATHS_END: &str = "        # End of the generated paths.\n";
const THROTTLES: &str =
    "        # Throttles, generated from the register of operations by `cargo xtask generate`.\n";
const THROTTLES_END: &str = "        # End of the generated throttles.\n";
const RESOURCES: &str =
    "  # Functions, generated from the register of operations by `cargo xtask generate`.\n";
const RESOURCES_END: &str = "  # End of the generated functions.\n";

/// Every response of the gateway's own, with the status that it has.
pub(super) const GATEWAY_RESPONSES: &[(&str, u16, &str)] = &[
    ("ACCESS_DENIED", 403, "Forbidden"),
    ("API_CONFIGURATION_ERROR", 500, "Internal Server Error"),
    ("AUTHORIZER_CONFIGURATION_ERROR", 500, "Internal Server Error"),
    ("AUTHORIZER_FAILURE", 500, "Internal Server Error"),
    ("BAD_REQUEST_BODY", 400, "Bad Request"),
    ("BAD_REQUEST_PARAMETERS", 400, "Bad Request"),
    ("DEFAULT_4XX", 400, "Bad Request"),
    ("DEFAULT_5XX", 500, "Internal Server Error"),
    ("EXPIRED_TOKEN", 403, "Forbidden"),
    ("INTEGRATION_FAILURE", 502, "Bad Gateway"),
    ("INTEGRATION_TIMEOUT", 504, "Gateway Timeout"),
    ("INVALID_API_KEY", 403, "Forbidden"),
    ("INVALID_SIGNATURE", 403, "Forbidden"),
    ("MISSING_AUTHENTICATION_TOKEN", 403, "Forbidden"),
    ("QUOTA_EXCEEDED", 429, "Too Many Requests"),
    ("RESOURCE_NOT_FOUND", 404, "Not Found"),
    ("THROTTLED", 429, "Too Many Requests"),
    ("UNAUTHORIZED", 401, "Unauthorized"),
    ("UNSUPPORTED_MEDIA_TYPE", 415, "Unsupported Media Type"),
    ("WAF_FILTERED", 403, "Forbidden"),
];

/// What a response of the gateway's own says of the request's fate, where `status` says nothing of it: a function may have
/// been at work on it, unless the gateway never came as far.
pub(super) fn carried_out(name: &str, status: u16) -> Option<&'static str> {
    let is_before_the_function = name.starts_with("AUTHORIZER_");
    (status >= 500).then_some(if is_before_the_function { "no" } else { "unknown" })
}

/// Why a function without a database is not in the network.
const NO_NETWORK: &str = "          - {id: CKV_AWS_117, comment: 'It reaches nothing, and starts faster outside of the network.'}\n";

/// `template` with its generated parts.
pub(super) fn template(template: &str) -> Result<String> {
    let template = replaced(template, "template.yaml", [THROTTLES, THROTTLES_END], &throttles())?;
    let template = replaced(&template, "template.yaml", [PATHS, PATHS_END], &paths())?;
    replaced(&template, "template.yaml", [RESOURCES, RESOURCES_END], &resources())
}

/// The logical id of an operation's function: `GetProduct` for `get-product`.
fn logical_id(operation: &Operation) -> String {
    let mut id = String::new();
    for word in operation.name.split('-') {
        let (first, rest) = word.split_at(1);
        id.push_str(&first.to_ascii_uppercase());
        id.push_str(rest);
    }
    id
}

fn paths() -> String {
    let mut text = String::new();
    let mut seen = BTreeSet::new();
    for (Route { path, .. }, _) in routes() {
        if !seen.insert(path) {
            continue;
        }
        let _ = writeln!(text, "          {path}:");
        let here: Vec<_> = routes().filter(|(route, _)| route.path == path).collect();
        for (route, operation) in &here {
            text.push_str(&method(route, operation));
        }
        let mut methods: Vec<_> = here.iter().map(|(route, _)| route.method.as_str()).collect();
        methods.sort_unstable();
        text.push_str(&preflight(&methods));
    }
    text.push_str(&gateway_responses());
    text
}

/// What the stage does differently for methods that write, and for those that everybody may call.
fn throttles() -> String {
    let mut text = String::new();
    for (route, _) in routes().filter(|(route, _)| route.is_open || !is_reading(&route.method)) {
        let path = route.path.replace('/', "~1");
        let [rate, burst, caching] = if route.is_open {
            // An answer without a body is not worth its place.
            let is_cached = route.method == Method::GET;
            let cached = "!If [HasStageCache, true, false]\n          CacheTtlInSeconds: 300";
            ["10", "20", if is_cached { cached } else { "false" }]
        } else {
            ["!Ref WriteRateLimit", "!Ref WriteBurstLimit", "false"]
        };
        let _ = write!(
            text,
            "        - ResourcePath: /{path}
          HttpMethod: {method}
          ThrottlingRateLimit: {rate}
          ThrottlingBurstLimit: {burst}
          MetricsEnabled: true
          LoggingLevel: ERROR
          DataTraceEnabled: false
          CachingEnabled: {caching}
          CacheDataEncrypted: true
",
            method = route.method,
        );
    }
    text
}

/// The gateway's own errors: problem+json (RFC 9457) that a page of the first allowed origin may read.
fn gateway_responses() -> String {
    let mut text = String::from("        x-amazon-apigateway-gateway-responses:\n");
    for (name, status, title) in GATEWAY_RESPONSES {
        // The catch-all ones stand for several statuses: theirs stays as it is, and the body does not name it.
        let is_catch_all = name.starts_with("DEFAULT");
        let mut members =
            if is_catch_all { String::new() } else { format!(r#""title": "{title}", "status": {status}, "#) };
        if let Some(carried_out) = carried_out(name, *status) {
            let _ = write!(members, r#""carried_out": "{carried_out}", "#);
        }
        let _ = writeln!(text, "          {name}:");
        if !is_catch_all {
            let _ = writeln!(text, "            statusCode: '{status}'");
        }
        text.push_str(
            "            responseParameters:
              gatewayresponse.header.Content-Type: \"'application/problem+json'\"
              gatewayresponse.header.X-Content-Type-Options: \"'nosniff'\"
              gatewayresponse.header.Access-Control-Allow-Origin: !If
                - HasCors
                - !Sub [\"'${Origin}'\", {Origin: !Select [0, !Ref CorsAllowedOrigins]}]
                - !Ref AWS::NoValue
              gatewayresponse.header.Vary: !If [HasCors, \"'Origin'\", !Ref AWS::NoValue]
",
        );
        let _ = writeln!(
            text,
            "              gatewayresponse.header.Access-Control-Expose-Headers: !If [HasCors, \"'{EXPOSED_HEADERS}'\", !Ref AWS::NoValue]"
        );
        if let Some(seconds) = retry_after_seconds(name) {
            let _ = writeln!(text, "              gatewayresponse.header.Retry-After: \"'{seconds}'\"");
        }
        let _ = writeln!(
            text,
            r#"            responseTemplates:
              application/json: '{{"type": "about:blank", {members}"detail": $context.error.messageString, "instance": "$context.path", "request_id": "$context.requestId"}}'"#
        );
    }
    text
}

/// The `Retry-After` of the gateway's response `name`. It can only be a constant: a throttle has room again a second
/// later, while a quota is used up until its day ends.
pub(super) fn retry_after_seconds(name: &str) -> Option<u32> {
    (name == "THROTTLED").then_some(1)
}

fn method(route: &Route, operation: &Operation) -> String {
    let id = logical_id(operation);
    let name = route.method.as_str().to_ascii_lowercase();
    let mut text = format!("            {name}:\n");
    let parameters: Vec<_> = route.path.split('/').filter_map(|part| part.strip_prefix('{')).collect();
    if !parameters.is_empty() {
        text.push_str("              parameters:\n");
        for parameter in parameters {
            let parameter = parameter.trim_end_matches('}');
            let _ = writeln!(
                text,
                "                - {{name: {parameter}, in: path, required: true, schema: {{type: string}}}}"
            );
        }
    }
    if has_body(&route.method) {
        text.push_str(
            "              x-amazon-apigateway-request-validator: body\n              requestBody:\n                content:\n",
        );
        for media_type in ["application/json", "application/merge-patch+json"] {
            if media_type == "application/json" || route.method == Method::PATCH {
                let _ = writeln!(
                    text,
                    "                  {media_type}: {{schema: {{$ref: '#/components/schemas/Object'}}}}"
                );
            }
        }
    }
    if !route.is_open {
        let scope = if is_reading(&route.method) { "atelier/read" } else { "atelier/write" };
        let _ = writeln!(
            text,
            "              security:\n                - Fn::If:\n                    - IsIam\n                    \
             - {{sigv4: []}}\n                    - !If [IsCognito, {{cognito: [{scope}]}}, !Ref AWS::NoValue]\n                \
             - !If [NeedsApiKey, {{api_key: []}}, !Ref AWS::NoValue]"
        );
    }
    let _ = writeln!(
        text,
        "              x-amazon-apigateway-integration:
                type: aws_proxy
                httpMethod: POST
                timeoutInMillis: 29000
                uri: !Sub
                  - arn:${{AWS::Partition}}:apigateway:${{AWS::Region}}:lambda:path/2015-03-31/functions/${{Function}}/invocations
                  - Function: !Ref {id}.Alias"
    );
    text
}

/// The answer to a preflight request, if any origin is allowed. The gateway can only send one origin as a constant:
/// with a list, a template compares.
fn preflight(methods: &[&str]) -> String {
    let methods = [methods, &["OPTIONS"]].concat().join(", ");
    format!(
        r##"            options:
              Fn::If:
                - HasCors
                - responses:
                    '204':
                      description: What pages of other origins may send.
                      headers:
                        Vary: {{schema: {{type: string}}}}
                  x-amazon-apigateway-integration:
                    type: mock
                    passthroughBehavior: when_no_templates
                    requestTemplates:
                      application/json: '{{"statusCode": 204}}'
                    responses:
                      default:
                        statusCode: '204'
                        responseParameters:
                          method.response.header.Vary: "'Origin'"
                        responseTemplates:
                          application/json:
                            Fn::Sub:
                              - |-
                                #set($origin = $input.params().header.get("Origin"))
                                #if(!$origin || $origin == "")#set($origin = $input.params().header.get("origin"))#end
                                #foreach($allowed in "${{Origins}}".split(","))
                                #if($allowed == $origin)
                                #set($context.responseOverride.header.Access-Control-Allow-Origin = $origin)
                                #set($context.responseOverride.header.Access-Control-Allow-Methods = "{methods}")
                                #set($context.responseOverride.header.Access-Control-Allow-Headers = "{REQUEST_HEADERS}${{MoreHeaders}}")
                                #set($context.responseOverride.header.Access-Control-Max-Age = "7200")
                                #end
                                #end
                              - Origins: !Join [',', !Ref CorsAllowedOrigins]
                                MoreHeaders: !If [HasCorsHeaders, !Sub [', ${{Names}}', {{Names: !Join [', ', !Ref CorsAllowedHeaders]}}], '']
                - !Ref AWS::NoValue
"##
    )
}

fn has_body(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(method)
}

fn is_reading(method: &Method) -> bool {
    [Method::GET, Method::HEAD].contains(method)
}

/// A function and what belongs to it alone: its role, its log group, its alarm, and for each of its routes the
/// gateway's permission to call it there.
fn resources() -> String {
    OPERATIONS.iter().map(|operation| resource(operation)).collect()
}

fn resource(operation: &Operation) -> String {
    let (id, name) = (logical_id(operation), operation.name);
    let (concurrency, user) = match operation.role {
        Role::Reader => ("ReaderConcurrency", Some("catalog_reader")),
        Role::Writer => ("WriterConcurrency", Some("catalog_writer")),
        Role::None => ("DocumentConcurrency", None),
    };
    let descriptions: Vec<_> =
        operation.all_routes().map(|route| format!("{} {}", route.method, route.path)).collect();
    let network = if user.is_some() { "" } else { NO_NETWORK };
    let mut text = format!(
        "
  {id}:
    Type: AWS::Serverless::Function
    DependsOn: {depends_on}
    Metadata:
      SamResourceId: {name}
      BuildMethod: rust-cargolambda
      BuildProperties: {{Binary: {name}}}
      checkov:
        skip:
          - {{id: CKV_AWS_116, comment: 'The gateway waits for its answer and passes a failure on: no event is left over.'}}
{network}    Properties:
      FunctionName: !Sub ${{AWS::StackName}}-{name}
      Description: !Sub '{routes}; secrets of generation ${{SecretsGeneration}}'
      CodeUri: .
      Role: !GetAtt {id}Role.Arn
      ReservedConcurrentExecutions: !If [Reserves{concurrency}, !Ref {concurrency}, !Ref AWS::NoValue]
      LoggingConfig: {{LogGroup: !Ref {id}LogGroup}}
      AutoPublishAliasAllProperties: true
      DeploymentPreference: {{Alarms: [!Ref {id}Alarm]}}
",
        depends_on = if user.is_some() { "Migration" } else { "FunctionPolicy" },
        routes = descriptions.join(", "),
    );
    if user.is_some() {
        text.push_str(
            "      VpcConfig: {SubnetIds: [!Ref SubnetA, !Ref SubnetB], SecurityGroupIds: [!Ref FunctionSecurityGroup]}\n",
        );
    }
    text.push_str(
        "      Environment:
        Variables:
          CORS_ALLOWED_ORIGINS: !Join [',', !Ref CorsAllowedOrigins]
",
    );
    if let Some(user) = user {
        let _ = write!(
            text,
            "          REQUIRE_IF_MATCH: !Ref RequireIfMatch
          # Empty is as good as absent; `sam local invoke` sets only variables that it finds here.
          DATABASE_URL: ''
          DB_AUTH: iam
          DB_HOST: !If [HasProxy, !GetAtt Proxy.Endpoint, !GetAtt Cluster.Endpoint.Address]
          DB_NAME: atelier
          DB_USER: {user}
          CURSOR_KEY: !Sub '{{{{resolve:secretsmanager:${{CursorKey}}:SecretString}}}}'
          CACHE_URL: !If [HasCache, !Sub 'rediss://${{ValkeyCache.Endpoint.Address}}:${{ValkeyCache.Endpoint.Port}}', !Ref AWS::NoValue]
          CACHE_CLUSTER: !If [HasCache, 'true', !Ref AWS::NoValue]
          CACHE_USERNAME: !If [HasCache, !Ref CacheUser, !Ref AWS::NoValue]
          CACHE_PASSWORD: !If [HasCache, !Sub '{{{{resolve:secretsmanager:${{CachePassword}}:SecretString}}}}', !Ref AWS::NoValue]
"
        );
    }
    let network = if user.is_some() { ", !Ref NetworkPolicy" } else { "" };
    let _ = write!(
        text,
        "  {id}Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: '2012-10-17'
        Statement: [{{Effect: Allow, Principal: {{Service: lambda.amazonaws.com}}, Action: sts:AssumeRole}}]
      ManagedPolicyArns: [!Ref FunctionPolicy{network}]
      Policies:
        - PolicyName: {name}
          PolicyDocument:
            Version: '2012-10-17'
            Statement:
              - Sid: Log
                Effect: Allow
                Action: [logs:CreateLogStream, logs:PutLogEvents]
                Resource: !GetAtt {id}LogGroup.Arn
              - Sid: ReadItsVariables
                Effect: Allow
                Action: kms:Decrypt
                Resource: !GetAtt Key.Arn
                Condition:
                  ArnLike:
                    kms:EncryptionContext:aws:lambda:FunctionArn:
                      - !Sub arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:${{AWS::AccountId}}:function:${{AWS::StackName}}-{name}
                      - !Sub arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:${{AWS::AccountId}}:function:${{AWS::StackName}}-{name}:*
"
    );
    if let Some(user) = user {
        let _ = write!(
            text,
            "              - Sid: Connect
                Effect: Allow
                Action: rds-db:connect
                Resource:
                  Fn::Sub:
                    - arn:${{AWS::Partition}}:rds-db:${{AWS::Region}}:${{AWS::AccountId}}:dbuser:${{Server}}/{user}
                    - Server: !If [HasProxy, !Select [6, !Split [':', !GetAtt Proxy.DBProxyArn]], !GetAtt Cluster.DBClusterResourceId]
"
        );
    }
    let _ = write!(
        text,
        "  {id}LogGroup:
    Type: AWS::Logs::LogGroup
    DeletionPolicy: Delete
    UpdateReplacePolicy: Delete
    Properties:
      LogGroupName: !Sub /aws/lambda/${{AWS::StackName}}-{name}
      RetentionInDays: !Ref LogRetentionDays
      KmsKeyId: !GetAtt Key.Arn
  {id}Alarm:
    Type: AWS::CloudWatch::Alarm
    Properties:
      AlarmDescription: {op_id} fails; a deployment under way is rolled back.
      AlarmActions: [!Ref AlarmTopic]
      ComparisonOperator: GreaterThanOrEqualToThreshold
      EvaluationPeriods: 1
      Threshold: !Ref FailureThreshold
      TreatMissingData: notBreaching
      Metrics:
        - {{Id: all, Label: Failures, Expression: 'FILL(answers, 0) + FILL(crashes, 0) + FILL(throttles, 0)'}}
        - Id: answers
          ReturnData: false
          MetricStat:
            Metric:
              Namespace: Atelier
              MetricName: Failure
              Dimensions: [{{Name: service, Value: !Ref AWS::StackName}}, {{Name: operation, Value: {name}}}]
            Period: 60
            Stat: Sum
        - Id: crashes
          ReturnData: false
          MetricStat:
            Metric:
              Namespace: AWS/Lambda
              MetricName: Errors
              Dimensions: [{{Name: FunctionName, Value: !Sub '${{AWS::StackName}}-{name}'}}]
            Period: 60
            Stat: Sum
        - Id: throttles
          ReturnData: false
          MetricStat:
            Metric:
              Namespace: AWS/Lambda
              MetricName: Throttles
              Dimensions: [{{Name: FunctionName, Value: !Sub '${{AWS::StackName}}-{name}'}}]
            Period: 60
            Stat: Sum
",
        op_id = operation.id,
    );
    for (number, route) in (1..).zip(operation.all_routes()) {
        let path: Vec<_> =
            route.path.split('/').map(|part| if part.starts_with('{') { "*" } else { part }).collect();
        let _ = write!(
            text,
            "  {id}Permission{number}:
    Type: AWS::Lambda::Permission
    Properties:
      Action: lambda:InvokeFunction
      FunctionName: !Ref {id}.Alias
      Principal: apigateway.amazonaws.com
      SourceArn: !Sub arn:${{AWS::Partition}}:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:${{Api}}/${{Stage}}/{method}{path}
",
            method = route.method,
            path = path.join("/"),
        );
    }
    text
}
