//! `cargo xtask package`: a zip of each function, which is the same to the last byte wherever this commit is packed.

mod bill;
pub(crate) mod checksums;

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, ensure};
use tools::python;

use crate::{deploy::Profile, installed};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The folder that they are written to, which is new or empty
    #[arg(long)]
    output: PathBuf,
    /// Write a bill of materials beside each zip (CycloneDX)
    #[arg(long)]
    sbom: bool,
    /// The functions; all of the stack unless some are named
    functions: Vec<String>,
}

pub(crate) fn run(Arguments { output, sbom, functions }: &Arguments) -> Result<()> {
    let say = crate::SAY;
    let output = &crate::root().join(output);
    fs::create_dir_all(output).with_context(|| format!("cannot make {}", output.display()))?;
    ensure!(
        fs::read_dir(output)?.next().is_none(),
        "{} is not empty: it would mix what was packed before with what is packed now",
        output.display()
    );
    let all = crate::deploy::functions()?;
    let functions = if functions.is_empty() { &all } else { functions };

    python::DEPLOY.install(say)?;
    tools::arm64_target(say)?;
    installed::AUDITABLE.install()?;
    crate::run(&mut crate::deploy::build(Profile::Release, functions.iter().map(String::as_str))?)?;
    crate::run(tools::cargo().args(["build", "--workspace", "--bin", "zips"]))?;
    let mut pack = Command::new(crate::target_folder()?.join("debug/zips"));
    crate::run(pack.arg(crate::root().join("target/lambda")).arg(output).args(functions))?;
    if *sbom {
        bill::write(functions, output)?;
    }
    checksums::write(output)
}
