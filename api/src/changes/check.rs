//! Compares the contract with that of the last tag, and with the declarations in the changelog.

use std::{
    fmt, fs,
    path::Path,
    process::{Command, Output},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{Change, breaking};

/// The paths of the contract; the document with simpler schemas first.
const DOCUMENTS: [&str; 2] = ["api/openapi-3.0.json", "api/openapi.json"];

const CHANGELOG: &str = "CHANGELOG.md";

/// The result of a passed check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// There is no contract to compare with, for this reason.
    NothingToCompare(String),
    /// The contract was compared with that of a tag.
    Compared {
        /// The compared tag.
        tag: String,
        /// The breaking changes, all of them declared.
        declared: Vec<Change>,
    },
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingToCompare(reason) => write!(f, "nothing to compare the contract with: {reason}"),
            Self::Compared { tag, declared } if declared.is_empty() => {
                write!(f, "the contract breaks no client of {tag}")
            }
            Self::Compared { tag, declared } => {
                write!(f, "the contract breaks clients of {tag} as {CHANGELOG} declares:")?;
                declared.iter().try_for_each(|change| write!(f, "\n  {change}"))
            }
        }
    }
}

/// Compares the contract of the checkout at `root` with that of the last tag `v*` before it. Every operation
/// with a breaking change must be listed under `## Unreleased`, `### Breaking` of the changelog, in a line
/// such as `- getProduct: what a client has to do`.
///
/// # Errors
/// If one is missing, with the line to add; if git is missing, or a document cannot be read.
pub fn check(root: &Path) -> Result<Report> {
    let Some(tag) = last_tag(root)? else {
        return Ok(Report::NothingToCompare("there is no tag v* before this commit".to_owned()));
    };
    let Some((name, old)) = DOCUMENTS.into_iter().find_map(|name| Some((name, show(root, &tag, name)?)))
    else {
        return Ok(Report::NothingToCompare(format!("{tag} has no {}", DOCUMENTS.join(" or "))));
    };
    let old: Value = serde_json::from_slice(&old).with_context(|| format!("{name} of {tag}"))?;
    let new =
        fs::read(root.join(name)).with_context(|| format!("{tag} has {name}, but the checkout does not"))?;
    let new: Value = serde_json::from_slice(&new).with_context(|| name.to_owned())?;

    let changes = breaking(&old, &new);
    let changelog = fs::read_to_string(root.join(CHANGELOG)).unwrap_or_default();
    let declared = declared_operations(&changelog);
    let undeclared: Vec<_> =
        changes.iter().filter(|change| !declared.contains(&change.operation.as_str())).collect();
    if undeclared.is_empty() {
        return Ok(Report::Compared { tag, declared: changes });
    }
    let list: Vec<_> = undeclared.iter().map(|change| format!("  {change}")).collect();
    let mut lines: Vec<_> =
        undeclared.iter().map(|change| suggestion(&undeclared, &change.operation)).collect();
    lines.dedup();
    bail!(
        "the contract breaks clients of {tag}, and {CHANGELOG} does not say so:\n{}\n\
         If this is intended, declare it under `## Unreleased`, `### Breaking`, with what a client has to do:\n{}",
        list.join("\n"),
        lines.join("\n")
    )
}

/// The line that declares the changes of `operation`.
fn suggestion(changes: &[&Change], operation: &str) -> String {
    let changes = changes.iter().filter(|change| change.operation == operation);
    let sentences: Vec<_> = changes.map(|change| change.sentence.as_str()).collect();
    format!("  - {operation}: {}", sentences.join("; "))
}

/// The operations at the start of each line under `## Unreleased`, `### Breaking`, separated by commas.
fn declared_operations(changelog: &str) -> Vec<&str> {
    let (mut is_unreleased, mut is_breaking) = (false, false);
    let mut operations = Vec::new();
    for line in changelog.lines() {
        if let Some(title) = line.strip_prefix("### ") {
            is_breaking = title.trim().eq_ignore_ascii_case("breaking");
        } else if let Some(title) = line.strip_prefix("## ") {
            let title = title.trim().trim_start_matches('[').trim_end_matches(']');
            (is_unreleased, is_breaking) = (title.eq_ignore_ascii_case("unreleased"), false);
        } else if is_unreleased
            && is_breaking
            && let Some((names, _)) = line.strip_prefix("- ").and_then(|entry| entry.split_once(':'))
        {
            operations.extend(names.split(',').map(|name| name.trim().trim_matches('`')));
        }
    }
    operations
}

/// The last tag `v*` at or before the commit of `root`.
fn last_tag(root: &Path) -> Result<Option<String>> {
    let inside = git(root, &["rev-parse", "--is-inside-work-tree"])?;
    ensure!(inside.status.success(), "{} is not a git checkout", root.display());
    let tag = git(root, &["describe", "--tags", "--abbrev=0", "--match", "v*"])?;
    // It fails if there is no tag.
    Ok(tag.status.success().then(|| String::from_utf8_lossy(&tag.stdout).trim().to_owned()))
}

/// The file `name` at `tag`; `None` if it does not exist.
fn show(root: &Path, tag: &str, name: &str) -> Option<Vec<u8>> {
    let shown = git(root, &["show", &format!("{tag}:{name}")]).ok()?;
    shown.status.success().then_some(shown.stdout)
}

