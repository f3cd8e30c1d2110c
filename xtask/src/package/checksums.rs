//! `SHA256SUMS` of a folder, as `sha256sum` writes and checks it.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

/// The file's name.
pub(crate) const FILE: &str = "SHA256SUMS";

/// Writes the checksums of all files of `folder` into it.
pub(super) fn write(folder: &Path) -> Result<()> {
    let mut sums = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().into_string().ok().context("a name that is not UTF-8")?;
        sums.insert(name, sum(&entry.path())?);
    }
    let lines: String = sums.iter().map(|(name, sum)| format!("{sum}  {name}\n")).collect();
    Ok(fs::write(folder.join(FILE), lines)?)
}

/// Fails unless each file of `names` is in `folder`, with the content that it had when the checksums were written.
pub(crate) fn check<'a>(folder: &Path, names: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let written = fs::read_to_string(folder.join(FILE))
        .with_context(|| format!("{} has no {FILE}: `cargo xtask package` writes it", folder.display()))?;
    let sums: BTreeMap<_, _> =
        written.lines().filter_map(|line| line.split_once("  ")).map(|(sum, name)| (name, sum)).collect();
    for name in names {
        let expected = sums.get(name).with_context(|| format!("{FILE} does not have {name}"))?;
        ensure!(
            sum(&folder.join(name))? == *expected,
            "{name} is not what `cargo xtask package` has written: its checksum is another one"
        );
    }
    Ok(())
}

fn sum(file: &Path) -> Result<String> {
    let content = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_changed_added_or_taken_away_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let write_file = |name: &str, content: &str| fs::write(folder.path().join(name), content).unwrap();
        write_file("a.zip", "a");
        write_file("b.zip", "");
        let refusal = |names: &[&str]| check(folder.path(), names.iter().copied()).unwrap_err().to_string();
        assert!(refusal(&["a.zip"]).contains("has no SHA256SUMS"));
        write(folder.path()).unwrap();
        assert_eq!(
            fs::read_to_string(folder.path().join(FILE)).unwrap(),
            "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  a.zip\n\
             e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  b.zip\n"
        );
        check(folder.path(), ["a.zip", "b.zip"]).unwrap();
        write_file("c.zip", "c");
        assert_eq!(refusal(&["a.zip", "c.zip"]), "SHA256SUMS does not have c.zip");
        write_file("a.zip", "b");
        assert!(refusal(&["b.zip", "a.zip"]).starts_with("a.zip is not what"));
        fs::remove_file(folder.path().join("b.zip")).unwrap();
        assert!(refusal(&["b.zip"]).starts_with("cannot read"));
    }
}
