//! The CDK app: it compiles, its constructs are what they promise, every stage synthesises without an account, and what
//! comes out is what `template.yaml` says.

use harness::{block_on, clients};

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
fn every_stage_is_synthesised_without_an_account() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().to_str().expect("a path in UTF-8");
    npm("synth", &["--context", "placeholders=true", "--output", output]);
    for stage in ["dev", "staging", "prod"] {
        let template = folder.path().join(format!("atelier-cdk-{stage}.template.json"));
        assert!(template.is_file(), "{stage}");
    }
}

#[test]
fn the_app_says_what_the_template_says() {
    npm("parity", &[]);
}
