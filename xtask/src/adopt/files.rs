//! The text files of a checkout, and which of their lines keep the old name.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use super::spelling::Name;

/// Parts of the names of files about copyright and licences.
const NOTICES: [&str; 5] = ["LICENSE", "LICENCE", "NOTICE", "COPYING", "COPYRIGHT"];

/// A tracked text file.
#[derive(Debug)]
pub(super) struct File {
    /// The path relative to the root of the checkout, with `/` between folders.
    pub(super) path: String,
    pub(super) text: String,
}

impl File {
    /// The line numbers of the mentions of `name`, counted from 1; 0 is the path.
    pub(super) fn mentions<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = usize> + 'a {
        let in_path = std::iter::repeat_n(0, name.count(&self.path));
        let lines = self.text.lines().zip(1..).filter(|(line, _)| !is_notice(line));
        in_path.chain(lines.flat_map(|(line, number)| std::iter::repeat_n(number, name.count(line))))
    }

    /// The file with `new` instead of `old` everywhere, except in copyright lines.
    pub(super) fn renamed(&self, old: &Name, new: &Name) -> Self {
        let line = |line: &str| if is_notice(line) { line.to_owned() } else { old.replaced(line, new) };
        Self {
            path: old.replaced(&self.path, new),
            text: self.text.split_inclusive('\n').map(line).collect(),
        }
    }
}

/// Whether a line is a copyright notice.
pub(super) fn is_notice(line: &str) -> bool {
    line.contains('©') || line.to_ascii_lowercase().contains("copyright")
}

/// Whether the file at `path` is about copyright or licences.
pub(super) fn is_notices(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split(['.', '-', '_']).any(|part| NOTICES.contains(&part))
}

/// Every tracked text file of the checkout at `root`, except licences, notices and third-party files.
pub(super) fn tracked(root: &Path) -> Result<Vec<File>> {
    // Third-party files are marked in .gitattributes.
    let list = git(root, &["ls-files", "-z", "--", ".", ":(exclude,attr:linguist-vendored)"])?;
    let mut files = Vec::new();
    for path in list.split('\0').filter(|path| !path.is_empty() && !is_notices(path)) {
        let file = root.join(path);
        if !file.symlink_metadata().is_ok_and(|metadata| metadata.is_file()) {
            continue;
        }
        let bytes = fs::read(&file).with_context(|| format!("cannot read {path}"))?;
        // Binary files contain no name to replace.
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File { path: path.to_owned(), text });
        }
    }
    Ok(files)
}

/// Fails if the checkout at `root` has changed or untracked files.
pub(super) fn ensure_clean(root: &Path) -> Result<()> {
    let changed = git(root, &["status", "--porcelain", "--untracked-files=all", "--", "."])?;
    ensure!(
        changed.is_empty(),
        "these files are not committed:\n{changed}commit or stash them first: `adopt` changes hundreds of files, and you \
        can review its changes, or undo them with `git reset --hard`, only if nothing else has changed"
    );
    Ok(())
}

/// Replaces the file `before` by `after`.
pub(super) fn write(root: &Path, before: &File, after: &File) -> Result<()> {
    let cannot = |path: &Path| format!("cannot write {}", path.display());
    let (from, to) = (root.join(&before.path), root.join(&after.path));
    if before.text != after.text {
        // Overwrite the file, which keeps its mode.
        fs::write(&from, &after.text).with_context(|| cannot(&from))?;
    }
    if from != to {
        ensure!(!to.exists(), "{} already exists", after.path);
        let folder = to.parent().map(PathBuf::from).unwrap_or_default();
        fs::create_dir_all(&folder).with_context(|| cannot(&folder))?;
        fs::rename(&from, &to).with_context(|| cannot(&to))?;
        // Remove the folders that are now empty, innermost first.
        for folder in from.ancestors().skip(1).take_while(|folder| *folder != root) {
            if fs::remove_dir(folder).is_err() {
                break;
            }
        }
    }
    Ok(())
}

fn git(root: &Path, arguments: &[&str]) -> Result<String> {
    tools::output(Command::new("git").args(arguments).current_dir(root))
        .context("`adopt` works on files that git tracks, and this is not a git checkout")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_file_is_renamed_but_for_its_notices() {
        let before = file(
            "lib/quince-stack/quince.rs",
            "// Copyright 2026 the authors of Quince\n// © Quince\nconst NAME: &str = \"quince\";\r\nlet x; // Quince",
        );
        let after = before.renamed(&name("quince"), &name("medlar"));
        assert_eq!(after.path, "lib/medlar-stack/medlar.rs");
        assert_eq!(
            after.text,
            "// Copyright 2026 the authors of Quince\n// © Quince\nconst NAME: &str = \"medlar\";\r\nlet x; // Medlar"
        );
        assert_eq!(before.mentions(&name("quince")).collect::<Vec<_>>(), [0, 0, 3, 4]);
        assert_eq!(after.mentions(&name("quince")).count(), 0);
    }

    #[test]
    fn licences_and_notices_are_known_by_their_names() {
        for path in ["LICENSE", "LICENSE-APACHE", "a/NOTICE.md", "COPYING", "js/bundle.js.LICENSE.txt"] {
            assert!(is_notices(path), "{path}");
        }
        for path in ["notice.rs", "LICENSE/x.rs", "README.md", "NOTICES"] {
            assert!(!is_notices(path), "{path}");
        }
    }

    #[test]
    fn a_moved_file_leaves_no_empty_folder() {
        let root = tempfile::tempdir().unwrap();
        let before = file("a/quince/b/quince.rs", "quince");
        fs::create_dir_all(root.path().join("a/quince/b")).unwrap();
        fs::write(root.path().join(&before.path), &before.text).unwrap();
        write(root.path(), &before, &before.renamed(&name("quince"), &name("medlar"))).unwrap();
        assert_eq!(fs::read_to_string(root.path().join("a/medlar/b/medlar.rs")).unwrap(), "medlar");
        assert!(!root.path().join("a/quince").exists());
    }
}
