//! What functions may do: each what it needs, and nothing of another's.

use std::{collections::BTreeSet, fs};

use api::OPERATIONS;
use local::stack::checkout;
use serde_json::{Value, json};
use shared::Role;

use super::{logical_id, prod, resources};

/// The statements of a role's own policies.
fn statements(role: &str) -> Vec<&'static Value> {
    let policies = prod()["Resources"][role]["Properties"]["Policies"].as_array().expect("policies");
    policies
        .iter()
        .flat_map(|policy| policy["PolicyDocument"]["Statement"].as_array().expect("statements"))
        .collect()
}

fn actions(statement: &Value) -> Vec<&str> {
    match &statement["Action"] {
        Value::Array(actions) => actions.iter().filter_map(Value::as_str).collect(),
        action => action.as_str().into_iter().collect(),
    }
}

/// Asserts that a function may decrypt its own variables with the stack's key, and nothing else of them.
fn assert_decrypts_its_variables(statement: &Value, name: &str) {
    assert_eq!(statement["Resource"], json!({"Fn::GetAtt": ["Key", "Arn"]}));
    let arn = format!(
        "arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:${{AWS::AccountId}}:function:${{AWS::StackName}}-{name}"
    );
    let arns = json!([{"Fn::Sub": arn}, {"Fn::Sub": format!("{arn}:*")}]);
    assert_eq!(
        statement["Condition"],
        json!({"ArnLike": {"kms:EncryptionContext:aws:lambda:FunctionArn": arns}})
    );
}

#[test]
fn a_function_has_its_own_log_database_user_and_variables() {
    for operation in OPERATIONS {
        let id = logical_id(operation);
        let user = match operation.role {
            Role::Reader => Some("catalog_reader"),
            Role::Writer => Some("catalog_writer"),
            Role::None => None,
        };
        let statements = statements(&format!("{id}Role"));
        assert_eq!(statements.len(), if user.is_some() { 3 } else { 2 }, "{id}");
        for statement in statements {
            assert_eq!(statement["Effect"], "Allow");
            match actions(statement).as_slice() {
                ["logs:CreateLogStream", "logs:PutLogEvents"] => {
                    assert_eq!(
                        statement["Resource"],
                        json!({"Fn::GetAtt": [format!("{id}LogGroup"), "Arn"]})
                    );
                }
                ["kms:Decrypt"] => assert_decrypts_its_variables(statement, operation.name),
                ["rds-db:connect"] => {
                    let (pattern, server) = (
                        &statement["Resource"]["Fn::Sub"][0],
                        &statement["Resource"]["Fn::Sub"][1]["Server"]["Fn::If"],
                    );
                    let user = user.expect("a database");
                    assert!(
                        pattern
                            .as_str()
                            .is_some_and(|pattern| pattern.ends_with(&format!(":dbuser:${{Server}}/{user}"))),
                        "{pattern}"
                    );
                    assert_eq!(server[0], "HasProxy");
                    assert_eq!(server[2], json!({"Fn::GetAtt": ["Cluster", "DBClusterResourceId"]}));
                }
                other => panic!("{id} may {other:?}"),
            }
        }
        let managed = &prod()["Resources"][format!("{id}Role")]["Properties"]["ManagedPolicyArns"];
        let network = user.map(|_| json!({"Ref": "NetworkPolicy"}));
        assert_eq!(managed, &Value::from_iter([json!({"Ref": "FunctionPolicy"})].into_iter().chain(network)));

        let variables = &prod()["Resources"][&id]["Properties"]["Environment"]["Variables"];
        assert_eq!(variables.get("DB_USER").and_then(Value::as_str), user, "{id}");
        assert_eq!(
            variables.get("CURSOR_KEY").is_some(),
            user.is_some(),
            "{id} is given a secret that it does not need"
        );
        assert_eq!(prod()["Resources"][&id]["Properties"].get("VpcConfig").is_some(), user.is_some(), "{id}");
        let log_group = &prod()["Resources"][format!("{id}LogGroup")]["Properties"]["LogGroupName"];
        assert_eq!(log_group["Fn::Sub"], format!("/aws/lambda/${{AWS::StackName}}-{}", operation.name));
    }
}

#[test]
fn migrations_read_the_owners_secret_and_nobody_else_does() {
    let secret = json!({"Fn::GetAtt": ["Cluster", "MasterUserSecret.SecretArn"]});
    for (id, role) in resources(prod(), "AWS::IAM::Role") {
        let text = role["Properties"].to_string();
        assert_eq!(text.contains("secretsmanager:"), id == "MigrateRole", "{id}: {text}");
    }
    for statement in statements("MigrateRole") {
        match actions(statement).as_slice() {
            ["secretsmanager:GetSecretValue"] => assert_eq!(statement["Resource"], secret),
            ["logs:CreateLogStream", "logs:PutLogEvents"] => {
                assert_eq!(statement["Resource"], json!({"Fn::GetAtt": ["MigrateLogGroup", "Arn"]}));
            }
            ["kms:Decrypt"] if statement["Sid"] == "ReadItsVariables" => {
                assert_decrypts_its_variables(statement, "migrate")
            }
            ["kms:Decrypt"] => {
                assert!(statement["Condition"].to_string().contains("kms:ViaService"), "{statement}")
            }
            other => panic!("migrate may {other:?}"),
        }
    }
    let variables = &prod()["Resources"]["Migrate"]["Properties"]["Environment"]["Variables"];
    assert_eq!(variables["DB_SECRET_ARN"], secret);
    // Directly: the session of a migration would pin the proxy's connection.
    assert_eq!(variables["DB_HOST"], json!({"Fn::GetAtt": ["Cluster", "Endpoint.Address"]}));
}

#[test]
fn what_all_functions_may_do_is_no_more_than_tracing_and_joining_the_network() {
    let policies = resources(prod(), "AWS::IAM::ManagedPolicy");
    assert!(policies.keys().copied().eq(["FunctionPolicy", "NetworkPolicy"]), "{policies:?}");
    let statements = |id: &str| {
        policies[id]["Properties"]["PolicyDocument"]["Statement"].as_array().expect("statements").clone()
    };
    let trace = statements("FunctionPolicy");
    assert_eq!(
        (trace.len(), actions(&trace[0])),
        (1, vec!["xray:PutTraceSegments", "xray:PutTelemetryRecords"])
    );
    let network = statements("NetworkPolicy");
    assert_eq!((&network[0]["Effect"], &network[1]["Effect"]), (&json!("Allow"), &json!("Deny")));
    assert_eq!(network[0]["Action"], network[1]["Action"], "the code of a function may do none of it");
    assert!(actions(&network[0]).iter().all(|action| action.starts_with("ec2:")));
}

/// All values of members called `Resource`, anywhere.
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

/// Functions read no variable that is not described, and misspell none.
#[test]
fn every_variable_is_one_that_functions_know() {
    let readme = fs::read_to_string(checkout().join("README.md")).expect("README.md");
    for (id, function) in resources(prod(), "AWS::Lambda::Function") {
        let variables = function["Properties"]["Environment"]["Variables"].as_object().expect("variables");
        for name in variables.keys() {
            assert!(readme.contains(&format!("`{name}`")), "{id}: README.md does not describe {name}");
        }
    }
}
