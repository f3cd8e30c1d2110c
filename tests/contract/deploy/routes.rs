//! The gateway in the template: each route of the register exactly once, and no others.

use std::collections::{BTreeMap, BTreeSet};

use api::OPERATIONS;
use harness::{Setup, service_with};
use http::Method;
use local::{gateway, stack::checkout};
use serde_json::{Value, json};
use shared::{Operation, Role, Route};

use super::{
    STAGES,
    evaluate::{Stack, changed},
    logical_id, prod, resources,
};

fn api() -> &'static Value {
    &prod()["Resources"]["Api"]["Properties"]["Body"]
}

fn routes() -> impl Iterator<Item = (Route, &'static Operation)> {
    OPERATIONS.iter().flat_map(|operation| operation.all_routes().map(move |route| (route, *operation)))
}

fn method(route: &Route) -> &'static Value {
    &api()["paths"][route.path][route.method.as_str().to_ascii_lowercase()]
}

#[test]
fn each_route_leads_to_its_function_and_there_are_no_others() {
    let document = std::fs::read_to_string(checkout().join("api/openapi.json")).expect("the contract");
    let document: Value = serde_json::from_str(&document).expect("JSON");
    for (route, operation) in routes() {
        let integration = &method(&route)["x-amazon-apigateway-integration"];
        assert_eq!((&integration["type"], &integration["httpMethod"]), (&json!("aws_proxy"), &json!("POST")));
        let uri = &integration["uri"]["Fn::Sub"];
        assert!(uri[0].as_str().is_some_and(|uri| uri.ends_with(":lambda:path/2015-03-31/functions/${Function}/invocations")));
        assert_eq!(
            uri[1],
            json!({"Function": {"Ref": format!("{}Aliaslive", logical_id(operation))}}),
            "{route:?}"
        );
        let name = &document["paths"][route.path][route.method.as_str().to_ascii_lowercase()]["operationId"];
        assert!(name.is_string() && &method(&route)["operationId"] == name, "{route:?}: {name}");
    }
    let paths = api()["paths"].as_object().expect("paths");
    let there: BTreeSet<_> = paths
        .iter()
        .flat_map(|(path, methods)| {
            methods
                .as_object()
                .expect("methods")
                .keys()
                .map(move |name| (path.as_str(), name.to_ascii_uppercase()))
        })
        .filter(|(_, name)| name != "OPTIONS")
        .collect();
    let registered: BTreeSet<_> = routes().map(|(route, _)| (route.path, route.method.to_string())).collect();
    assert_eq!(there, registered);
}

#[test]
fn each_operation_has_one_function_and_there_is_one_for_migrations() {
    let functions: BTreeMap<_, _> = resources(prod(), "AWS::Lambda::Function")
        .into_iter()
        .map(|(id, function)| (id.to_owned(), &function["Properties"]))
        .collect();
    let expected: BTreeSet<_> =
        OPERATIONS.iter().map(|operation| logical_id(operation)).chain(["Migrate".to_owned()]).collect();
    assert_eq!(functions.keys().cloned().collect::<BTreeSet<_>>(), expected);
    for operation in OPERATIONS {
        let id = logical_id(operation);
        let function = functions[&id];
        assert_eq!(function["FunctionName"]["Fn::Sub"], format!("${{AWS::StackName}}-{}", operation.name));
        let metadata = &prod()["Resources"][&id]["Metadata"];
        assert_eq!(
            (&metadata["SamResourceId"], &metadata["SkipBuild"]),
            (&json!(operation.name), &json!(true))
        );
        assert_eq!(function["Architectures"], json!(["arm64"]));
        assert_eq!(function["Runtime"], "provided.al2023");
        assert_eq!(function["TracingConfig"]["Mode"], "Active");
        assert_eq!(
            function["LoggingConfig"],
            json!({"LogFormat": "Text", "LogGroup": {"Ref": format!("{id}LogGroup")}})
        );
        assert_eq!(function["Role"], json!({"Fn::GetAtt": [format!("{id}Role"), "Arn"]}));
        // Functions with a database are created after its schema.
        let waits = if operation.role == Role::None { "FunctionPolicy" } else { "Migration" };
        assert_eq!(prod()["Resources"][&id]["DependsOn"], waits);
    }
    let migration = &prod()["Resources"]["Migration"]["Properties"];
    assert_eq!(migration["ServiceToken"]["Ref"], "MigrateAliaslive");
    assert!(
        migration["Version"]["Ref"].as_str().is_some_and(|id| id.starts_with("MigrateVersion")),
        "{migration}"
    );
}

