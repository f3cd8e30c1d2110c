//! The gateway: its routes, preflight responses, gateway responses and throttles.

use std::{collections::BTreeSet, fmt::Write as _};

use http::Method;
use project::{READ_SCOPE, WRITE_SCOPE};
use serde_json::Value;
use shared::{
    Operation, Route,
    http::{EXPOSED_HEADERS, REQUEST_HEADERS},
};

use super::{
    super::{operation_id, routes},
    Anchors, is_reading, logical_id,
};

/// Every gateway response with its status and title.
pub(crate) const GATEWAY_RESPONSES: &[(&str, u16, &str)] = &[
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

/// The `carried_out` of a gateway response; `None` if the status is below 500. The function may have
/// processed the request, unless the gateway failed before invoking it.
pub(crate) fn carried_out(name: &str, status: u16) -> Option<&'static str> {
    let is_before_the_function = name.starts_with("AUTHORIZER_");
    (status >= 500).then_some(if is_before_the_function { "no" } else { "unknown" })
}

/// The `Retry-After` of the gateway response `name`. It can only be a constant: a throttled client may retry
/// after a second, while a quota stays exhausted until its day ends.
pub(crate) fn retry_after_seconds(name: &str) -> Option<u32> {
    (name == "THROTTLED").then_some(1)
}

/// The method settings of the stage that differ for writes and for public routes.
pub(super) fn throttles() -> String {
    let mut text = String::new();
    for (route, _) in routes().filter(|(route, _)| route.is_open || !is_reading(&route.method)) {
        let [rate, burst, caching] = if route.is_open {
            // A response without a body is not worth caching.
            let is_cached = route.method == Method::GET;
            let cached = "!If [HasStageCache, true, false], CacheTtlInSeconds: 300";
            ["10", "20", if is_cached { cached } else { "false" }]
        } else {
            ["!Ref WriteRateLimit", "!Ref WriteBurstLimit", "false"]
        };
        let _ = writeln!(
            text,
            "        - {{ResourcePath: '/{path}', HttpMethod: {method}, ThrottlingRateLimit: {rate}, ThrottlingBurstLimit: {burst},
           MetricsEnabled: true, LoggingLevel: ERROR, DataTraceEnabled: false, CachingEnabled: {caching}, CacheDataEncrypted: true}}",
            path = route.path.replace('/', "~1"),
            method = route.method,
        );
    }
    text
}

/// Every path with its methods, and the gateway responses.
pub(super) fn paths(document: &Value) -> String {
    let mut text = String::new();
    let mut anchors = Anchors::default();
    let mut seen = BTreeSet::new();
    for (Route { path, .. }, _) in routes() {
        if !seen.insert(path) {
            continue;
        }
        let _ = writeln!(text, "          {path}:");
        let here: Vec<_> = routes().filter(|(route, _)| route.path == path).collect();
        for (route, operation) in &here {
            text.push_str(&method(route, operation, document, &mut anchors));
        }
        let mut methods: Vec<_> = here.iter().map(|(route, _)| route.method.as_str()).collect();
        methods.sort_unstable();
        text.push_str(&preflight(&methods, &mut anchors));
    }
    text.push_str(&gateway_responses(&mut anchors));
    text
}

fn method(route: &Route, operation: &Operation, document: &Value, anchors: &mut Anchors) -> String {
    let name = route.method.as_str().to_ascii_lowercase();
    let operation_id = operation_id(document, &route.method, route.path);
    let mut members = vec![format!("operationId: {operation_id}")];
    let parameters: Vec<_> = route.path.split('/').filter_map(|part| part.strip_prefix('{')).collect();
    if !parameters.is_empty() {
        let names: Vec<_> = parameters.iter().map(|name| name.trim_end_matches('}')).collect();
        let list: Vec<_> = names
            .iter()
            .map(|name| format!("{{name: {name}, in: path, required: true, schema: {{type: string}}}}"))
            .collect();
        let value = anchors.value(&names.join("_and_"), &format!(" [{}]", list.join(", ")));
        members.push(format!("parameters:{value}"));
    }
    if has_body(&route.method) {
        members.push("x-amazon-apigateway-request-validator: body".to_owned());
        let types = ["application/json", "application/merge-patch+json"];
        let (types, anchor) =
            if route.method == Method::PATCH { (&types[..], "patch") } else { (&types[..1], "object") };
        let content: Vec<_> = types
            .iter()
            .map(|media_type| format!("{media_type}: {{schema: {{$ref: '#/components/schemas/Object'}}}}"))
            .collect();
        let value = anchors.value(anchor, &format!(" {{content: {{{}}}}}", content.join(", ")));
        members.push(format!("requestBody:{value}"));
    }
    if !route.is_open {
        let (scope, anchor) =
            if is_reading(&route.method) { (READ_SCOPE, "may_read") } else { (WRITE_SCOPE, "may_write") };
        let security = format!(
            "
                - !If [IsIam, {{sigv4: []}}, !If [IsCognito, {{cognito: [{scope}]}}, !Ref AWS::NoValue]]
                - !If [NeedsApiKey, {{api_key: []}}, !Ref AWS::NoValue]"
        );
        members.push(format!("security:{}", anchors.value(anchor, &security)));
    }
    let uri = anchors.value(
        "call",
        " 'arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Function}/invocations'",
    );
    let integration = format!(
        "
                {{type: aws_proxy, httpMethod: POST, timeoutInMillis: 29000, uri: !Sub [{}, {{Function: !Ref {}.Alias}}]}}",
        uri.trim_start(),
        logical_id(operation),
    );
    let integration = anchors.value(&format!("to_{}", operation.name.replace('-', "_")), &integration);
    members.push(format!("x-amazon-apigateway-integration:{integration}"));
    // HEAD is integrated like GET.
    if members.iter().all(|member| !member.contains('&')) && route.method == Method::HEAD {
        return format!("            {name}: {{{}}}\n", members.join(", "));
    }
    format!("            {name}:\n              {}\n", members.join("\n              "))
}

