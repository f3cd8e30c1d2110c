//! The functions' permissions: each has what it needs, and none of another's.

use std::{collections::BTreeSet, fs};

use api::OPERATIONS;
use local::{gateway::iam::is_match, stack::checkout};
use serde_json::{Value, json};
use shared::Role;

use super::{
    STAGES,
    evaluate::{Stack, list, text},
    logical_id, prod, resources,
};

fn actions(statement: &Value) -> Vec<String> {
    list(&statement["Action"]).iter().map(text).collect()
}

/// The functions with their names, logical ids and database users.
fn functions() -> Vec<(&'static str, String, Option<&'static str>)> {
    let users = OPERATIONS.iter().map(|operation| {
        let user = match operation.role {
            Role::Reader => Some("catalog_reader"),
            Role::Writer => Some("catalog_writer"),
            Role::None => None,
        };
        (operation.name, logical_id(operation), user)
    });
    users.chain([("migrate", "Migrate".to_owned(), None)]).collect()
}

/// Every function with every permission that functions have, as IAM evaluates their roles.
#[test]
fn a_function_may_do_what_is_its_own_and_nothing_of_another() {
    let stack = Stack::from(&STAGES["prod"]);
    for (name, id, user) in functions() {
        let role = format!("{id}Role");
        let may = |action: &str, resource: &str, context: &[(&str, &str)]| {
            stack.may(&role, action, resource, context)
        };
        for (other, ..) in functions() {
            let stream =
                format!("arn:aws:logs:region:account:log-group:/aws/lambda/atelier-{other}:log-stream:1");
            assert_eq!(may("logs:PutLogEvents", &stream, &[]), name == other, "{name} logs as {other}");
            assert!(!may("logs:DeleteLogStream", &stream, &[]), "{name}");
            for version in ["", ":7"] {
                let arn = format!("arn:aws:lambda:region:account:function:atelier-{other}{version}");
                let context = [("kms:EncryptionContext:aws:lambda:FunctionArn", arn.as_str())];
                let decrypts = may("kms:Decrypt", "<Key.Arn>", &context);
                assert_eq!(decrypts, name == other, "{name} decrypts the variables of {other}");
            }
        }
        assert!(!may("kms:Decrypt", "<Key.Arn>", &[]), "{name} decrypts all that the key encrypts");
        for other in ["catalog_reader", "catalog_writer", "atelier_owner"] {
            for server in ["<Cluster.DBClusterResourceId>", "<6 of <Proxy.DBProxyArn> at :>"] {
                let arn = format!("arn:aws:rds-db:region:account:dbuser:{server}/{other}");
                let connects = may("rds-db:connect", &arn, &[]);
                // In prod, functions connect through the proxy.
                assert_eq!(
                    connects,
                    user == Some(other) && server.contains("Proxy"),
                    "{name} is {other} of {server}"
                );
            }
        }
        let secret = "<Cluster.MasterUserSecret.SecretArn>";
        let via = [("kms:ViaService", "secretsmanager.region.amazonaws.com")];
        for reads in
            [may("secretsmanager:GetSecretValue", secret, &[]), may("kms:Decrypt", "<Key.Arn>", &via)]
        {
            assert_eq!(reads, name == "migrate", "{name} reads the owner's password");
        }
        for secret in ["<CursorKey>", "<CachePassword>"] {
            assert!(!may("secretsmanager:GetSecretValue", secret, &[]), "{name} {secret}");
        }
        assert!(may("xray:PutTraceSegments", "*", &[]), "{name}");
        // Lambda creates network interfaces for the function, before it has an ARN; the function's own code may not.
        let is_inside = user.is_some() || name == "migrate";
        assert_eq!(may("ec2:CreateNetworkInterface", "eni", &[]), is_inside, "{name}");
        let itself =
            [("lambda:SourceFunctionArn", format!("arn:aws:lambda:region:account:function:atelier-{name}"))];
        let itself = itself.each_ref().map(|(key, arn)| (*key, arn.as_str()));
        assert!(!may("ec2:CreateNetworkInterface", "eni", &itself), "{name}");

        let function = stack.properties(&id).expect("a function");
        assert_eq!(function["FunctionName"], format!("atelier-{name}"));
        let variables = &function["Environment"]["Variables"];
        assert_eq!(variables.get("DB_USER").and_then(Value::as_str), user, "{name}");
        let has_key = variables.get("CURSOR_KEY").is_some();
        assert_eq!(has_key, user.is_some(), "{name} is given a secret that it does not need");
        assert_eq!(function.get("VpcConfig").is_some(), is_inside, "{name}");
        let group = stack.properties(&format!("{id}LogGroup")).expect("a log group");
        assert_eq!(group["LogGroupName"], format!("/aws/lambda/atelier-{name}"));
    }
}

#[test]
fn migrations_connect_as_the_owner_and_never_by_the_proxy() {
    let variables = &prod()["Resources"]["Migrate"]["Properties"]["Environment"]["Variables"];
    assert_eq!(variables["DB_SECRET_ARN"], json!({"Fn::GetAtt": ["Cluster", "MasterUserSecret.SecretArn"]}));
    // A migration's session state would pin the proxy's connection.
    assert_eq!(variables["DB_HOST"], json!({"Fn::GetAtt": ["Cluster", "Endpoint.Address"]}));
}

