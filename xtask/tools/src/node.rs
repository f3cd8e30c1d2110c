//! Installs packages from npm.

use std::{
    fs,
    path::{Component, Path},
    process::Command,
    sync::OnceLock,
};

use anyhow::{Context, Result, ensure};

use crate::{Say, checkout, lock, succeeds};

/// Installs the packages in the lock file of `folder` into its `node_modules`, unless they are already installed. Does
/// not run the packages' scripts.
///
/// # Errors
/// When Node.js is missing or too old, or npm fails.
pub fn node_modules(folder: &Path, say: Say<'_>) -> Result<()> {
    ensure!(is_recent(), "the tests need Node.js 20.11 or newer, with npm, on the PATH");
    let manifest = folder.join("package-lock.json");
    let installed = folder.join("node_modules/.installed-lock.json");
    let wanted = fs::read(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
    let is_installed = || fs::read(&installed).is_ok_and(|installed| installed == wanted);
    if is_installed() {
        return Ok(());
    }
    // Not in `node_modules`, which npm removes.
    let _lock = lock(&crate::folder().join(format!("{}.lock", name(folder))))?;
    if is_installed() {
        return Ok(());
    }
    say(&format!("installing the packages in {} from npm", manifest.display()));
    let npm = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    crate::output(Command::new("npm").args(npm).current_dir(folder))?;
    fs::write(installed, wanted)?;
    Ok(())
}

/// Whether Node.js is new enough for all packages. Checked once per process, since tests start dozens of servers.
fn is_recent() -> bool {
    static IS_RECENT: OnceLock<bool> = OnceLock::new();
    let script = "const [major, minor] = process.versions.node.split('.').map(Number);
        process.exit(major > 20 || (major === 20 && minor >= 11) ? 0 : 1)";
    *IS_RECENT.get_or_init(|| succeeds(Command::new("node").args(["-e", script])))
}

/// The name of a folder's lock file, such as `tests-postgres-17`.
fn name(folder: &Path) -> String {
    let parts = folder.strip_prefix(checkout()).unwrap_or(folder).components();
    let parts = parts.filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy()),
        _ => None,
    });
    parts.collect::<Vec<_>>().join("-")
}
