//! Running the programs that install others.

use std::{
    env,
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use crate::checkout;

/// Receives each line that tells the user what happens.
pub type Say<'a> = &'a (dyn Fn(&str) + Sync);

/// Cargo as it has started this process, in the root of the checkout.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(checkout());
    without_cargo_variables(&mut command);
    command
}

/// Removes the variables that cargo has set for this process: build scripts would take a change of them for a reason to
/// run again, so that the same build by hand compiles half of the dependencies anew.
pub fn without_cargo_variables(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| {
            name == "CARGO" || name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        }) {
            command.env_remove(name);
        }
    }
}

/// What `command` writes to its standard output.
///
/// # Errors
/// When it cannot be run, or fails: with all that it wrote.
pub fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_owned();
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {}", name.display()))?;
    let written = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed ({}): {written}{complaint}", name.display(), output.status);
    Ok(written)
}

/// Whether `command` can be run and succeeds. What it writes is dropped.
pub fn succeeds(command: &mut Command) -> bool {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Waits until no other process holds the lock on `file`, and holds it until the result is dropped: test processes start
/// side by side, and one of them installs.
///
/// # Errors
/// When the file cannot be made.
pub fn lock(file: &Path) -> Result<File> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let lock = File::create(file).with_context(|| format!("cannot make {}", file.display()))?;
    lock.lock()?;
    Ok(lock)
}

/// What compiles `programs` as they are deployed, but for this machine's processor. Of the whole workspace, as
/// `cargo lambda` compiles them: a package alone has fewer features of the crates that it shares with others.
pub fn release_build<'a>(programs: impl IntoIterator<Item = &'a str>) -> Command {
    let mut build = cargo();
    build.args(["build", "--release", "--workspace"]);
    for program in programs {
        build.args(["--bin", program]);
    }
    build
}
