//! Settings of a single function: those declared in its manifest reach the template and the CDK app.

use std::fs;

use harness::copy_what_generate_reads;
use local::stack::checkout;
use serde_json::{Value, json};

use super::{deployer, evaluate::Stack};

const MANIFEST: &str = r#"
[package.metadata.function]
memory-size = 1024
timeout-seconds = 20
reserved-concurrency = 33
provisioned-concurrency = 2
environment = { GREETING = "it's \"me\"" }

[[package.metadata.function.rights]]
sid = "ReadPictures"
actions = ["s3:GetObject"]
resources = ["arn:${AWS::Partition}:s3:::pictures-of-${AWS::StackName}/*"]
"#;

#[test]
fn a_function_has_what_its_manifest_declares() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    copy_what_generate_reads(root).expect("a copy");
    fs::copy(checkout().join("samconfig.toml"), root.join("samconfig.toml")).expect("a copy");
    let manifest = root.join("functions/search-products/Cargo.toml");
    let declared = fs::read_to_string(&manifest).expect("a manifest");
    fs::write(&manifest, declared + MANIFEST).expect("it is written");
    for file in api::generated::files(root).expect("files") {
        file.write(root).expect(&file.path);
    }

    let mut python = deployer("python");
    let program = checkout().join("tests/deploy/translate.py");
    let output = python.arg(program).current_dir(root).as_std_mut().output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let stages: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let parameters = serde_json::from_value(stages["prod"]["parameters"].clone()).expect("parameters");
    let stack = Stack { template: &stages["prod"]["template"], parameters: &parameters };
    let of = |id: &str| stack.properties(id).expect(id);

    let (function, other) = (of("SearchProducts"), of("ListProducts"));
    for (name, value, others) in [
        ("MemorySize", json!(1024), json!("256")),
        ("Timeout", json!(20), json!("10")),
        ("ReservedConcurrentExecutions", json!(33), json!("20")),
    ] {
        assert_eq!((&function[name], &other[name]), (&value, &others), "{name}");
    }
    let mut variables = other["Environment"]["Variables"].clone();
    variables["GREETING"] = json!("it's \"me\"");
    assert_eq!(function["Environment"]["Variables"], variables);
    let provisioned = &of("SearchProductsAliaslive")["ProvisionedConcurrencyConfig"];
    assert_eq!(provisioned["ProvisionedConcurrentExecutions"], 2);
    assert!(of("ListProductsAliaslive").get("ProvisionedConcurrencyConfig").is_none());
    let picture = "arn:aws:s3:::pictures-of-atelier/cup.jpg";
    for (role, may) in [("SearchProductsRole", true), ("ListProductsRole", false)] {
        assert_eq!(stack.may(role, "s3:GetObject", picture, &[]), may, "{role}");
        assert!(!stack.may(role, "s3:PutObject", picture, &[]), "{role}");
    }

    let operations =
        fs::read_to_string(root.join("cdk/lib/generated/operations.gen.ts")).expect("operations");
    let own: Vec<_> = operations
        .lines()
        .filter_map(|line| line.trim().strip_prefix("own: ")?.strip_suffix(','))
        .map(|own| serde_json::from_str::<Value>(own).expect("JSON"))
        .filter(|own| *own != json!({}))
        .collect();
    let right = json!({
        "sid": "ReadPictures",
        "actions": ["s3:GetObject"],
        "resources": ["arn:${AWS::Partition}:s3:::pictures-of-${AWS::StackName}/*"],
    });
    let of_search = json!({
            "memorySize": 1024,
            "timeoutSeconds": 20,
            "reservedConcurrency": 33,
            "provisionedConcurrency": 2,
            "environment": {"GREETING": "it's \"me\""},
            "rights": [right],
    });
    // What listChanges declares, since a request may wait for a change.
    assert_eq!(own, [of_search, json!({"timeoutSeconds": 26})]);
}
