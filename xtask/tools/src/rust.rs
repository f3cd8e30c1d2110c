//! Installs the Rust release that everything is built with, and the target of the functions.
//!
//! `rust-version` in Cargo.toml is the release, and `cargo xtask` runs everything with it. A rust-toolchain.toml would
//! also apply to plain cargo commands. But it makes every command fail if the release is installed only under another
//! name, such as `stable`, and rustup is not allowed to install it.

use std::{ffi::OsString, fs, path::PathBuf, process::Command};

use anyhow::{Context, Result};

use crate::{Say, checkout, folder, output, succeeds};

/// The target of all functions: Graviton processors, Amazon Linux 2023.
pub const ARM64: &str = "aarch64-unknown-linux-gnu";

/// The pinned release: `rust-version` of the workspace.
///
/// # Errors
/// When Cargo.toml cannot be read or has no `rust-version`.
pub fn pinned_rust() -> Result<String> {
    let manifest = fs::read_to_string(checkout().join("Cargo.toml"))?;
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = \"")?.split('"').next());
    Ok(version.context("Cargo.toml has no rust-version")?.to_owned())
}

/// The name of a toolchain with the pinned release, which is installed if necessary; `None` if the one in use already
/// has that release.
///
/// # Errors
/// When another release is in use, and rustup cannot install the pinned one.
pub fn toolchain(say: Say<'_>) -> Result<Option<String>> {
    let pinned = pinned_rust()?;
    let in_use = output(Command::new("rustc").arg("--version").current_dir(checkout())).unwrap_or_default();
    if in_use.split_whitespace().nth(1) == Some(pinned.as_str()) {
        return Ok(None);
    }
    if !succeeds(Command::new("rustup").args(["run", &pinned, "rustc", "--version"])) {
        say(&format!("installing Rust {pinned} with rustup"));
        let install = ["toolchain", "install", &pinned, "--no-self-update", "--profile", "minimal"];
        let components = ["--component", "clippy", "--component", "rustfmt"];
        output(Command::new("rustup").args(install).args(components)).with_context(|| {
            format!(
                "Rust {pinned} is required, this is {:?}, and rustup cannot install the release",
                in_use.trim()
            )
        })?;
    }
    Ok(Some(pinned))
}

/// Adds the standard library of [`ARM64`] to the toolchain in use, unless it is installed. If the machine's toolchains
/// belong to another user, installs a toolchain into the checkout: see [`private_toolchain`].
///
/// # Errors
/// When rustup can install neither.
pub fn arm64_target(say: Say<'_>) -> Result<()> {
    let rustup = |arguments: &[&str]| {
        let mut rustup = Command::new("rustup");
        rustup.args(arguments).envs(private_toolchain());
        rustup
    };
    // Without rustup, cargo reports a missing target itself.
    let Ok(targets) = output(&mut rustup(&["target", "list", "--installed"])) else { return Ok(()) };
    if targets.lines().any(|target| target == ARM64) {
        return Ok(());
    }
    say(&format!("adding the Rust target {ARM64}"));
    let Err(reason) = output(&mut rustup(&["target", "add", ARM64])) else { return Ok(()) };
    let pinned = pinned_rust()?;
    let home = private_home();
    say(&format!(
        "the machine's toolchain cannot be changed: installing Rust {pinned} into {}",
        home.display()
    ));
    let install = ["toolchain", "install", &pinned, "--no-self-update", "--profile", "minimal"];
    let target = ["--target", ARM64];
    output(Command::new("rustup").args(install).args(target).env("RUSTUP_HOME", &home))
        .with_context(|| format!("rustup cannot add the target of the functions ({reason:#})"))?;
    Ok(())
}

/// The variables that select the checkout's toolchain for building the functions; empty if the machine's toolchain has
/// their target.
pub fn private_toolchain() -> Vec<(&'static str, OsString)> {
    let home = private_home();
    match pinned_rust() {
        Ok(pinned) if home.join("toolchains").is_dir() => {
            vec![("RUSTUP_HOME", home.into()), ("RUSTUP_TOOLCHAIN", pinned.into())]
        }
        _ => Vec::new(),
    }
}

fn private_home() -> PathBuf {
    folder().join("rustup")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tests_are_built_with_the_pinned_release() {
        let in_use = output(Command::new("rustc").arg("--version")).unwrap();
        assert_eq!(in_use.split_whitespace().nth(1), Some(pinned_rust().unwrap().as_str()));
        assert_eq!(toolchain(&|_| {}).unwrap(), None);
    }
}
