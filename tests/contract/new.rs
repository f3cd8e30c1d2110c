//! `cargo xtask new`: what it makes builds, is formatted, leaves no generated file stale, and passes the tests of every
//! operation, with nothing done by hand.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use harness::{block_on, is_large};
use local::stack::checkout;
use tokio::process::Command;

use crate::checkout::{copy_built, copy_files, run};

/// An action on a resource, a part of one, and the first operation on a new resource.
const NEW: [[&str; 3]; 3] = [
    ["archive-product", "POST", "/v1/products/{id}/archive"],
    ["get-artisan-portrait", "GET", "/v1/artisans/{id}/portraits/{portrait_id}"],
    ["list-workshops", "GET", "/v1/workshops"],
];

/// The tests that look at every operation of the register.
const OF_EVERY_OPERATION: &[&str] = &[
    "bad_input::a_bad_id_is_400",
    "conditional::a_malformed_condition_is_400_whatever_the_method",
    "deploy::policies",
    "events::every",
    "head::every_get_has_a_head",
    "history::whatever_changes_the_catalogue",
    "openapi::a_linter_finds_nothing",
    "openapi::both_documents_are_valid",
    "openapi::generated_files_are_current",
    "register::",
    "router::every_sample",
    "statements::no_operation",
];

#[test]
fn a_new_operation_is_complete() {
    block_on(async {
        let built = copy_built().await;
        let copy = built.path().join("checkout");
        copy_files(&copy).await;
        // PostgreSQL runs as another account where the tests are root's.
        fs::set_permissions(built.path(), fs::Permissions::from_mode(0o755)).expect("it may be entered");
        symlink(checkout().join("tests/openapi/node_modules"), copy.join("tests/openapi/node_modules"))
            .expect("a link");
        run(Command::new("git").args(["init", "-q"]).current_dir(&copy)).await;
        let cargo = async |arguments: &[&str]| {
            let mut cargo = Command::new("cargo");
            for name in ["CARGO_MANIFEST_DIR", "DATABASE_URL", "CACHE_URL"] {
                cargo.env_remove(name);
            }
            cargo.args(arguments).current_dir(&copy).env("CARGO_TARGET_DIR", built.path());
            String::from_utf8(run(&mut cargo).await).expect("UTF-8")
        };
        for operation in NEW {
            let said = cargo(&[&["xtask", "new"][..], &operation].concat()).await;
            assert!(said.contains("passes every test"), "{said}");
        }
        cargo(&["fmt", "--all", "--", "--check"]).await;
        cargo(&["xtask", "generate", "--check"]).await;
        let [manifest, changes] = ["api/Cargo.toml", "CHANGELOG.md"].map(|file| read(&copy, file));
        let functions =
            manifest.lines().filter_map(|line| line.split_once(" = { path")).map(|(name, _)| name);
        assert!(functions.is_sorted(), "{manifest}");
        for [name, method, route] in NEW {
            assert!(changes.contains(&format!("`: `{method} {route}`.\n")), "{changes}");
            let code = read(&copy, &format!("functions/{name}/src/lib.rs"));
            let unused: Vec<_> =
                dependencies(&copy, name).into_iter().filter(|it| !code.contains(it)).collect();
            assert_eq!(unused, [""; 0], "{name}");
        }
        if is_large() {
            cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]).await;
        }
        cargo(&["build", "--workspace", "--bins"]).await;
        let test = ["test", "--workspace", "--test", "contract", "--"];
        let said = cargo(&[&test, OF_EVERY_OPERATION].concat()).await;
        let ran = said.lines().filter(|line| line.starts_with("test ") && line.ends_with(" ... ok")).count();
        assert!(ran >= OF_EVERY_OPERATION.len(), "{said}");
    });
}

fn read(root: &Path, file: &str) -> String {
    fs::read_to_string(root.join(file)).expect(file)
}

/// The crates that the manifest of an operation names, as its code would.
fn dependencies(root: &Path, operation: &str) -> Vec<String> {
    let manifest = read(root, &format!("functions/{operation}/Cargo.toml"));
    let (_, dependencies) = manifest.split_once("[dependencies]\n").expect("dependencies");
    let names = dependencies.lines().filter_map(|line| line.split(['.', ' ']).next());
    names.map(|name| name.replace('-', "_")).collect()
}