/// The security that every route requires, except the open ones.
fn security(route: &Route) -> Value {
    let is_reading = ["GET", "HEAD"].contains(&route.method.as_str());
    let scope = if is_reading { "atelier/read" } else { "atelier/write" };
    let nothing = json!({"Ref": "AWS::NoValue"});
    json!([
        {"Fn::If": ["IsIam", {"sigv4": []}, {"Fn::If": ["IsCognito", {"cognito": [scope]}, nothing]}]},
        {"Fn::If": ["NeedsApiKey", {"api_key": []}, nothing]},
    ])
}

#[test]
fn every_route_but_the_open_ones_wants_to_know_who_calls() {
    for (route, _) in routes() {
        match route.is_open {
            true => assert!(method(&route).get("security").is_none(), "{route:?}"),
            false => assert_eq!(method(&route)["security"], security(&route), "{route:?}"),
        }
    }
    let open: Vec<_> = routes().filter(|(route, _)| route.is_open).map(|(route, _)| route.path).collect();
    assert_eq!(open, ["/openapi.json", "/openapi.json", "/docs", "/docs"], "GET and HEAD");
    let schemes = &api()["components"]["securitySchemes"];
    assert_eq!(schemes["sigv4"]["x-amazon-apigateway-authtype"], "awsSigv4");
    assert_eq!(
        schemes["cognito"]["Fn::If"][1]["x-amazon-apigateway-authorizer"]["providerARNs"],
        json!([{"Ref": "UserPoolArn"}])
    );
    assert_eq!(prod()["Conditions"]["IsIam"], json!({"Fn::Equals": [{"Ref": "AuthMode"}, "iam"]}));
    assert_eq!(prod()["Parameters"]["AuthMode"]["Default"], "iam");
}

#[test]
fn the_gateway_may_call_each_function_for_its_methods_and_paths_alone() {
    let stack = Stack::from(&STAGES["prod"]);
    assert_eq!(resources(prod(), "AWS::ApiGateway::Stage").len(), 1);
    // The permission of the schedule is tested with the function that it calls.
    let of_gateway: Vec<_> = resources(prod(), "AWS::Lambda::Permission")
        .into_iter()
        .filter(|(id, _)| *id != "ForgetPermission")
        .collect();
    let permissions: BTreeSet<_> = of_gateway
        .iter()
        .map(|(_, permission)| {
            let permission = &permission["Properties"];
            assert_eq!(permission["Principal"], "apigateway.amazonaws.com");
            assert_eq!(permission["Action"], "lambda:InvokeFunction");
            let arn = stack.value(&permission["SourceArn"]).expect("an ARN").to_string();
            (permission["FunctionName"]["Ref"].to_string(), arn)
        })
        .collect();
    let expected: BTreeSet<_> = routes()
        .map(|(route, operation)| {
            let path: Vec<_> =
                route.path.split('/').map(|part| if part.starts_with('{') { "*" } else { part }).collect();
            // For any stage of the API, which has only one.
            let source =
                format!("arn:aws:execute-api:region:account:<Api>/*/{}{}", route.method, path.join("/"));
            (json!(format!("{}Aliaslive", logical_id(operation))).to_string(), json!(source).to_string())
        })
        .collect();
    assert_eq!(permissions, expected);
    assert_eq!(of_gateway.len(), routes().count());
}

#[test]
fn a_function_ends_before_the_gateway_gives_up() {
    for (route, operation) in routes() {
        let gateway_ms = method(&route)["x-amazon-apigateway-integration"]["timeoutInMillis"].as_u64();
        let function = &prod()["Resources"][logical_id(operation)]["Properties"]["Timeout"];
        if operation.name == "list-changes" {
            // It may wait for a change for 20 seconds.
            assert!(
                function.as_u64().is_some_and(|seconds| seconds > 20 && Some(seconds * 1_000) < gateway_ms)
            );
            continue;
        }
        assert_eq!(function, &json!({"Ref": "FunctionTimeout"}));
        let longest = prod()["Parameters"]["FunctionTimeout"]["MaxValue"].as_u64();
        assert!(longest.map(|seconds| seconds * 1_000) < gateway_ms, "{longest:?} s, {gateway_ms:?} ms");
    }
}

