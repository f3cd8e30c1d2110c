//! Bills of materials: what each function is built of, in the form of CycloneDX.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};
use tools::ARM64;

use crate::installed;

/// Writes `<function>.cdx.json` of each function into `folder`.
pub(super) fn write(functions: &[String], folder: &Path) -> Result<()> {
    let program = installed::CYCLONEDX.install()?;
    for function in functions {
        let package = crate::root().join("functions").join(function);
        let mut cyclonedx = Command::new(&program);
        cyclonedx.current_dir(&package).args(["cyclonedx", "--format", "json", "--target", ARM64]);
        // The same bytes each time: without it, the time and a random number.
        cyclonedx.env("SOURCE_DATE_EPOCH", "0");
        crate::run(&mut cyclonedx)?;
        let name = format!("{function}.cdx.json");
        let written = package.join(&name);
        fs::copy(&written, folder.join(&name))
            .with_context(|| format!("there is no {}", written.display()))?;
        fs::remove_file(written)?;
    }
    Ok(())
}
