//! Valgrind, whose tool callgrind counts the instructions of a program.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};

use crate::{Say, debian, folder, lock, succeeds};

/// Where Valgrind is.
#[derive(Debug, Clone)]
pub struct Valgrind {
    /// The program that starts a tool.
    pub program: PathBuf,
    /// The folder of the tools, for the variable `VALGRIND_LIB`, if it is not where the program looks for it.
    pub libraries: Option<PathBuf>,
}

/// The package's `usr/bin/valgrind` is a script for this one, which looks for missing debug symbols. Callgrind does without.
const PROGRAM: &str = "usr/bin/valgrind.bin";
const LIBRARIES: &str = "usr/libexec/valgrind";

/// Installs Valgrind: Debian's, unpacked into the checkout, else the one that the PATH has.
///
/// # Errors
/// On a machine that is not Debian's and has no Valgrind: what to install.
pub fn valgrind(say: Say<'_>) -> Result<Valgrind> {
    if cfg!(target_os = "linux") && debian::has_packages() {
        let folder = folder().join("valgrind");
        let _lock = lock(&folder.with_extension("lock"))?;
        if !folder.exists() {
            debian::unpack(&["valgrind"], &[PROGRAM, LIBRARIES], &folder, say)
                .context("Valgrind cannot be installed")?;
        }
        return Ok(Valgrind { program: folder.join(PROGRAM), libraries: Some(folder.join(LIBRARIES)) });
    }
    let program = PathBuf::from("valgrind");
    let is_installed = succeeds(Command::new(&program).arg("--version"));
    ensure!(is_installed, "there is no Valgrind: install it, so that the PATH has valgrind");
    Ok(Valgrind { program, libraries: None })
}
