//! Running the programs that install others.

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

/// Receives each line that tells the user what happens.
pub type Say<'a> = &'a (dyn Fn(&str) + Sync);

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
