//! The compiler's target of all functions.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result};

use crate::{Say, checkout, folder, output};

/// The target of all functions: Graviton processors, Amazon Linux 2023.
pub const ARM64: &str = "aarch64-unknown-linux-gnu";

/// Adds the standard library of [`ARM64`] to the pinned toolchain, unless it is there. Where the machine's toolchains
/// belong to another user, a copy of the toolchain goes into the checkout: see [`rustup_home`].
///
/// # Errors
/// When rustup can do neither.
pub fn arm64_target(say: Say<'_>) -> Result<()> {
    let rustup = |arguments: &[&str]| {
        let mut rustup = Command::new("rustup");
        rustup.args(arguments).current_dir(checkout());
        rustup.envs(rustup_home().map(|home| ("RUSTUP_HOME", home)));
        rustup
    };
    // Without rustup, cargo reports a missing target itself.
    let Ok(targets) = output(&mut rustup(&["target", "list", "--installed"])) else { return Ok(()) };
    if targets.lines().any(|target| target == ARM64) {
        return Ok(());
    }
    say(&format!("adding the Rust target {ARM64}"));
    let Err(reason) = output(&mut rustup(&["target", "add", ARM64])) else { return Ok(()) };
    let toolchain = pinned_toolchain()?;
    say(&format!(
        "rustup cannot change the machine's toolchains: installing {toolchain} into .local/tools/rustup"
    ));
    let install = ["toolchain", "install", &toolchain, "--profile", "minimal", "--target", ARM64];
    output(rustup(&install).env("RUSTUP_HOME", private_home()).args(["--no-self-update"])).with_context(|| {
        format!("rustup cannot add the target of the functions, neither to the machine's toolchain ({reason:#})")
    })?;
    Ok(())
}

/// The `RUSTUP_HOME` that has the functions' target where the machine's own has not.
pub fn rustup_home() -> Option<PathBuf> {
    Some(private_home()).filter(|home| home.join("toolchains").is_dir())
}

fn private_home() -> PathBuf {
    folder().join("rustup")
}

/// The release that `rust-toolchain.toml` names.
fn pinned_toolchain() -> Result<String> {
    let file = std::fs::read_to_string(checkout().join("rust-toolchain.toml"))?;
    let channel = file.lines().find_map(|line| line.strip_prefix("channel = \"")?.strip_suffix('"'));
    Ok(channel.context("rust-toolchain.toml names no channel")?.to_owned())
}