#[test]
fn bodies_are_json_objects_and_writing_is_throttled_harder() {
    let stage = &prod()["Resources"]["ApiStage"]["Properties"];
    let settings = stage["MethodSettings"].as_array().expect("settings");
    assert_eq!((&settings[0]["ResourcePath"], &settings[0]["HttpMethod"]), (&json!("/*"), &json!("*")));
    for (route, _) in routes() {
        let path = format!("/{}", route.path.replace('/', "~1"));
        let of_route = |setting: &&Value| {
            setting["ResourcePath"] == path && setting["HttpMethod"] == route.method.as_str()
        };
        let setting = settings.iter().find(of_route);
        let is_reading = ["GET", "HEAD"].contains(&route.method.as_str());
        match setting {
            Some(setting) if route.is_open => assert_eq!(setting["ThrottlingRateLimit"], 10),
            Some(setting) => assert_eq!(setting["ThrottlingRateLimit"]["Ref"], "WriteRateLimit"),
            None => assert!(is_reading && !route.is_open, "{route:?}"),
        }
        if ["POST", "PUT", "PATCH"].contains(&route.method.as_str()) {
            assert_eq!(method(&route)["x-amazon-apigateway-request-validator"], "body");
            for content in method(&route)["requestBody"]["content"].as_object().expect("media types").values()
            {
                assert_eq!(content["schema"]["$ref"], "#/components/schemas/Object");
            }
        }
    }
    for (name, stage) in STAGES.iter() {
        let limit = |name: &str| {
            stage.parameters[name].to_string().trim_matches('"').parse::<f64>().expect("a number")
        };
        assert!(limit("WriteRateLimit") <= limit("RateLimit"), "{name}");
    }
}

#[test]
fn preflights_are_answered_for_allowed_origins_on_every_path() {
    for (path, methods) in api()["paths"].as_object().expect("paths") {
        let preflight = &methods["options"]["Fn::If"];
        assert_eq!(
            (&preflight[0], &preflight[2]["Ref"]),
            (&json!("HasCors"), &json!("AWS::NoValue")),
            "{path}"
        );
        let integration = &preflight[1]["x-amazon-apigateway-integration"];
        assert_eq!(integration["type"], "mock");
        let answer = &integration["responses"]["default"];
        let headers = answer["responseParameters"].as_object().expect("headers");
        let allowed =
            headers["method.response.header.Access-Control-Allow-Methods"].as_str().expect("methods");
        for method in methods.as_object().expect("methods").keys() {
            assert!(allowed.contains(&method.to_ascii_uppercase()), "{path} {method}");
        }
        // The gateway passes on only headers that the method declares.
        let declared = preflight[1]["responses"]["204"]["headers"].as_object().expect("headers");
        for name in headers.keys() {
            assert!(
                declared.contains_key(name.trim_start_matches("method.response.header.")),
                "{path} {name}"
            );
        }
        let all = integration.to_string();
        assert!(!all.contains("Credentials") && !all.contains("Allow-Origin = \\\"*"), "{all}");
        assert!(!headers.contains_key("method.response.header.Access-Control-Allow-Origin"), "{path}");
    }
}

/// The local gateway's preflight responses are tested with a browser; these must be the same.
#[test]
fn preflights_allow_what_those_on_this_machine_allow() {
    let allowed_origins = "https://store.example".parse().expect("an origin");
    let allowed_headers = "x-store,x-till".parse().expect("headers");
    let gateway = gateway::Options { allowed_origins, allowed_headers, ..gateway::Options::default() };
    let cors = [("CorsAllowedOrigins", "https://store.example"), ("CorsAllowedHeaders", "x-store,x-till")];
    let parameters = changed("prod", &cors);
    service_with(Setup { gateway, ..Setup::default() }, async |service| {
        let stack = Stack { template: prod(), parameters: &parameters };
        for (path, methods) in api()["paths"].as_object().expect("paths") {
            let preflight = &methods["options"]["Fn::If"][1]["x-amazon-apigateway-integration"];
            let answer = stack.value(&preflight["responses"]["default"]).expect("an answer");
            let headers = [("origin", "https://store.example"), ("access-control-request-method", "GET")];
            let path = path.replace("{id}", "01936b5e-7c00-7000-8000-00000000000a");
            let local = service.client().send(Method::OPTIONS, &path, &headers, "").await.expect(204);
            for name in [
                "Access-Control-Allow-Methods",
                "Access-Control-Allow-Headers",
                "Access-Control-Max-Age",
                "Vary",
            ] {
                let sent = &answer["responseParameters"][format!("method.response.header.{name}")];
                let local = local.header(&name.to_ascii_lowercase());
                assert_eq!(sent, &json!(format!("'{local}'")), "{path} {name}");
            }
        }
    });
}

