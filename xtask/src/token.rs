//! `cargo xtask token`: builds and runs the program that prints a token.

use std::ffi::OsString;

use anyhow::{Result, bail};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Options of the program; --help lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<OsString>,
}

pub(crate) fn run(Arguments { options }: Arguments) -> Result<()> {
    let mut cargo = tools::cargo();
    // Only the token goes to standard output, so that a shell can assign it to a variable.
    cargo.args(["run", "--quiet", "--package", "local", "--bin", "token", "--"]).args(options);
    if !cargo.status()?.success() {
        bail!("cannot print a token");
    }
    Ok(())
}
