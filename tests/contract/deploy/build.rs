//! The artefact of one function, as it is built for Lambda's arm64 and packed by SAM: it answers under the local Runtime API.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use harness::{Programs, Setup, block_on, leave_out, service_with};
use local::stack::{DatabaseAccess, checkout};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tools::Emulator;

use super::{deployer, said};
use crate::checkout::{copy_files, run};

/// The function that is built: one, since each takes minutes from nothing.
const OPERATION: &str = "get-product";

/// Largest zip of a function, in bytes. Lambda fetches it at every cold start.
const ZIP_BUDGET_BYTES: u64 = 3_000_000;

/// Builds once for all tests, as `cargo xtask deploy` does; `cargo xtask test` has done most of it before.
async fn bootstrap() -> PathBuf {
    static BUILT: OnceCell<()> = OnceCell::const_new();
    BUILT
        .get_or_init(async || {
            let build = ["lambda", "build", "--release", "--arm64", "--lambda-dir", "target/lambda"];
            let build = build.into_iter().map(ToOwned::to_owned).chain(tools::without_paths());
            said(deployer("cargo-lambda").args(build).args(["--bin", OPERATION])).await;
        })
        .await;
    checkout().join("target/lambda").join(OPERATION).join("bootstrap")
}

#[test]
fn the_zip_is_within_its_budget() {
    block_on(async {
        let bootstrap = bootstrap().await;
        // The second and third bytes of an ELF header's machine: 183 is AArch64.
        let header = fs::read(&bootstrap).expect("a binary");
        assert_eq!((&header[..4], header[18]), (&b"\x7fELF"[..], 183), "not a binary for arm64");
        let folder = tempfile::tempdir().expect("a folder");
        let zip = folder.path().join("function.zip");
        // As SAM packs it.
        let pack = "import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED) as packed: packed.write(sys.argv[2], 'bootstrap')";
        said(deployer("python").args(["-c", pack]).args([&zip, &bootstrap])).await;
        let bytes = fs::metadata(&zip).expect("a zip").len();
        assert!(bytes <= ZIP_BUDGET_BYTES, "{bytes} bytes, the budget is {ZIP_BUDGET_BYTES}");
    });
}

/// Where and as whom it was built shall not be seen in it, nor change it.
#[test]
fn the_artefact_has_no_path_of_this_machine() {
    let bootstrap = fs::read(block_on(bootstrap())).expect("a binary");
    let home = std::env::home_dir().expect("a home");
    for folder in [checkout(), &home, Path::new("/tmp")] {
        let path = format!("{}/", folder.display());
        let found = bootstrap.windows(path.len()).position(|bytes| bytes == path.as_bytes());
        let around = found.map(|at| String::from_utf8_lossy(&bootstrap[at..(at + 100).min(bootstrap.len())]));
        assert_eq!(around, None, "{path}");
    }
}

/// `SHA256SUMS` of the zip of one function, packed by the checkout in `folder` with a target folder of its own.
async fn packed(folder: &Path, target: &Path) -> String {
    let output = target.join("dist");
    let mut package = tokio::process::Command::new("cargo");
    package.args(["xtask", "package", OPERATION, "--output"]).arg(&output).current_dir(folder);
    package.env("CARGO_TARGET_DIR", target).env_remove("CARGO_MANIFEST_DIR");
    run(&mut package).await;
    fs::read_to_string(output.join("SHA256SUMS")).expect("checksums")
}

#[test]
#[ignore = "builds a function twice from nothing, a quarter of an hour: cargo xtask test --large two_builds"]
fn two_builds_in_two_folders_give_the_same_zip() {
    block_on(async {
        let [one, other] = ["one", "the-other-one"].map(|name| {
            let parent = tempfile::Builder::new().prefix(name).tempdir().expect("a folder");
            (parent.path().join("checkout"), parent)
        });
        let mut sums = Vec::new();
        for (checkout, parent) in [&one, &other] {
            copy_files(checkout).await;
            sums.push(packed(checkout, &parent.path().join("target")).await);
        }
        assert!(sums[0].ends_with("  get-product.zip\n"), "{sums:?}");
        assert_eq!(sums[0], sums[1]);
    });
}

/// A program that runs `bootstrap`, whatever this machine's processor is.
fn runnable(bootstrap: &Path, emulator: &Emulator) -> String {
    let path = bootstrap.display();
    match emulator {
        Emulator::Native => format!("#!/bin/sh\nexec {path}\n"),
        Emulator::Qemu { program, libraries } => {
            format!("#!/bin/sh\nexec {} -L {} {path}\n", program.display(), libraries.display())
        }
    }
}

/// The variables that `sam local invoke` sets with the environment file of docs/deploy.md.
fn sam_local_variables(url: &str) -> Vec<(String, String)> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let overrides = json!({"Parameters": {"DATABASE_URL": url, "DB_AUTH": ""}});
    fs::write(file.path(), overrides.to_string()).expect("it is written");
    let mut python = deployer("python");
    let python = python.args(["tests/deploy/local_variables.py", OPERATION]).arg(file.path());
    let output = python.as_std_mut().output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let variables: BTreeMap<String, String> = serde_json::from_slice(&output.stdout).expect("variables");
    assert_eq!((variables["DATABASE_URL"].as_str(), variables["DB_USER"].as_str()), (url, "catalog_reader"));
    variables.into_iter().collect()
}

#[test]
fn the_artefact_answers_events_from_a_database() {
    let emulator = match tools::arm64_emulator(&|line| eprintln!("· {line}")) {
        Ok(emulator) => emulator,
        Err(reason) => return leave_out("the artefact for arm64 answers events", &reason),
    };
    let bootstrap = block_on(bootstrap());
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join(OPERATION);
    fs::write(&program, runnable(&bootstrap, &emulator)).expect("a program");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it may be run");
    let operations =
        api::OPERATIONS.iter().copied().filter(|operation| operation.name == OPERATION).collect();
    let programs = Some(Programs { operations, folder: folder.path().to_owned() });
    let database_access = Some(Box::new(|_, url: &str| sam_local_variables(url)) as DatabaseAccess);
    service_with(Setup { programs, database_access, ..Setup::default() }, async |service| {
        let insert = "insert into products (id, name, search_key, price, currency, created_at, updated_at)
            values ($1, 'カップ', 'カップ', 100, 'JPY', now(), now())";
        let id = uuid::Uuid::now_v7();
        service.database().await.execute(insert, &[&id]).await.expect("a product");
        let product = service.client().get(&format!("/v1/products/{id}")).await.expect(200);
        assert_eq!(
            (&product.json()["name"], &product.json()["price"]),
            (&Value::from("カップ"), &Value::from(100))
        );
        let tag = [("if-none-match", product.header("etag"))];
        service.client().send(http::Method::GET, &format!("/v1/products/{id}"), &tag, "").await.expect(304);
        let nowhere = format!("/v1/products/{}", uuid::Uuid::now_v7());
        service.client().get(&nowhere).await.problem(404);
        let lines = service.log();
        assert!(lines.iter().any(|line| line.contains("\"CloudWatchMetrics\"")), "{lines:?}");
    });
}
