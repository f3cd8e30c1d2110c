//! What the project is made of: licences, duplicates and sources of its dependencies, and no secrets.

use std::{
    fs,
    path::Path,
    process::{Output, Stdio},
};

use harness::block_on;
use local::stack::{checkout, programs};
use serde_json::Value;
use tokio::process::Command;
use tools::python;

use crate::{
    checkout::run,
    deploy::{said, tool},
};

/// What cargo-deny finds by the rules of `config`. Known vulnerabilities are left out: their list has to be fetched.
async fn deny(config: &Path) -> Output {
    let mut audit = Command::new(programs().expect("the programs").join("xtask"));
    audit.args(["audit", "--no-advisories", "--config"]).arg(config).stdin(Stdio::null());
    audit.output().await.expect("it runs")
}

#[test]
fn cargo_deny_finds_nothing() {
    block_on(async {
        let output = deny(&checkout().join("deny.toml")).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    });
}

#[test]
fn a_second_tls_stack_a_licence_and_a_duplicate_would_be_found() {
    let rules = fs::read_to_string(checkout().join("deny.toml")).expect("deny.toml");
    block_on(async {
        for (old, new, found) in [
            ("crate = \"native-tls\"", "crate = \"rustls\"", "banned"),
            ("    \"ISC\",\n", "", "rejected"),
            ("    { crate = \"winnow@0.7.15\", reason = \"toml, in the tools\" },\n", "", "duplicate"),
        ] {
            assert!(rules.contains(old), "deny.toml has no {old}");
            let folder = tempfile::tempdir().expect("a folder");
            let config = folder.path().join("deny.toml");
            fs::write(&config, rules.replacen(old, new, 1)).expect("it is written");
            let output = deny(&config).await;
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!output.status.success() && said.contains(found), "{new}: {said}");
        }
    });
}

/// What detect-secrets finds in files of `folder`.
async fn secrets(folder: &Path, files: &[&str]) -> Value {
    let mut scan = tool(python::DELIVERY, "python");
    scan.arg(checkout().join("tests/delivery/secrets.py")).args(files).current_dir(folder);
    serde_json::from_str(&said(&mut scan).await).expect("JSON")
}

#[test]
fn no_file_has_a_secret() {
    block_on(async {
        let listed = run(Command::new("git").args(["ls-files"]).current_dir(checkout())).await;
        let listed = String::from_utf8(listed).expect("names in UTF-8");
        let files: Vec<_> = listed.lines().filter(|file| checkout().join(file).is_file()).collect();
        assert!(files.len() > 300, "{files:?}");
        assert_eq!(secrets(checkout(), &files).await, serde_json::json!([]));
    });
}

#[test]
fn a_secret_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    // In pieces, or this file would have them.
    let secrets_of = [
        ("key.pem", format!("-----BEGIN RSA {} KEY-----\nMIIEpAIBAAKCAQEA\n", "PRIVATE")),
        ("aws.txt", format!("id = {}IOSFODNN7XAMPLE0\n", "AKIA")),
        ("github.txt", format!("token = {}_{}\n", "ghp", "a1B2".repeat(9))),
    ];
    for (name, content) in &secrets_of {
        fs::write(folder.path().join(name), content).expect("it is written");
    }
    let names = secrets_of.each_ref().map(|(name, _)| *name);
    let found = block_on(async { secrets(folder.path(), &names).await });
    for name in names {
        let is_found = found.as_array().is_some_and(|found| found.iter().any(|it| it["file"] == name));
        assert!(is_found, "{name}: {found}");
    }
}
