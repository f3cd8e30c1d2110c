//! `cargo xtask fuzz`: coverage-guided fuzzing of the code that reads input from outside, with libFuzzer.

use std::{ffi::OsString, fs, path::Path, process::Command};

use anyhow::{Context, Result, bail, ensure};

use crate::installed;

/// The maximum length of an input: a body over the size limit with its event.
const MAX_BYTES: u32 = 80_000;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A target in tests/fuzz/targets; by default all of them, one after the other
    target: Option<String>,
    /// How long each target runs
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let root = crate::root();
    let fuzz = root.join("tests/fuzz");
    let targets = chosen(targets(&fuzz)?, arguments.target.as_deref())?;
    let has_nightly = Command::new("rustup").args(["run", "nightly", "rustc", "--version"]).output();
    ensure!(
        has_nightly.is_ok_and(|output| output.status.success()),
        "fuzzing requires a nightly toolchain, whose compiler measures which code an input reaches: \
         rustup toolchain install nightly --profile minimal"
    );
    let cargo_fuzz = installed::FUZZ.install()?;
    // The same dependency versions as the functions'.
    fs::copy(root.join("Cargo.lock"), fuzz.join("Cargo.lock"))?;
    for target in &targets {
        crate::run(&mut libfuzzer(&cargo_fuzz, &root, target, arguments.seconds)?).with_context(|| {
            format!(
                "{target} fails on the input in .local/fuzz/artifacts/{target}: add it to FAILED_ONCE in \
                 shared/src/fuzz/tests.rs, then fix the fault"
            )
        })?;
    }
    Ok(())
}

/// The targets that have a file, in alphabetical order.
fn targets(fuzz: &Path) -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for entry in fs::read_dir(fuzz.join("targets"))? {
        if let Some(name) = entry?.path().file_stem() {
            targets.push(name.to_string_lossy().into_owned());
        }
    }
    targets.sort();
    Ok(targets)
}

fn chosen(targets: Vec<String>, target: Option<&str>) -> Result<Vec<String>> {
    match target {
        None => Ok(targets),
        Some(target) if targets.iter().any(|name| name == target) => Ok(vec![target.to_owned()]),
        Some(target) => bail!("there is no target {target}: {}", targets.join(", ")),
    }
}

/// The command that runs `target` for `seconds`. New inputs are stored in `.local/fuzz`; the seeds stay unchanged.
fn libfuzzer(cargo_fuzz: &Path, root: &Path, target: &str, seconds: u32) -> Result<Command> {
    let work = root.join(".local/fuzz");
    let (corpus, artifacts) = (work.join("corpus").join(target), work.join("artifacts").join(target));
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&artifacts)?;
    let mut command = Command::new(cargo_fuzz);
    command.current_dir(root).env("RUSTUP_TOOLCHAIN", "nightly").env_remove("CARGO");
    command.args(["run", "--fuzz-dir", "tests/fuzz", "--target-dir"]).arg(work.join("target"));
    // There is no unsafe code, and without the address sanitizer far more inputs are tried.
    command
        .args(["--sanitizer", "none", target])
        .args([&corpus, &root.join("tests/fuzz/seeds").join(target)]);
    if target == "event" {
        command.arg(root.join("events"));
    }
    let mut prefix = OsString::from("-artifact_prefix=");
    prefix.push(artifacts.join(""));
    command.arg("--").arg(prefix).arg(format!("-max_total_time={seconds}"));
    command.arg(format!("-max_len={MAX_BYTES}")).args(["-timeout=10", "-print_final_stats=1"]);
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_seeds_and_is_built() {
        let fuzz = crate::root().join("tests/fuzz");
        let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
        let targets = targets(&fuzz).unwrap();
        assert!(targets.len() >= 5, "{targets:?}");
        for target in targets {
            assert!(manifest.contains(&format!("path = \"targets/{target}.rs\"")), "{target} is not built");
            assert!(fs::read_dir(fuzz.join("seeds").join(&target)).unwrap().next().is_some(), "{target}");
        }
    }

    #[test]
    fn an_unknown_target_is_told_the_known_ones() {
        let targets = || vec!["cursor".to_owned(), "event".to_owned()];
        assert_eq!(chosen(targets(), None).unwrap(), targets());
        assert_eq!(chosen(targets(), Some("event")).unwrap(), ["event"]);
        assert_eq!(
            chosen(targets(), Some("evnt")).unwrap_err().to_string(),
            "there is no target evnt: cursor, event"
        );
    }
}
