//! Changes to the files of a checkout that are written together, and functions that insert lines.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

/// New and changed files. None is written until all changes have succeeded in memory.
pub(crate) struct Edits {
    root: PathBuf,
    /// The text of each file, by its path relative to the root.
    files: BTreeMap<String, String>,
}

impl Edits {
    /// Starts without changes to the checkout at `root`.
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), files: BTreeMap::new() }
    }

    /// Adds the file `path`, which must not exist.
    pub(crate) fn create(&mut self, path: &str, text: String) -> Result<()> {
        let is_new = !self.files.contains_key(path) && !self.root.join(path).exists();
        ensure!(is_new, "{path} already exists");
        self.files.insert(path.to_owned(), text);
        Ok(())
    }

    /// Replaces the text of the file `path` by the result of `change`.
    pub(crate) fn change(&mut self, path: &str, change: impl FnOnce(&str) -> Result<String>) -> Result<()> {
        let text = self.read(path)?;
        let changed = change(&text).with_context(|| path.to_owned())?;
        if changed != text {
            self.files.insert(path.to_owned(), changed);
        }
        Ok(())
    }

    /// The text of the file `path`, including the changes so far.
    pub(crate) fn read(&self, path: &str) -> Result<String> {
        match self.files.get(path) {
            Some(text) => Ok(text.clone()),
            None => fs::read_to_string(self.root.join(path)).with_context(|| format!("cannot read {path}")),
        }
    }

    /// Writes all files, and prints their paths.
    pub(crate) fn write(&self) -> Result<()> {
        for (path, text) in &self.files {
            let file = self.root.join(path);
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::write(&file, text).with_context(|| format!("cannot write {path}"))?;
            println!("wrote {path}");
        }
        Ok(())
    }
}

/// Inserts `addition` before the last line of `text` that begins with `mark`.
pub(crate) fn before_last(text: &str, mark: &str, addition: &str) -> Result<String> {
    let at = text.rfind(&format!("\n{mark}")).with_context(|| format!("no line begins with {mark:?}"))? + 1;
    Ok(format!("{}{addition}{}", &text[..at], &text[at..]))
}

/// Inserts the line `addition` into the list below the line `heading` of `text`. The list is sorted by the part of each
/// line before the first space, dot or equals sign.
pub(crate) fn sorted_below(text: &str, heading: &str, addition: &str) -> Result<String> {
    let key = |line: &str| line.split([' ', '.', '=']).next().unwrap_or_default().to_owned();
    let start =
        text.lines().position(|line| line == heading).with_context(|| format!("no line is {heading:?}"))?;
    let mut lines: Vec<_> = text.lines().collect();
    let rest = lines[start + 1..].iter();
    let follows = |line: &&str| line.is_empty() || line.starts_with('[') || key(line) > key(addition);
    let at = start + 1 + rest.clone().position(follows).unwrap_or(rest.len());
    lines.insert(at, addition);
    Ok(lines.join("\n") + "\n")
}

/// Appends the line `addition` to "Added" under the unreleased heading of `changelog`.
pub(crate) fn in_changelog(changelog: &str, addition: &str) -> Result<String> {
    const UNRELEASED: &str = "## Unreleased";
    const ADDED: &str = "### Added";
    let mut lines: Vec<_> = changelog.lines().collect();
    let is_release = |line: &&str| line.starts_with("## ");
    let below = |lines: &[&str], start: usize, is_end: &dyn Fn(&&str) -> bool| {
        start + lines[start..].iter().position(is_end).unwrap_or(lines.len() - start)
    };
    let unreleased = match lines.iter().position(|line| *line == UNRELEASED) {
        Some(unreleased) => unreleased,
        None => {
            let latest = below(&lines, 0, &is_release);
            lines.splice(latest..latest, [UNRELEASED, ""]);
            latest
        }
    };
    let end = below(&lines, unreleased + 1, &is_release);
    match lines[unreleased..end].iter().position(|line| *line == ADDED) {
        Some(added) => {
            let start = unreleased + added + 1;
            let end = below(&lines[..end], start, &|line| line.starts_with('#'));
            let last = lines[start..end].iter().rposition(|line| !line.is_empty());
            lines.insert(last.map_or(end, |last| start + last + 1), addition);
        }
        None => drop(lines.splice(unreleased + 1..unreleased + 1, ["", ADDED, "", addition])),
    }
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_inserted_before_the_last_of_its_kind() {
        assert_eq!(before_last("a {\n}\nb {\n}\n", "}", "    c,\n").unwrap(), "a {\n}\nb {\n    c,\n}\n");
        assert!(before_last("a", "}", "b").is_err());
    }

    #[test]
    fn a_line_is_inserted_in_its_sorted_place() {
        let text = "[a]\nz = 1\n\n[b]\nget-a = 1\nget-c.d = 1\nhttp.workspace = true\n\n[c]\n";
        for (line, before) in [
            ("archive = 1", "get-a = 1"),
            ("get = 1", "get-a = 1"),
            ("get-b = 1", "get-c.d"),
            ("get-c-d = 1", "http"),
            ("zebra = 1", "\n[c]"),
        ] {
            let inserted = sorted_below(text, "[b]", line).unwrap();
            assert_eq!(inserted, text.replacen(before, &format!("{line}\n{before}"), 1), "{line}");
        }
        assert_eq!(sorted_below("[b]\na = 1", "[b]", "c = 1").unwrap(), "[b]\na = 1\nc = 1\n");
        assert!(sorted_below("[a]\n", "[b]", "c = 1").is_err());
    }

    #[test]
    fn a_change_is_the_last_of_what_was_added() {
        let released = "## 0.1.0\n\n### Added\n\n- Old.\n";
        for (before, after) in [
            (
                "# Changelog\n\n## Unreleased\n\n### Added\n\n- A, which\n  is long.\n\n### Fixed\n\n- B.\n\n",
                "# Changelog\n\n## Unreleased\n\n### Added\n\n- A, which\n  is long.\n- New.\n\n### Fixed\n\n- B.\n\n",
            ),
            (
                "# Changelog\n\n## Unreleased\n\n### Fixed\n\n- B.\n\n",
                "# Changelog\n\n## Unreleased\n\n### Added\n\n- New.\n\n### Fixed\n\n- B.\n\n",
            ),
            ("# Changelog\n\n", "# Changelog\n\n## Unreleased\n\n### Added\n\n- New.\n\n"),
        ] {
            let (before, after) = (before.to_owned() + released, after.to_owned() + released);
            assert_eq!(in_changelog(&before, "- New.").unwrap(), after);
        }
        let only = "## Unreleased\n\n### Added\n\n- A.\n";
        assert_eq!(in_changelog(only, "- New.").unwrap(), format!("{only}- New.\n"));
    }

    #[test]
    fn nothing_is_written_before_all_is_possible() {
        let edits = |path: &str| {
            let mut edits = Edits::new(crate::root().as_path());
            edits.create("xtask/no-such-file", String::new())?;
            edits.create(path, String::new())
        };
        assert!(edits("xtask/another").is_ok());
        for path in ["xtask/no-such-file", "Cargo.toml"] {
            assert_eq!(edits(path).unwrap_err().to_string(), format!("{path} already exists"));
        }
        assert!(!crate::root().join("xtask/no-such-file").exists());
    }
}
