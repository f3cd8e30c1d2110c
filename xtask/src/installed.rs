//! Tools that cargo installs: each at its pinned release, into `.local/tools`.

use std::{fs, path::PathBuf};

use anyhow::Result;

/// A package with a program of the same name.
#[derive(Clone, Copy)]
pub(crate) struct Tool {
    name: &'static str,
    version: &'static str,
}

/// Drives fuzz targets.
pub(crate) const FUZZ: Tool = Tool { name: "cargo-fuzz", version: "0.13.2" };
/// Has programs say what they are built of.
pub(crate) const AUDITABLE: Tool = Tool { name: "cargo-auditable", version: "0.7.7" };
/// Writes bills of materials.
pub(crate) const CYCLONEDX: Tool = Tool { name: "cargo-cyclonedx", version: "0.5.9" };

impl Tool {
    /// Where the program is, once it is installed.
    pub(crate) fn program(self) -> PathBuf {
        tools::folder().join("bin").join(self.name)
    }

    /// The program, installed unless that very release is there.
    pub(crate) fn install(self) -> Result<PathBuf> {
        let folder = tools::folder();
        let noted = fs::read_to_string(folder.join(".crates.toml")).unwrap_or_default();
        if !self.is_noted(&noted) || !self.program().exists() {
            eprintln!("· installing {} {} into {}", self.name, self.version, folder.display());
            crate::run(tools::cargo().args(self.installation()))?;
        }
        Ok(self.program())
    }

    /// The arguments of the cargo command that installs it.
    pub(crate) fn installation(self) -> [&'static str; 8] {
        ["install", "--quiet", "--locked", "--root", ".local/tools", "--version", self.version, self.name]
    }

    /// Whether `noted`, what cargo has noted of a folder that it installs to, has this release.
    fn is_noted(self, noted: &str) -> bool {
        let release = format!("\"{} {} (", self.name, self.version);
        noted.lines().any(|line| line.starts_with(&release))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_release_is_not_the_pinned_one() {
        let tool = Tool { name: "cargo-it", version: "1.2.3" };
        let is_noted = |line: &str| tool.is_noted(&format!("[v1]\n{line}\n"));
        assert!(is_noted("\"cargo-it 1.2.3 (registry+https://index)\" = [\"cargo-it\"]"));
        assert!(!is_noted("\"cargo-it 1.2.30 (registry+https://index)\" = [\"cargo-it\"]"));
        assert!(!is_noted("\"a-cargo-it 1.2.3 (registry+https://index)\" = [\"a-cargo-it\"]"));
    }
}
