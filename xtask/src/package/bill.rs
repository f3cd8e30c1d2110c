//! Bills of materials: what each function is built of, in the form of CycloneDX.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use tools::ARM64;

use crate::installed;

/// How the files end that cargo-cyclonedx writes.
const ENDING: &str = ".cdx.json";

/// Writes `<function>.cdx.json` of each function into `folder`.
pub(super) fn write(functions: &[String], folder: &Path) -> Result<()> {
    let root = crate::root();
    let mut cyclonedx = Command::new(installed::CYCLONEDX.install()?);
    tools::without_cargo_variables(&mut cyclonedx);
    cyclonedx.current_dir(&root).args(["cyclonedx", "--format", "json", "--spec-version", "1.5"]);
    // Without it, the time and a random number are written: the same bytes each time.
    cyclonedx.args(["--target", ARM64, "--quiet"]).env("SOURCE_DATE_EPOCH", "0");
    crate::run(&mut cyclonedx)?;
    // It writes one beside the manifest of every package.
    let mut bills = BTreeMap::new();
    for path in written(&root)? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        bills.insert(name, fs::read_to_string(&path)?);
        fs::remove_file(path)?;
    }
    for function in functions {
        let name = format!("{function}{ENDING}");
        let bill = bills.get(&name).with_context(|| format!("cargo-cyclonedx has not written {name}"))?;
        fs::write(folder.join(&name), without_place(bill, &root))?;
    }
    Ok(())
}

/// A bill that does not say where the checkout is.
fn without_place(bill: &str, checkout: &Path) -> String {
    bill.replace(&format!("path+file://{}", checkout.display()), "path+file://")
}

/// The bills beside the manifests below `folder`.
fn written(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "node_modules" {
                found.extend(written(&entry.path())?);
            }
        } else if name.ends_with(ENDING) && folder.join("Cargo.toml").is_file() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bills_beside_manifests_are_found_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        for path in [
            "functions/it/Cargo.toml",
            "functions/it/it.cdx.json",
            "dist/it.cdx.json",
            "target/package/Cargo.toml",
            "target/package/it.cdx.json",
        ] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        assert_eq!(written(folder.path()).unwrap(), [folder.path().join("functions/it/it.cdx.json")]);
    }

    #[test]
    fn a_bill_does_not_tell_where_it_was_written() {
        let bill = r#"{"bom-ref": "path+file:///home/me/it/shared#0.1.0"}"#;
        let expected = r#"{"bom-ref": "path+file:///shared#0.1.0"}"#;
        assert_eq!(without_place(bill, Path::new("/home/me/it")), expected);
    }
}
