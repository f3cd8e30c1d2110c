//! Installs Valgrind, whose tool callgrind counts a program's instructions.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};

use crate::{Say, debian, folder, lock, succeeds};

/// The paths of Valgrind.
#[derive(Debug, Clone)]
pub struct Valgrind {
    /// The program that starts the tools.
    pub program: PathBuf,
    /// The folder of the tools, for the variable `VALGRIND_LIB`, if it is not in the program's default place.
    pub libraries: Option<PathBuf>,
}

/// The package's `usr/bin/valgrind` is a wrapper script that checks for debug symbols, which callgrind does not need.
const PROGRAM: &str = "usr/bin/valgrind.bin";
const LIBRARIES: &str = "usr/libexec/valgrind";

/// Installs Valgrind: Debian's, unpacked into the checkout, or else the one on the PATH.
///
/// # Errors
/// On a machine without Debian packages and without Valgrind.
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
    ensure!(is_installed, "there is no Valgrind: install it so that valgrind is on the PATH");
    Ok(Valgrind { program, libraries: None })
}