/// The response to a preflight request, if any origin is allowed. The gateway can only send a single origin
/// as a constant, so a template compares the request's origin with the list. The other headers are constants,
/// which have no effect without that one.
fn preflight(methods: &[&str], anchors: &mut Anchors) -> String {
    let methods = [methods, &["OPTIONS"]].concat().join(", ");
    let answer = anchors.value(
        "preflight_answer",
        "
                    '204':
                      description: What pages of other origins may send.
                      headers:
                        Access-Control-Allow-Headers: {schema: {type: string}}
                        Access-Control-Allow-Methods: {schema: {type: string}}
                        Access-Control-Max-Age: {schema: {type: string}}
                        Vary: {schema: {type: string}}",
    );
    // In the gateway's templates, methods can be called on variables, but not on literals.
    let template = anchors.value(
        "allowed_origin",
        r#"
                          application/json:
                            Fn::Sub:
                              - |-
                                #set($origins = "${Origins}")
                                #set($origin = $input.params().header.get("Origin"))
                                #if(!$origin || $origin == "")#set($origin = $input.params().header.get("origin"))#end
                                #foreach($allowed in $origins.split(","))
                                #if($allowed == $origin)
                                #set($context.responseOverride.header.Access-Control-Allow-Origin = $origin)
                                #end
                                #end
                              - Origins: !Join [',', !Ref CorsAllowedOrigins]"#,
    );
    let headers = anchors.value(
        "request_headers",
        &format!(
            "
                            Fn::Sub:
                              - '''{REQUEST_HEADERS}${{More}}'''
                              - More: !If [HasCorsHeaders, !Sub [', ${{Names}}', {{Names: !Join [', ', !Ref CorsAllowedHeaders]}}], '']"
        ),
    );
    let request = anchors.value("no_content", r#" {application/json: '{"statusCode": 204}'}"#);
    // The template and the headers, where they are written out, do not fit on one line.
    let integration = if template.contains('\n') {
        format!(
            r#"
                    type: mock
                    passthroughBehavior: when_no_templates
                    requestTemplates:{request}
                    responses:
                      default:
                        statusCode: '204'
                        responseTemplates:{template}
                        responseParameters:
                          method.response.header.Access-Control-Allow-Methods: "'{methods}'"
                          method.response.header.Access-Control-Allow-Headers:{headers}
                          method.response.header.Access-Control-Max-Age: "'7200'"
                          method.response.header.Vary: "'Origin'""#
        )
    } else {
        format!(
            r#"
                    {{type: mock, passthroughBehavior: when_no_templates, requestTemplates:{request}, responses: {{default: {{
                    statusCode: '204', responseTemplates:{template}, responseParameters: {{
                    method.response.header.Access-Control-Allow-Methods: "'{methods}'",
                    method.response.header.Access-Control-Allow-Headers:{headers},
                    method.response.header.Access-Control-Max-Age: "'7200'", method.response.header.Vary: "'Origin'"}}}}}}}}"#
        )
    };
    format!(
        "            options:
              Fn::If:
                - HasCors
                - responses:{answer}
                  x-amazon-apigateway-integration:{integration}
                - !Ref AWS::NoValue
"
    )
}

/// The gateway responses: problem+json (RFC 9457), readable by pages of the first allowed origin.
fn gateway_responses(anchors: &mut Anchors) -> String {
    let mut text = String::from("        x-amazon-apigateway-gateway-responses:\n");
    for (name, status, title) in GATEWAY_RESPONSES {
        // The catch-all responses cover several statuses, which are kept and not repeated in the body.
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
        let mut headers = format!(
            "
              gatewayresponse.header.Content-Type: \"'application/problem+json'\"
              gatewayresponse.header.X-Content-Type-Options: \"'nosniff'\"
              gatewayresponse.header.Access-Control-Allow-Origin: !If
                - HasCors
                - !Sub [\"'${{Origin}}'\", {{Origin: !Select [0, !Ref CorsAllowedOrigins]}}]
                - !Ref AWS::NoValue
              gatewayresponse.header.Vary: !If [HasCors, \"'Origin'\", !Ref AWS::NoValue]
              gatewayresponse.header.Access-Control-Expose-Headers: !If [HasCors, \"'{EXPOSED_HEADERS}'\", !Ref AWS::NoValue]"
        );
        let headers = if let Some(seconds) = retry_after_seconds(name) {
            let _ = write!(headers, "\n              gatewayresponse.header.Retry-After: \"'{seconds}'\"");
            headers
        } else {
            anchors.value("problem_headers", &headers)
        };
        let _ = writeln!(
            text,
            r#"            responseParameters:{headers}
            responseTemplates:
              application/json: '{{"type": "about:blank", {members}"detail": $context.error.messageString, "instance": "$context.path", "request_id": "$context.requestId"}}'"#
        );
    }
    text
}

fn has_body(method: &Method) -> bool {
    [Method::POST, Method::PUT, Method::PATCH].contains(method)
}