/// There are no permissions beyond the table above.
#[test]
fn functions_have_no_other_rights() {
    let known = [
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
        "logs:CreateLogStream",
        "logs:PutLogEvents",
        "kms:Decrypt",
        "rds-db:connect",
        "secretsmanager:GetSecretValue",
    ];
    for policy in ["FunctionPolicy", "NetworkPolicy", "ReaderPolicy", "WriterPolicy"] {
        let document = &prod()["Resources"][policy]["Properties"]["PolicyDocument"];
        for action in list(&document["Statement"]).iter().flat_map(actions) {
            let is_known =
                known.contains(&action.as_str()) || policy == "NetworkPolicy" && action.starts_with("ec2:");
            assert!(is_known, "{policy}: {action}");
        }
    }
    assert_eq!(resources(prod(), "AWS::IAM::ManagedPolicy").len(), 4);
    for (name, id, _) in functions() {
        let role = &prod()["Resources"][format!("{id}Role")]["Properties"];
        assert_eq!(role["Policies"].is_array(), name == "migrate", "{name}");
    }
    let network = &prod()["Resources"]["NetworkPolicy"]["Properties"]["PolicyDocument"]["Statement"];
    assert_eq!(network[0]["Action"], network[1]["Action"], "the function's code may perform none of these");
}

/// The callers' policies: the permission for one route does not include another operation.
#[test]
fn a_right_to_call_a_route_is_no_right_to_call_another() {
    let text = fs::read_to_string(checkout().join("api/policies.json")).expect("policies");
    let policies: Value = serde_json::from_str(&text).expect("JSON");
    let calls: Vec<_> = OPERATIONS
        .iter()
        .flat_map(|operation| operation.all_routes().map(move |route| (operation.id, route)))
        .map(|(id, route)| {
            let id_or_part = |part| {
                if str::starts_with(part, "{") { "01936b5e-7c00-7000-8000-00000000000a" } else { part }
            };
            let path: Vec<_> = route.path.split('/').map(id_or_part).collect();
            (id, route.method.clone(), format!("{}{}", route.method, path.join("/")))
        })
        .collect();
    let methods: [(&str, &[&str]); 3] = [
        ("reader", &["GET", "HEAD"]),
        ("editor", &["GET", "HEAD", "POST", "PUT", "PATCH"]),
        ("admin", &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
    ];
    for (policy, methods) in methods {
        let arns = list(&policies[policy]["Statement"][0]["Resource"]);
        let patterns: Vec<_> = arns.iter().map(text_after_stage).collect();
        for (id, method, call) in &calls {
            let matching: Vec<_> =
                patterns.iter().filter(|pattern| is_match(pattern.as_bytes(), call.as_bytes())).collect();
            let expected = usize::from(methods.contains(&method.as_str()));
            assert_eq!(matching.len(), expected, "{policy}: {id}, {call}: {matching:?}");
        }
    }
}

/// The part of a route's ARN after the stage: `GET/v1/products`.
fn text_after_stage(arn: &Value) -> String {
    text(arn).split_once("${Stage}/").expect("a stage").1.to_owned()
}

/// Collects all values of members named `Resource`, at any depth.
fn all_resources<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            if name == "Resource" {
                found.push(member);
            }
            all_resources(member, found);
        }),
        Value::Array(items) => items.iter().for_each(|item| all_resources(item, found)),
        _ => {}
    }
}

#[test]
fn a_wildcard_resource_has_its_reason_beside_it() {
    let text = fs::read_to_string(checkout().join("template.yaml")).expect("template.yaml");
    let lines: Vec<_> = text.lines().collect();
    let wildcards: Vec<_> = (0..lines.len()).filter(|line| lines[*line].trim() == "Resource: '*'").collect();
    for line in &wildcards {
        let indent = |line: &str| line.len() - line.trim_start().len();
        let start = (0..*line)
            .rev()
            .find(|above| {
                lines[*above].trim_start().starts_with("- ") && indent(lines[*above]) < indent(lines[*line])
            })
            .expect("a statement");
        let has_reason = (start - 1..*line).any(|above| lines[above].trim_start().starts_with("# "));
        assert!(has_reason, "template.yaml:{}: Resource '*' without a reason", line + 1);
    }
    let mut all = Vec::new();
    all_resources(&prod()["Resources"], &mut all);
    let translated = all.iter().filter(|resource| **resource == "*").count();
    assert_eq!(
        translated,
        wildcards.len(),
        "a wildcard that is not written as `Resource: '*'` has no reason beside it"
    );
    assert!(!text.contains("Action: '*'") && !text.contains("NotAction") && !text.contains("NotResource"));
}

#[test]
fn the_endpoints_of_the_network_lead_nowhere_else() {
    let endpoints = resources(prod(), "AWS::EC2::VPCEndpoint");
    assert_eq!(
        endpoints.keys().copied().collect::<BTreeSet<_>>(),
        BTreeSet::from(["S3Endpoint", "SecretsManagerEndpoint"])
    );
    for (id, endpoint) in endpoints {
        assert!(endpoint["Properties"]["PolicyDocument"]["Statement"][0]["Resource"] != "*", "{id}");
    }
    assert!(resources(prod(), "AWS::EC2::NatGateway").is_empty());
    assert!(resources(prod(), "AWS::EC2::InternetGateway").is_empty());
}

/// All variables of functions are documented and exist.
#[test]
fn every_variable_is_one_that_functions_know() {
    let page = fs::read_to_string(checkout().join("docs/configuration.md")).expect("the page");
    for (id, function) in resources(prod(), "AWS::Lambda::Function") {
        let variables = function["Properties"]["Environment"]["Variables"].as_object().expect("variables");
        for name in variables.keys() {
            assert!(
                page.contains(&format!("\n| `{name}` |")),
                "{id}: docs/configuration.md does not describe {name}"
            );
        }
    }
}
