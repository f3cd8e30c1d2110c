//! `cargo xtask audit`: what is known of the dependencies, by cargo-deny and `deny.toml`.

use std::{path::PathBuf, process::Command};

use anyhow::Result;
use tools::python;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Leave out known vulnerabilities, whose list has to be fetched
    #[arg(long)]
    no_advisories: bool,
    /// Rules in place of those of deny.toml
    #[arg(long, value_name = "FILE", hide = true, default_value = "deny.toml")]
    config: PathBuf,
}

pub(crate) fn run(Arguments { no_advisories, config }: &Arguments) -> Result<()> {
    let programs = python::DELIVERY.install(crate::SAY)?;
    let mut deny = Command::new(programs.join("cargo-deny"));
    tools::without_cargo_variables(&mut deny);
    deny.current_dir(crate::root()).args(["--locked", "--config"]).arg(config).arg("check");
    deny.args((!no_advisories).then_some("advisories")).args(["bans", "licenses", "sources"]);
    crate::run(&mut deny)
}