#[test]
fn errors_of_the_gateway_are_problems() {
    let responses = api()["x-amazon-apigateway-gateway-responses"].as_object().expect("responses");
    assert!(responses.len() >= 20 && responses.contains_key("DEFAULT_5XX"), "{:?}", responses.keys());
    for (name, response) in responses {
        let parameters = &response["responseParameters"];
        assert_eq!(parameters["gatewayresponse.header.Content-Type"], "'application/problem+json'", "{name}");
        assert_eq!(parameters["gatewayresponse.header.Access-Control-Allow-Origin"]["Fn::If"][0], "HasCors");
        let exposed = format!("'{}'", shared::http::EXPOSED_HEADERS);
        let exposed = json!({"Fn::If": ["HasCors", exposed, {"Ref": "AWS::NoValue"}]});
        assert_eq!(parameters["gatewayresponse.header.Access-Control-Expose-Headers"], exposed, "{name}");
        let body = response["responseTemplates"]["application/json"].as_str().expect("a body");
        let body = body.replace("$context.error.messageString", "\"Forbidden\"");
        let problem: Value =
            serde_json::from_str(&body).unwrap_or_else(|error| panic!("{name}: {error}: {body}"));
        assert_eq!(problem["request_id"], "$context.requestId");
        let carried_out = match name.as_str() {
            "AUTHORIZER_CONFIGURATION_ERROR" | "AUTHORIZER_FAILURE" => json!("no"),
            "API_CONFIGURATION_ERROR" | "DEFAULT_5XX" | "INTEGRATION_FAILURE" | "INTEGRATION_TIMEOUT" => {
                json!("unknown")
            }
            _ => Value::Null,
        };
        assert_eq!(problem["carried_out"], carried_out, "{name}");
        if !name.starts_with("DEFAULT") {
            assert_eq!(response["statusCode"], problem["status"].to_string(), "{name}");
        }
        let retry_after = parameters.get("gatewayresponse.header.Retry-After");
        // A constant is right for a throttle, which accepts requests again after a second, and wrong for a daily quota.
        assert_eq!(retry_after.is_some(), name == "THROTTLED", "{name}");
    }
}

/// No part of an entry is under the callers' control.
#[test]
fn the_access_log_is_json() {
    let stage = &prod()["Resources"]["ApiStage"]["Properties"];
    let format = stage["AccessLogSetting"]["Format"].as_str().expect("a format");
    let line: Value = serde_json::from_str(format).expect("JSON");
    assert_eq!(line["requestId"], "$context.requestId");
    assert!(!format.contains('\n'), "an entry is one line");
    for said_by_callers in
        ["error.message", "validationErrorString", "authorizer.error", "identity.userAgent"]
    {
        assert!(!format.contains(said_by_callers), "{said_by_callers}");
    }
    for name in ["tlsVersion", "cipherSuite"] {
        assert_eq!(line[name], format!("$context.{name}"));
    }
}

/// Connections require TLS 1.2 or newer, and can use post-quantum key exchange.
#[test]
fn the_gateway_wants_new_tls() {
    for (id, kind) in [("Api", "AWS::ApiGateway::RestApi"), ("Domain", "AWS::ApiGateway::DomainName")] {
        let properties = &resources(prod(), kind)[id]["Properties"];
        assert_eq!(properties["SecurityPolicy"], "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09", "{id}");
        // Required by security policies of this kind.
        assert_eq!(properties["EndpointAccessMode"], "STRICT", "{id}");
    }
}
