//! A stage of the stack: its parameters in `samconfig.toml`, and the revision, whose change publishes new function
//! versions.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// The length of the revision: long enough to make collisions negligible.
const REVISION_BYTES: usize = 8;

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
pub(super) enum Stage {
    Dev,
    Staging,
    Prod,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dev => "dev",
            Self::Staging => "staging",
            Self::Prod => "prod",
        })
    }
}

/// The parameters of a stage in `samconfig.toml`, each as `Name=value`.
pub(super) fn parameters(stage: Stage) -> Result<Vec<String>> {
    let text = fs::read_to_string(crate::root().join("samconfig.toml"))?;
    let config: toml::Table = text.parse().context("samconfig.toml")?;
    let stage = stage.to_string();
    let mut listed = config.get(&stage);
    for name in ["deploy", "parameters", "parameter_overrides"] {
        listed = listed.and_then(|table| table.get(name));
    }
    let listed = listed.and_then(toml::Value::as_array);
    let listed =
        listed.and_then(|pairs| pairs.iter().map(|pair| pair.as_str().map(ToOwned::to_owned)).collect());
    listed.with_context(|| {
        format!("samconfig.toml: [{stage}.deploy.parameters] has no list of strings parameter_overrides")
    })
}

/// The revision of the stage in this checkout: a hash of template.yaml, of `parameters`, and of `code`, the file of each
/// function.
pub(super) fn revision(parameters: &[String], code: &BTreeMap<String, PathBuf>) -> Result<String> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let template = read(&crate::root().join("template.yaml"))?;
    let binaries = code.iter().map(|(name, path)| Ok((name.clone(), read(path)?))).collect::<Result<_>>()?;
    Ok(hash(&template, parameters, &binaries))
}

fn hash(template: &[u8], parameters: &[String], binaries: &BTreeMap<String, Vec<u8>>) -> String {
    let mut parameters: Vec<_> = parameters.iter().map(String::as_bytes).collect();
    parameters.sort_unstable();
    let mut hash = Sha256::new();
    // Hash each part with its length, so that different divisions into parts differ.
    let mut add = |part: &[u8]| {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    };
    add(template);
    add(&parameters.len().to_le_bytes());
    parameters.into_iter().for_each(&mut add);
    for (name, binary) in binaries {
        add(name.as_bytes());
        add(binary);
    }
    hash.finalize().iter().take(REVISION_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &[u8] = b"Resources: {}";

    fn binaries(contents: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        contents.iter().map(|(name, binary)| ((*name).to_owned(), binary.as_bytes().to_owned())).collect()
    }

    #[test]
    fn every_stage_has_parameters() {
        for stage in [Stage::Dev, Stage::Staging, Stage::Prod] {
            let parameters = parameters(stage).unwrap();
            assert!(parameters.contains(&format!("Stage={stage}")), "{parameters:?}");
        }
    }

    #[test]
    fn each_parameter_changes_the_revision_and_their_order_does_not() {
        for stage in [Stage::Dev, Stage::Staging, Stage::Prod] {
            let given = parameters(stage).unwrap();
            let binaries = binaries(&[("get-product", "code")]);
            let revision = hash(TEMPLATE, &given, &binaries);
            assert_eq!(revision.len(), 16);
            for index in 0..given.len() {
                let mut changed = given.clone();
                changed[index].push('1');
                assert_ne!(hash(TEMPLATE, &changed, &binaries), revision, "{}", given[index]);
                changed.remove(index);
                assert_ne!(hash(TEMPLATE, &changed, &binaries), revision, "without {}", given[index]);
            }
            let reversed: Vec<_> = given.iter().rev().cloned().collect();
            assert_eq!(hash(TEMPLATE, &reversed, &binaries), revision);
        }
    }

    #[test]
    fn each_binary_and_the_template_change_the_revision() {
        let code = [("get-product", "code"), ("list-products", "code")];
        let revision = hash(TEMPLATE, &[], &binaries(&code));
        assert_eq!(revision, hash(TEMPLATE, &[], &binaries(&[code[1], code[0]])));
        assert_ne!(revision, hash(b"Resources: {A: {}}", &[], &binaries(&code)));
        for changed in [
            &[("get-product", "changed"), code[1]][..],
            &[code[0], ("list-products", "changed")],
            &[code[0]],
            &[("get-product", "codelist-products"), ("", "code")],
        ] {
            assert_ne!(revision, hash(TEMPLATE, &[], &binaries(changed)), "{changed:?}");
        }
    }

    #[test]
    fn a_function_that_has_not_been_built_is_named() {
        let code =
            BTreeMap::from([("it".to_owned(), PathBuf::from("target/lambda/no-such-function/bootstrap"))]);
        let error = revision(&[], &code).unwrap_err();
        assert_eq!(error.to_string(), "cannot read target/lambda/no-such-function/bootstrap");
    }
}
