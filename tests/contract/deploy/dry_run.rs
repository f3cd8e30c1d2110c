//! What `cargo xtask deploy` would run, for each stage, with SAM and with CDK.

use api::OPERATIONS;
use harness::block_on;
use local::stack::programs;
use serde_json::Value;
use tokio::process::Command;

use super::{STAGES, said};

const PROGRAMS: &str = ".local/tools/deploy-venv/bin";
const STAGE_NAMES: [&str; 3] = ["dev", "staging", "prod"];

/// Every command, without the lines that say what it is for.
fn dry_run(stage: &str, options: &[&str]) -> Vec<String> {
    let mut xtask = Command::new(programs().expect("programs").join("xtask"));
    xtask.args(["deploy", "--stage", stage, "--dry-run"]).args(options);
    let said = block_on(async { said(&mut xtask).await });
    said.lines().filter(|line| !line.starts_with("# ")).map(ToOwned::to_owned).collect()
}

/// What is installed first.
fn installation() -> Vec<String> {
    vec![
        "python3 -m venv --clear .local/tools/deploy-venv".to_owned(),
        format!("{PROGRAMS}/python -m pip install --requirement tests/deploy/requirements.txt"),
        "rustup target add aarch64-unknown-linux-gnu".to_owned(),
    ]
}

/// What compiles every function of the stack, once.
fn build() -> String {
    let mut functions: Vec<_> =
        OPERATIONS.iter().map(|operation| operation.name).chain(["migrate"]).collect();
    functions.sort_unstable();
    let bins: String = functions.iter().map(|function| format!(" --bin {function}")).collect();
    format!("{PROGRAMS}/cargo-lambda lambda build --release --arm64 --lambda-dir target/lambda{bins}")
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
            build(),
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
        // The option takes the place of samconfig.toml's list: what it leaves out would have its default.
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
            build(),
            format!("npm run --prefix cdk deploy -- {stack} --require-approval {approval}"),
            format!("{PROGRAMS}/python tests/deploy/smoke.py --stack {stack}"),
        ]);
        assert_eq!(dry_run(stage, &["--with", "cdk"]), expected);
    }
}
