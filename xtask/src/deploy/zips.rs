//! A deployment of zips that `cargo xtask package` has made before: the same ones for every stage.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};

use crate::package::checksums;

/// template.yaml with zips in the place of binaries, in the root of the checkout: SAM looks for them, and for samconfig.toml,
/// from where the template is.
pub(super) const TEMPLATE: &str = "template.packaged.yaml";

/// The zip of a function.
pub(super) fn name(function: &str) -> String {
    format!("{function}.zip")
}

/// Fails unless `folder` has the zip of each function, as it was written.
pub(super) fn check(folder: &Path, functions: &[String]) -> Result<()> {
    let names: Vec<_> = functions.iter().map(|function| name(function)).collect();
    checksums::check(folder, names.iter().map(String::as_str))
}

/// Writes [`TEMPLATE`], whose code is the zips of `folder`.
pub(super) fn write_template(folder: &Path, functions: &[String]) -> Result<()> {
    let root = crate::root();
    let template = fs::read_to_string(root.join("template.yaml"))?;
    Ok(fs::write(root.join(TEMPLATE), with_zips(&template, folder, functions)?)?)
}

fn with_zips(template: &str, folder: &Path, functions: &[String]) -> Result<String> {
    let folder = folder.to_str().context("the folder's name is not UTF-8")?;
    let zips = |line: &str| {
        let (indent, binary) = line.split_once("CodeUri: target/lambda/")?;
        let is_known = functions.iter().any(|function| function == binary);
        is_known.then(|| format!("{indent}CodeUri: '{}/{}'", folder.replace('\'', "''"), name(binary)))
    };
    let lines: Vec<_> = template.lines().map(|line| zips(line).unwrap_or_else(|| line.to_owned())).collect();
    let replaced = lines.iter().zip(template.lines()).filter(|(new, old)| new != old).count();
    ensure!(
        replaced == functions.len() && !lines.iter().any(|line| line.contains("CodeUri: target/")),
        "template.yaml has other functions than functions/: `cargo xtask generate` renews it"
    );
    Ok(lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str =
        "A:\n  CodeUri: target/lambda/a\n  Role: x\nB: {}\nC:\n    CodeUri: target/lambda/b\n";

    fn packed(functions: &[&str]) -> Result<String> {
        let functions: Vec<_> = functions.iter().map(|&function| function.to_owned()).collect();
        with_zips(TEMPLATE, Path::new("/it's/dist"), &functions)
    }

    #[test]
    fn each_function_gets_its_zip_and_nothing_else_changes() {
        assert_eq!(
            packed(&["a", "b"]).unwrap(),
            "A:\n  CodeUri: '/it''s/dist/a.zip'\n  Role: x\nB: {}\nC:\n    CodeUri: '/it''s/dist/b.zip'\n"
        );
    }

    #[test]
    fn a_function_without_a_zip_or_a_zip_without_a_function_is_refused() {
        for functions in [&["a"][..], &["a", "b", "c"], &["a", "c"]] {
            let error = packed(functions).unwrap_err().to_string();
            assert!(error.starts_with("template.yaml has other functions"), "{error}");
        }
    }
}
