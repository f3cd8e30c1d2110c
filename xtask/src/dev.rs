//! `cargo xtask dev`: builds every binary, then replaces itself by the local environment.

use std::{ffi::OsString, os::unix::process::CommandExt, process::Command};

use anyhow::{Context, Result};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Options of the local environment; --help lists them. `--release` builds the binaries as for deployment
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<OsString>,
}

pub(crate) fn run(Arguments { mut options }: Arguments) -> Result<()> {
    let release = options.iter().position(|option| option == "--release").map(|index| options.remove(index));
    let mut build = tools::cargo();
    build.args(["build", "--workspace", "--bins"]).args(release.as_ref());
    crate::run(&mut build)?;

    let program =
        crate::target_folder()?.join(if release.is_some() { "release" } else { "debug" }).join("local");
    let failure = Command::new(&program).args(options).current_dir(crate::root()).exec();
    Err(failure).with_context(|| format!("cannot run {}", program.display()))
}
