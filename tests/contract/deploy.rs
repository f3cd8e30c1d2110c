//! The stack of `template.yaml`, as far as it can be tested without an AWS account.

mod build;
mod cache;
mod checks;
mod custom_resource;
mod documentation;
mod dry_run;
mod evaluate;
mod own;
mod parameters;
mod policies;
mod preflight;
mod roles;
mod rollback;
mod routes;
mod smoke;
mod stages;

use std::{
    collections::BTreeMap,
    io::{Seek as _, Write as _},
    process::Stdio,
    sync::LazyLock,
    time::Duration,
};

use harness::clients;
use local::stack::checkout;
use serde_json::{Value, json};
use shared::Operation;
use tokio::process::Command;
use tools::python;

/// How long a tool may take.
const TOOL_TIMEOUT: Duration = Duration::from_secs(300);

/// The program `name` of a Python environment.
///
/// # Panics
/// When the environment cannot be installed.
pub(crate) fn tool(environment: python::Environment, name: &str) -> Command {
    let bin = environment.install(&|line| eprintln!("· {line}")).expect("the environment");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(bin.clone()).chain(std::env::split_paths(&path)));
    let mut command = Command::new(bin.join(name));
    command.current_dir(checkout()).kill_on_drop(true).stdin(Stdio::null()).env_clear();
    for name in ["HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "CARGO_TARGET_DIR"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command.env("PATH", path.expect("a path")).env("LANG", "C.UTF-8");
    command.envs(tools::private_toolchain());
    for (name, value) in [
        ("SAM_CLI_TELEMETRY", "0"),
        ("AWS_DEFAULT_REGION", "eu-central-1"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ] {
        command.env(name, value);
    }
    command
}

/// A tool that builds or deploys.
pub(crate) fn deployer(name: &str) -> Command {
    tool(python::DEPLOY, name)
}

/// Runs `command` and returns its output.
///
/// # Panics
/// When the command fails or takes too long.
pub(crate) async fn said(command: &mut Command) -> String {
    let described = format!("{:?}", command.as_std());
    let output = tokio::time::timeout(TOOL_TIMEOUT, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("{described} does not end")).expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{described}: {}\n{said}\n{complaint}", output.status);
    said
}

/// Runs the unit tests of tests/deploy in the Python module `module`.
///
/// # Panics
/// When one fails.
async fn unit_tests(module: &str) {
    // In isolated mode, Python does not search the script's folder.
    let run = format!("import sys, unittest; sys.path.insert(0, 'tests/deploy'); unittest.main('{module}')");
    said(clients::python().args(["-c", &run]).current_dir(checkout())).await;
}

/// A stage of `samconfig.toml`: its parameters, and the template for CloudFormation.
struct Stage {
    parameters: BTreeMap<String, Value>,
    template: Value,
}

impl Stage {
    /// The reserved concurrency of an operation's function.
    fn reserved(&self, operation: &Operation) -> u64 {
        let function = evaluate::Stack::from(self).properties(&logical_id(operation)).expect("a function");
        let reserved = evaluate::text(&function["ReservedConcurrentExecutions"]);
        reserved.parse().expect("a reservation")
    }
}

/// Every stage by its name.
static STAGES: LazyLock<BTreeMap<String, Stage>> = LazyLock::new(|| {
    let stages = translated(&json!({}));
    assert!(stages.keys().eq(["dev", "prod", "staging"]));
    let stage = |mut stage: Value| Stage {
        parameters: serde_json::from_value(stage["parameters"].take()).expect("parameters"),
        template: stage["template"].take(),
    };
    stages.into_iter().map(|(name, value)| (name, stage(value))).collect()
});

/// The translated template of every stage, and of `variants`, which are sets of parameters by name.
fn translated(variants: &Value) -> BTreeMap<String, Value> {
    let mut input = tempfile::tempfile().expect("a file");
    input.write_all(variants.to_string().as_bytes()).expect("it is written");
    input.rewind().expect("it is read from its start");
    let mut python = deployer("python");
    let python = python.arg("tests/deploy/translate.py").as_std_mut().stdin(input);
    let output = python.output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn prod() -> &'static Value {
    &STAGES["prod"].template
}

/// The resources of a type in `template`.
fn resources<'a>(template: &'a Value, kind: &str) -> BTreeMap<&'a str, &'a Value> {
    let all = template["Resources"].as_object().expect("resources").iter();
    all.filter(|(_, resource)| resource["Type"] == kind)
        .map(|(id, resource)| (id.as_str(), resource))
        .collect()
}

/// The logical id of an operation's function.
fn logical_id(operation: &Operation) -> String {
    let words = operation.name.split('-').map(|word| word[..1].to_ascii_uppercase() + &word[1..]);
    words.collect()
}
