//! The artefact of one function, as `sam build` makes it for Lambda's arm64: it answers under the local Runtime API.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Stdio};

use harness::{Programs, Setup, atelier_with, block_on};
use local::stack::{DatabaseAccess, checkout};
use serde_json::{Value, json};
use tokio::{process::Command, sync::OnceCell};

use super::{deployer, said};

/// The function that is built: one, since each takes minutes from nothing.
const OPERATION: &str = "get-product";

/// Largest zip of a function, in bytes. Lambda fetches it at every cold start.
const ZIP_BUDGET_BYTES: u64 = 3_750_000;

/// Where Debian keeps the C library of arm64.
const LIBRARIES: &str = "/usr/aarch64-linux-gnu";

/// Builds once for all tests, as `cargo xtask deploy` does; `cargo xtask test` has done most of it before.
async fn bootstrap() -> PathBuf {
    static BUILT: OnceCell<()> = OnceCell::const_new();
    BUILT
        .get_or_init(async || {
            said(deployer("sam").args(["build", "--config-env", "dev", OPERATION])).await;
        })
        .await;
    checkout().join(".aws-sam/build/GetProduct/bootstrap")
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

/// A program that runs `bootstrap`, whatever this machine's processor is.
async fn runnable(bootstrap: PathBuf) -> String {
    let path = bootstrap.display();
    if cfg!(target_arch = "aarch64") {
        return format!("#!/bin/sh\nexec {path}\n");
    }
    let mut emulator = Command::new("qemu-aarch64-static");
    emulator.arg("--version").stdout(Stdio::null());
    let has_emulator = emulator.status().await.is_ok_and(|status| status.success());
    assert!(
        has_emulator && PathBuf::from(LIBRARIES).is_dir(),
        "there is no emulator of arm64: install qemu-user-static and libc6-arm64-cross (Debian), so that the PATH has \
         qemu-aarch64-static and there is {LIBRARIES}; as root, `cargo xtask test` does it"
    );
    format!("#!/bin/sh\nexec qemu-aarch64-static -L {LIBRARIES} {path}\n")
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
    let bootstrap = block_on(bootstrap());
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join(OPERATION);
    fs::write(&program, block_on(runnable(bootstrap))).expect("a program");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it may be run");
    let operations =
        api::OPERATIONS.iter().copied().filter(|operation| operation.name == OPERATION).collect();
    let programs = Some(Programs { operations, folder: folder.path().to_owned() });
    let database_access = Some(Box::new(|_, url: &str| sam_local_variables(url)) as DatabaseAccess);
    atelier_with(Setup { programs, database_access, ..Setup::default() }, async |atelier| {
        let insert = "insert into products (id, name, search_key, price, currency, created_at, updated_at)
            values ($1, 'カップ', 'カップ', 100, 'JPY', now(), now())";
        let id = uuid::Uuid::now_v7();
        atelier.database().await.execute(insert, &[&id]).await.expect("a product");
        let product = atelier.client().get(&format!("/v1/products/{id}")).await.expect(200);
        assert_eq!(
            (&product.json()["name"], &product.json()["price"]),
            (&Value::from("カップ"), &Value::from(100))
        );
        let tag = [("if-none-match", product.header("etag"))];
        atelier.client().send(http::Method::GET, &format!("/v1/products/{id}"), &tag, "").await.expect(304);
        let nowhere = format!("/v1/products/{}", uuid::Uuid::now_v7());
        atelier.client().get(&nowhere).await.problem(404);
        let lines = atelier.log();
        assert!(lines.iter().any(|line| line.contains("\"CloudWatchMetrics\"")), "{lines:?}");
    });
}