fn git(root: &Path, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new("git");
    // In a git hook, these variables would select another repository.
    command.arg("-C").arg(root).args(arguments).env_remove("GIT_DIR").env_remove("GIT_WORK_TREE");
    command.output().context("the check of the contract needs git")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// An empty repository.
    fn repository() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        git_in(&folder, &["init", "--quiet"]);
        folder
    }

    fn git_in(folder: &tempfile::TempDir, arguments: &[&str]) {
        let who = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"];
        let done = git(folder.path(), &[&who, arguments].concat()).unwrap();
        assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Writes a contract with one operation, which returns `members`.
    fn write(folder: &tempfile::TempDir, members: &[&str]) {
        let members: serde_json::Map<_, _> =
            members.iter().map(|name| ((*name).to_owned(), json!({"type": "string"}))).collect();
        let content = json!({"application/json": {"schema": {"type": "object", "properties": members}}});
        let operation = json!({"operationId": "getCup", "responses": {"200": {"content": content}}});
        fs::create_dir_all(folder.path().join("api")).unwrap();
        let contract = json!({"openapi": "3.0.3", "paths": {"/cups": {"get": operation}}});
        fs::write(folder.path().join(DOCUMENTS[0]), contract.to_string()).unwrap();
    }

    fn commit(folder: &tempfile::TempDir) {
        git_in(folder, &["add", "."]);
        git_in(folder, &["commit", "--quiet", "--message", "Fire the kiln"]);
    }

    #[test]
    fn breaking_changes_since_the_last_tag_must_be_declared() {
        let folder = repository();
        write(&folder, &["glaze", "name"]);
        commit(&folder);
        assert_eq!(
            check(folder.path()).unwrap().to_string(),
            "nothing to compare the contract with: there is no tag v* before this commit"
        );

        git_in(&folder, &["tag", "v1.0.0"]);
        git_in(&folder, &["tag", "other"]);
        let unbroken = "the contract breaks no client of v1.0.0";
        assert_eq!(check(folder.path()).unwrap().to_string(), unbroken);
        write(&folder, &["glaze", "name", "weight"]);
        assert_eq!(check(folder.path()).unwrap().to_string(), unbroken);

        write(&folder, &["name"]);
        commit(&folder);
        let change = "getCup: the member `glaze` of the response 200 is gone";
        let pointer = "(/paths/~1cups/get/responses/200/content/application~1json/schema/properties/glaze)";
        let refusal = check(folder.path()).unwrap_err().to_string();
        assert_eq!(
            refusal,
            format!(
                "the contract breaks clients of v1.0.0, and CHANGELOG.md does not say so:\n  {change} {pointer}\n\
                 If this is intended, declare it under `## Unreleased`, `### Breaking`, with what a client has to do:\n\
                 \x20 - {change}"
            )
        );

        let changelog = folder.path().join(CHANGELOG);
        fs::write(&changelog, "## Unreleased\n\n### Breaking\n\n- getBowl: another\n").unwrap();
        assert_eq!(check(folder.path()).unwrap_err().to_string(), refusal);
        fs::write(&changelog, format!("## Unreleased\n\n### Breaking\n\n- {change}\n")).unwrap();
        let declared = check(folder.path()).unwrap().to_string();
        assert_eq!(
            declared,
            format!("the contract breaks clients of v1.0.0 as CHANGELOG.md declares:\n  {change} {pointer}")
        );

        git_in(&folder, &["tag", "v2.0.0"]);
        fs::remove_file(&changelog).unwrap();
        assert_eq!(check(folder.path()).unwrap().to_string(), "the contract breaks no client of v2.0.0");
    }

    #[test]
    fn a_tag_without_a_contract_is_nothing_to_compare_with() {
        let folder = repository();
        fs::write(folder.path().join("README"), "cups").unwrap();
        commit(&folder);
        git_in(&folder, &["tag", "v0.1.0"]);
        write(&folder, &["name"]);
        assert_eq!(
            check(folder.path()).unwrap().to_string(),
            "nothing to compare the contract with: v0.1.0 has no api/openapi-3.0.json or api/openapi.json"
        );
    }

    #[test]
    fn a_contract_that_is_gone_is_an_error() {
        let folder = repository();
        write(&folder, &["name"]);
        commit(&folder);
        git_in(&folder, &["tag", "v1.0.0"]);
        fs::remove_file(folder.path().join(DOCUMENTS[0])).unwrap();
        let error = check(folder.path()).unwrap_err().to_string();
        assert_eq!(error, "v1.0.0 has api/openapi-3.0.json, but the checkout does not");
    }

    #[test]
    fn declarations_are_lines_of_the_right_section() {
        let changelog = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- getLamp: new\n\n### Breaking\n\n\
            - `getCup`, getBowl: no `glaze`\n- words without a name\n\n## [1.0.0]\n\n### Breaking\n\n- getPlate: gone\n";
        assert_eq!(declared_operations(changelog), ["getCup", "getBowl"]);
        assert_eq!(declared_operations("## Unreleased\n### Breaking\n- GET /cups: gone"), ["GET /cups"]);
        assert!(declared_operations("").is_empty());
    }
}
