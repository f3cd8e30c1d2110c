//! The CDK app: it compiles, its constructs do what they promise, every stage synthesises without an account, and the
//! result corresponds to `template.yaml`.

use harness::{block_on, clients};

use super::deploy::deployer;

fn npm(script: &str, arguments: &[&str]) -> String {
    block_on(clients::npm("cdk", script, arguments))
}

#[test]
fn types_hold_what_they_promise() {
    npm("typecheck", &[]);
}

#[test]
fn the_source_is_tidy() {
    npm("lint", &[]);
}

#[test]
fn constructs_are_what_they_promise() {
    npm("test", &[]);
}

#[test]
fn every_stage_with_a_function_for_each_operation_is_synthesised_without_an_account_and_passes_cfn_lint() {
    synthesise_and_lint("isolated");
}

#[test]
fn every_stage_with_one_function_is_synthesised_without_an_account_and_passes_cfn_lint() {
    synthesise_and_lint("shared");
}

fn synthesise_and_lint(pattern: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().to_str().expect("a path in UTF-8");
    let pattern = format!("pattern={pattern}");
    npm("synth", &["--context", "placeholders=true", "--context", &pattern, "--output", output]);
    let mut lint = deployer("cfn-lint");
    // W3005: the library also lists dependencies that references imply.
    lint.args(["--regions", "eu-central-1", "--ignore-checks", "W3005", "--"]);
    for stage in ["dev", "staging", "prod"] {
        let template = folder.path().join(format!("atelier-cdk-{stage}.template.json"));
        assert!(template.is_file(), "{stage}");
        lint.arg(template);
    }
    let output = block_on(async move { lint.output().await }).expect("cfn-lint runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_app_says_what_the_template_says() {
    npm("parity", &[]);
}
