//! `cargo xtask audit`: what is known of the dependencies, by cargo-deny and `deny.toml`.

use std::process::Command;

use anyhow::Result;
use tools::python;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Leave out known vulnerabilities, whose list has to be fetched
    #[arg(long)]
    no_advisories: bool,
}

pub(crate) fn run(Arguments { no_advisories }: &Arguments) -> Result<()> {
    let programs = python::DELIVERY.install(crate::SAY)?;
    let mut deny = Command::new(programs.join("cargo-deny"));
    tools::without_cargo_variables(&mut deny);
    deny.current_dir(crate::root()).args(["--locked", "check"]);
    deny.args((!no_advisories).then_some("advisories")).args(["bans", "licenses", "sources"]);
    crate::run(&mut deny)
}
