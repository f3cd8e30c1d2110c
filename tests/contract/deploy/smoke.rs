//! What `cargo xtask deploy` runs last, against an API on this machine; and what it would run.

use harness::{Setup, atelier, atelier_with, block_on};
use local::{
    gateway::{
        self, Auth,
        iam::{Iam, Principal},
    },
    lambda::REGION,
    stack::programs,
};
use tokio::process::Command;

use super::{deployer, said};

#[test]
fn the_smoke_test_passes_an_api_that_works() {
    let auth = Auth::Iam(Iam::new(Principal::defaults()));
    let setup =
        Setup { gateway: gateway::Options { auth, ..gateway::Options::default() }, ..Setup::default() };
    atelier_with(setup, async |atelier| {
        let admin = Principal::defaults().pop().expect("an admin");
        let url = atelier.client().url();
        let mut smoke = deployer("python");
        smoke.args(["tests/deploy/smoke.py", "--url", url]).env("AWS_REGION", REGION);
        smoke
            .env("AWS_ACCESS_KEY_ID", &admin.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", &admin.secret_access_key);
        let said = said(&mut smoke).await;
        assert!(said.contains("ok GET /v1/products (not signed): 403\n"), "{said}");
        assert!(said.ends_with(&format!("\n{url}\n")), "{said}");
        assert_eq!(atelier.count_products().await, 0, "it leaves nothing behind");
    });
}

#[test]
fn the_smoke_test_fails_an_api_that_is_open() {
    atelier(async |atelier| {
        let mut smoke = deployer("python");
        smoke.args(["tests/deploy/smoke.py", "--url", atelier.client().url()]);
        let output = smoke.output().await.expect("it runs");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        assert!(complaint.contains("FAILED GET /v1/products (not signed): 200, not 403"), "{complaint}");
    });
}

#[test]
fn a_dry_run_shows_every_command_and_runs_none() {
    block_on(async {
        let mut xtask = Command::new(programs().expect("programs").join("xtask"));
        xtask.args(["deploy", "--stage", "staging", "--dry-run"]);
        let said = said(&mut xtask).await;
        let commands: Vec<_> = said.lines().filter(|line| !line.starts_with("# ")).collect();
        assert_eq!(
            commands,
            [
                "python3 -m venv --clear .local/tools/deploy-venv",
                ".local/tools/deploy-venv/bin/python -m pip install --requirement tests/deploy/requirements.txt",
                "rustup target add aarch64-unknown-linux-gnu",
                ".local/tools/deploy-venv/bin/sam validate --lint --config-env staging",
                ".local/tools/deploy-venv/bin/sam build --config-env staging",
                ".local/tools/deploy-venv/bin/sam deploy --config-env staging",
                ".local/tools/deploy-venv/bin/python tests/deploy/smoke.py --stage staging",
            ]
        );
    });
}
