//! The commands that `cargo xtask deploy` would run for each stage, with SAM and with CDK.

use std::{collections::BTreeSet, fs};

use api::OPERATIONS;
use harness::{Aws, block_on};
use local::stack::{checkout, programs};
use serde_json::Value;
use tokio::process::Command;

use super::{STAGES, deployer, said};

const PROGRAMS: &str = ".local/tools/deploy-venv/bin";
const STAGE_NAMES: [&str; 3] = ["dev", "staging", "prod"];

/// The commands, without the comments about their purpose.
fn dry_run(stage: &str, options: &[&str]) -> Vec<String> {
    let mut xtask = Command::new(programs().expect("programs").join("xtask"));
    xtask.args(["deploy", "--stage", stage, "--dry-run"]).args(options);
    let said = block_on(async { said(&mut xtask).await });
    said.lines().filter(|line| !line.starts_with("# ")).map(ToOwned::to_owned).collect()
}

/// The commands that install the tools.
fn installation() -> Vec<String> {
    vec![
        "python3 -m venv --clear .local/tools/deploy-venv".to_owned(),
        format!("{PROGRAMS}/python -m pip install --requirement tests/deploy/requirements.txt"),
        "rustup target add aarch64-unknown-linux-gnu".to_owned(),
    ]
}

/// Every function of the stack.
fn functions() -> BTreeSet<&'static str> {
    OPERATIONS.iter().map(|operation| operation.name).chain(["migrate"]).collect()
}

/// The command that builds all functions: with the quick profile for dev, optimised for other stages.
fn build(stage: &str) -> String {
    let profile = if stage == "dev" { "--profile quick" } else { "--release" };
    let bins: String = functions().iter().map(|function| format!(" --bin {function}")).collect();
    format!("{PROGRAMS}/cargo-lambda lambda build {profile} --arm64 --lambda-dir target/lambda{bins}")
}

#[test]
fn with_sam() {
    for stage in STAGE_NAMES {
        let mut commands = dry_run(stage, &[]);
        let deploy = commands.remove(commands.len() - 2);
        let mut expected = installation();
        expected.extend([
            format!("{PROGRAMS}/python tests/deploy/preflight.py --stage {stage}"),
            format!("{PROGRAMS}/sam validate --lint --config-env {stage}"),
            build(stage),
            format!("{PROGRAMS}/python tests/deploy/smoke.py --stage {stage}"),
        ]);
        assert_eq!(commands, expected);

        let start = format!(
            "{PROGRAMS}/sam deploy --config-env {stage} --template-file template.yaml --parameter-overrides "
        );
        let parameters = deploy.strip_prefix(&start).expect("sam deploy");
        let parameters =
            parameters.strip_suffix(" 'Revision=<hash of code and parameters>'").expect("a revision");
        let mut given: Vec<_> =
            parameters.split(' ').map(|pair| pair.split_once('=').expect("a pair")).collect();
        given.sort_unstable();
        // The option replaces the list in samconfig.toml: an omitted parameter would get its default.
        let stage = &STAGES[stage];
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        let declared = &stage.template["Parameters"];
        let differing = stage.parameters.iter().filter(|(name, value)| declared[*name]["Default"] != **value);
        let expected = differing.map(|(name, value)| (name.as_str(), text(value)));
        let expected: Vec<_> = expected.filter(|(name, _)| *name != "Revision").collect();
        for (name, value) in &expected {
            assert!(given.contains(&(*name, value)), "{name}={value} is not in {deploy}");
        }
        for (name, value) in given {
            assert_eq!(text(&stage.parameters[name]), value, "{name} in {deploy}");
        }
    }
}

#[test]
fn with_cdk() {
    for stage in STAGE_NAMES {
        let stack = format!("atelier-cdk-{stage}");
        let mut expected = installation();
        let approval = if stage == "prod" { "any-change" } else { "never" };
        expected.extend([
            "npm ci --prefix cdk".to_owned(),
            format!(
                "npm run --prefix cdk synth -- {stack} --context placeholders=true --output ../.local/preflight"
            ),
            format!(
                "{PROGRAMS}/python tests/deploy/preflight.py --stage {stage} --stack {stack} \
                 --template .local/preflight/{stack}.template.json"
            ),
            build(stage),
            format!("npm run --prefix cdk deploy -- {stack} --require-approval {approval}"),
            format!("{PROGRAMS}/python tests/deploy/smoke.py --stack {stack}"),
        ]);
        assert_eq!(dry_run(stage, &["--with", "cdk"]), expected);
    }
}

/// Limited by moto, which does not support change sets of templates with SAM's transform.
#[test]
fn sam_sends_what_has_been_built_with_every_parameter_of_the_stage() {
    let folder = tempfile::tempdir().expect("a folder");
    for file in ["template.yaml", "samconfig.toml"] {
        fs::copy(checkout().join(file), folder.path().join(file)).expect(file);
    }
    for function in functions() {
        let built = folder.path().join("target/lambda").join(function);
        fs::create_dir_all(&built).expect("a folder");
        fs::write(built.join("bootstrap"), function).expect("a binary");
    }
    let commands = dry_run("staging", &[]);
    let sam = format!("{PROGRAMS}/sam deploy ");
    let deploy = commands.iter().find_map(|line| line.strip_prefix(&sam)).expect("sam deploy");
    let deploy = deploy.replace("'Revision=<hash of code and parameters>'", "Revision=1a2b3c");

    let output = block_on(async {
        let account = Aws::start().await;
        let mut bucket = deployer("python");
        let create = "import boto3; boto3.client('s3', region_name='us-east-1').create_bucket(Bucket='code')";
        said(bucket.args(["-c", create]).env("AWS_ENDPOINT_URL", account.url())).await;
        let mut sam = deployer("sam");
        sam.arg("deploy").args(deploy.split(' ')).args(["--no-resolve-s3", "--s3-bucket", "code"]);
        sam.arg("--no-execute-changeset").current_dir(folder.path()).env("AWS_ENDPOINT_URL", account.url());
        sam.output().await.expect("it runs")
    });
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("Initiating deployment"), "{said}");
    let words: Vec<_> = said.split_whitespace().collect();
    let uploads = words.windows(3).filter(|words| words[..2] == ["Uploading", "to"]).map(|words| words[2]);
    let packages: BTreeSet<_> = uploads.filter(|name| !name.ends_with(".template")).collect();
    assert_eq!(packages.len(), functions().len(), "{said}");
    let mut parameters =
        said.lines().filter_map(|line| line.trim().strip_prefix("Parameter overrides")?.split_once(": "));
    let (_, parameters) = parameters.next().expect("parameters");
    let parameters: Value = serde_json::from_str(parameters).expect("JSON");
    assert_eq!((&parameters["Revision"], &parameters["MaxConnections"]), (&"1a2b3c".into(), &"400".into()));
    assert!(said.contains("[\"CAPABILITY_IAM\"]"), "the rest of samconfig.toml does not count: {said}");
}
