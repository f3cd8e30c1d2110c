//! `cargo xtask release-notes`: what CHANGELOG.md says of a version.

use std::fs;

use anyhow::{Context, Result, ensure};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The tag of the release, such as v1.2.0
    tag: String,
}

pub(crate) fn run(Arguments { tag }: &Arguments) -> Result<()> {
    let version = tag.strip_prefix('v').unwrap_or(tag);
    let read = |name: &str| fs::read_to_string(crate::root().join(name));
    let manifest: toml::Table = read("Cargo.toml")?.parse()?;
    let built = manifest.get("workspace").and_then(|it| it.get("package")?.get("version")?.as_str());
    ensure!(
        built == Some(version),
        "Cargo.toml has version {}, not that of the tag {tag}",
        built.unwrap_or("none")
    );
    let changelog = read("CHANGELOG.md")?;
    let notes = section(&changelog, version).with_context(|| {
        format!(
            "CHANGELOG.md has nothing about {version}: `## Unreleased` becomes `## {version}` in a release"
        )
    })?;
    println!("{notes}");
    Ok(())
}

/// What stands under the heading of `version`, which may be in brackets or be followed by a date; none if that is nothing.
fn section<'a>(changelog: &'a str, version: &str) -> Option<&'a str> {
    let is_of_version = |heading: &str| {
        let words = heading.split_whitespace().next().unwrap_or_default();
        words.trim_matches(['[', ']']) == version
    };
    let sections = changelog.split("\n## ").skip(1);
    let (_, notes) =
        sections.filter_map(|it| it.split_once('\n')).find(|(heading, _)| is_of_version(heading))?;
    Some(notes.trim()).filter(|notes| !notes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGELOG: &str = "# Changelog\n\n## Unreleased\n\n- c\n\n## [1.1.0] - 2026-11-27\n\n### Added\n\n- b\n\n\
                             ## 1.0.0\n\n- a\n\n## 0.9.0\n";

    #[test]
    fn a_version_has_what_stands_under_its_heading() {
        assert_eq!(section(CHANGELOG, "1.1.0"), Some("### Added\n\n- b"));
        assert_eq!(section(CHANGELOG, "1.0.0"), Some("- a"));
    }

    #[test]
    fn a_version_without_a_section_or_with_an_empty_one_has_no_notes() {
        for version in ["1.1", "1.0.00", "0.9.0", "2.0.0", ""] {
            assert_eq!(section(CHANGELOG, version), None, "{version}");
        }
    }

    #[test]
    fn a_tag_of_another_version_than_the_one_that_is_built_is_refused() {
        let error = run(&Arguments { tag: "v999.0.0".to_owned() }).unwrap_err().to_string();
        assert!(error.ends_with("not that of the tag v999.0.0"), "{error}");
    }
}
