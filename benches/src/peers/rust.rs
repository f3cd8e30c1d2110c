//! The Rust peers, in a separate workspace.

use anyhow::{Context, Result};

use super::sources;
use crate::subject::Subject;

/// axum and sqlx behind `lambda_http`.
pub(super) fn axum_sqlx(say: tools::Say<'_>) -> Result<Subject> {
    let environment = vec![
        ("AWS_LAMBDA_LOG_FORMAT", "JSON".into()),
        // Otherwise the path starts with the stage of the REST API, which is not part of the route.
        ("AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH", "true".into()),
    ];
    let subject = build("axum-sqlx", "axum-sqlx", &["axum", "sqlx", "lambda_http", "tokio"], say)?;
    Ok(Subject { environment, ..subject })
}

/// A greeting by `lambda_http`, without a database.
pub(super) fn hello(say: tools::Say<'_>) -> Result<Subject> {
    build("lambda-http-hello", "hello", &["lambda_http", "tokio"], say)
}

/// Builds the program of `package`; the versions of `crates` describe it.
fn build(name: &'static str, package: &str, crates: &[&str], say: tools::Say<'_>) -> Result<Subject> {
    let folder = sources().join("rust");
    let cargo = |arguments: &[&str]| {
        let mut cargo = tools::cargo();
        cargo.args(arguments).arg("--locked").arg("--manifest-path").arg(folder.join("Cargo.toml"));
        cargo
    };
    let target = folder.join("target");
    say(&format!("building {package} (the first time takes minutes)"));
    // The whole workspace, so that both packages share their dependencies.
    tools::output(cargo(&["build", "--release", "--workspace", "--quiet"]).arg("--target-dir").arg(&target))?;

    let tree = ["tree", "--package", package, "--depth", "1", "--prefix", "none", "--edges", "normal"];
    let used = tools::output(&mut cargo(&tree))?;
    let version = |of: &str| used.lines().find_map(|line| line.strip_prefix(&format!("{of} v")));
    let versions = crates.iter().map(|it| {
        let version = version(it).with_context(|| format!("{package} does not use {it}"))?;
        Ok(format!("{it} {version}"))
    });
    let versions: Vec<_> = versions.collect::<Result<_>>()?;
    let program = target.join("release").join(package);
    Ok(Subject {
        name,
        about: format!("{}; Rust {}", versions.join(", "), tools::pinned_rust()?),
        command: vec![program.clone().into()],
        folder,
        environment: Vec::new(),
        deployed: vec![program],
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn the_peers_have_the_release_of_lambda_http_that_the_api_has() {
        let release = |lock: &str| {
            let lock = fs::read_to_string(tools::checkout().join(lock)).unwrap();
            let (_, package) = lock.split_once("\nname = \"lambda_http\"\n").unwrap();
            package.lines().next().unwrap().to_owned()
        };
        assert_eq!(release("benches/peers/rust/Cargo.lock"), release("Cargo.lock"));
    }
}
