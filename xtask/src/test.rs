//! `cargo xtask test`: everything that the tests need, then all tests.

use std::ffi::OsString;

use anyhow::Result;

/// How long each fuzz target is driven; plain `cargo test` takes a second.
const FUZZ_SECONDS: &str = "60";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run the long variants of the fault tests, which take minutes
    #[arg(long)]
    large: bool,
    /// Passed on to the test binaries, such as the name of a test or --nocapture
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    filters: Vec<OsString>,
}

pub(crate) fn run(Arguments { large, filters }: Arguments) -> Result<()> {
    crate::setup::clients()?;
    crate::setup::browser()?;
    crate::setup::contract()?;
    crate::setup::cdk()?;
    crate::setup::deployment()?;
    crate::setup::deployment_checks()?;
    // One build of everything: the black-box tests run the very binaries that it makes.
    crate::run(crate::cargo().args(["build", "--workspace", "--all-targets"]))?;
    // What is deployed, of one function; the tests look at it, and would wait for it.
    crate::run(&mut crate::deploy::build("dev", &["get-product"])?)?;
    // Not the functions' binaries: their tests are in their libraries.
    let targets = ["--lib", "--bin", "xtask", "--test", "*"];
    let mut test = crate::cargo();
    test.args(["test", "--workspace"]).args(targets).arg("--").args(filters);
    if std::env::var_os("ATELIER_FUZZ_SECONDS").is_none() {
        test.env("ATELIER_FUZZ_SECONDS", FUZZ_SECONDS);
    }
    if large {
        test.env("ATELIER_LARGE", "1");
    }
    crate::run(&mut test)
}
