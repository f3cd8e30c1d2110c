//! Packages from npm.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use crate::{Say, lock, succeeds};

/// Installs what the lock file of `folder` names into its `node_modules`, unless that is there. No script of a package
/// is run.
///
/// # Errors
/// When there is no Node.js new enough, or npm fails.
pub fn node_modules(folder: &Path, say: Say<'_>) -> Result<()> {
    let is_recent = "const [major, minor] = process.versions.node.split('.').map(Number);
        process.exit(major > 20 || (major === 20 && minor >= 11) ? 0 : 1)";
    ensure!(
        succeeds(Command::new("node").args(["-e", is_recent])),
        "the tests need Node.js 20.11 or newer, with npm, on the PATH"
    );
    let manifest = folder.join("package-lock.json");
    let installed = folder.join("node_modules/.installed-lock.json");
    let wanted = fs::read(&manifest).with_context(|| format!("cannot read {}", manifest.display()))?;
    let is_installed = || fs::read(&installed).is_ok_and(|installed| installed == wanted);
    if is_installed() {
        return Ok(());
    }
    let _lock = lock(&folder.join("node_modules/.installing"))?;
    if is_installed() {
        return Ok(());
    }
    say(&format!("installing what {} names from npm", manifest.display()));
    let npm = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    crate::output(Command::new("npm").args(npm).current_dir(folder))?;
    fs::write(installed, wanted)?;
    Ok(())
}
