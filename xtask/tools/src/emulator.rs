//! Installs an emulator of the processor that the functions are deployed on.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result};

use crate::{ARM64, Say, debian, folder, lock, succeeds};

/// How to run programs that were built for [`ARM64`].
#[derive(Debug, Clone)]
pub enum Emulator {
    /// Directly: this machine has such a processor.
    Native,
    /// With qemu's user mode emulation and the target's C library.
    Qemu {
        /// The path of `qemu-aarch64-static`.
        program: PathBuf,
        /// The folder that contains the target's `lib`.
        libraries: PathBuf,
    },
}

const PACKAGES: [&str; 3] = ["qemu-user-static", "libc6-arm64-cross", "libgcc-s1-arm64-cross"];
const PROGRAM: &str = "usr/bin/qemu-aarch64-static";
const LIBRARIES: &str = "usr/aarch64-linux-gnu";

/// Installs the emulator: Debian's, unpacked into the checkout, or else the one on the PATH.
///
/// # Errors
/// On a machine without such a processor, without Debian packages and without an emulator; the error explains what to
/// install.
pub fn arm64_emulator(say: Say<'_>) -> Result<Emulator> {
    if cfg!(target_arch = "aarch64") {
        return Ok(Emulator::Native);
    }
    if cfg!(target_os = "linux") && debian::has_packages() {
        let folder = folder().join("emulator");
        let found = Emulator::Qemu { program: folder.join(PROGRAM), libraries: folder.join(LIBRARIES) };
        let _lock = lock(&folder.with_extension("lock"))?;
        if !folder.exists() {
            debian::unpack(&PACKAGES, &[PROGRAM, LIBRARIES], &folder, say)
                .context("the arm64 emulator cannot be installed")?;
        }
        return Ok(found);
    }
    let program = PathBuf::from("qemu-aarch64-static");
    let libraries = PathBuf::from("/").join(LIBRARIES);
    let is_installed = succeeds(Command::new(&program).arg("--version")) && libraries.join("lib").is_dir();
    is_installed.then_some(Emulator::Qemu { program, libraries }).with_context(|| {
        format!(
            "there is no emulator for {ARM64}: install qemu's user mode emulation and the target's C library, so that \
            qemu-aarch64-static is on the PATH and /{LIBRARIES}/lib exists"
        )
    })
}
