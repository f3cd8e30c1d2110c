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
    let output = format!("--output={}", std::env::temp_dir().join("atelier-cdk.out").display());
    npm("synth", &["--context", "placeholders=true", &output]);
}

#[test]
fn the_app_says_what_the_template_says() {
    npm("parity", &[]);
}
