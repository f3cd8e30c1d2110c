//! The checks of an account that `cargo xtask deploy` makes before it changes anything.

use std::{path::Path, process::Output};

use api::OPERATIONS;
use harness::{Aws, block_on, clients};

use super::{STAGES, deployer, said, unit_tests};

/// Runs the checks on `account`, for a synthesised app or for a stage of SAM.
async fn preflight(account: &Aws, arguments: &[&str]) -> Output {
    let mut preflight = deployer("python");
    preflight.arg("tests/deploy/preflight.py").args(arguments).env("AWS_ENDPOINT_URL", account.url());
    preflight.output().await.expect("it runs")
}

/// Synthesises the app's stages into `folder`.
async fn synthesise(folder: &Path) {
    let folder = folder.to_str().expect("a path in UTF-8");
    clients::npm("cdk", "synth", &["--context", "placeholders=true", "--output", folder]).await;
}

#[test]
fn an_account_as_it_should_be_passes() {
    block_on(async {
        let account = Aws::start().await;
        let output = preflight(&account, &["--stage", "prod"]).await;
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        let reserved: u64 = OPERATIONS.iter().map(|operation| STAGES["prod"].reserved(operation)).sum();
        assert_eq!(
            said.lines().collect::<Vec<_>>(),
            [
                "ok credentials: arn:aws:sts::123456789012:user/moto in account 123456789012",
                "ok region: eu-central-1",
                "ok stack: atelier-prod does not exist yet",
                &format!("ok concurrency: {reserved} reserved, of 1000 that are free and a quota of 1000"),
                "ok zones: eu-central-1a (euc1-az1)",
                "ok zones: eu-central-1b (euc1-az2)",
                "ok engine: aurora-postgresql 17.7 on db.serverless",
                "warning alarms: alarms notify nobody: set AlarmEmail",
            ]
        );
    });
}

#[test]
fn cdk_needs_its_bootstrap_besides() {
    block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        synthesise(folder.path()).await;
        let template = folder.path().join("atelier-cdk-dev.template.json");
        let template = template.to_str().expect("a path in UTF-8");
        let account = Aws::start().await;
        let arguments = ["--stage", "dev", "--stack", "atelier-cdk-dev", "--template", template];
        let output = preflight(&account, &arguments).await;
        let found = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{found}{}", String::from_utf8_lossy(&output.stderr));
        let wrong: Vec<_> = found.lines().filter(|line| !line.starts_with("ok ")).collect();
        assert!(
            wrong.len() == 1 && wrong[0].starts_with("WRONG bootstrap: CDK has no bucket and no roles here"),
            "{found}"
        );
        // SAM and CDK require the same of an account.
        let mut facts = deployer("python");
        facts.args(["tests/deploy/facts_test.py", "--verbose"]).env("TEST_SYNTHESISED", folder.path());
        said(&mut facts).await;
    });
}

/// Situations that a real account cannot provide, with moto and botocore's stubs.
#[test]
fn every_refusal_has_its_reason() {
    block_on(unit_tests("preflight_test"));
}
