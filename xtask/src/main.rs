//! The project's commands: `cargo xtask dev`, `test`, `audit`, `bench`, `docs`, `package`, `deploy`, `fuzz`, `generate`,
//! `new`, `adopt`, `token` and `release-notes`.
//!
//! This crate depends on nothing of the project but its name and `tools`, so that it builds in seconds and a change to
//! the project never rebuilds it. Commands that need the rest of the project build and run a binary.

mod adopt;
mod audit;
mod bench;
mod deploy;
mod dev;
mod docs;
mod fuzz;
mod generate;
mod installed;
mod new;
mod new_resource;
mod package;
mod release_notes;
mod test;
mod token;

use std::{env, os::unix::process::CommandExt, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};
use clap::Parser;

/// The project's commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Arguments {
    /// Serve the whole API on this machine
    #[command(disable_help_flag = true)]
    Dev(dev::Arguments),
    /// Set up what the tests need, and run all of them
    Test(test::Arguments),
    /// Measure what the functions cost, compared with other implementations
    #[command(disable_help_flag = true)]
    Bench(bench::Arguments),
    /// Check the dependencies with cargo-deny: advisories, licences, duplicates and sources
    Audit(audit::Arguments),
    /// Build every function and pack it into a zip as deployed, with checksums
    Package(package::Arguments),
    /// Print the section of a version in CHANGELOG.md
    ReleaseNotes(release_notes::Arguments),
    /// Build the stack, deploy it to AWS, and test it with requests
    Deploy(deploy::Arguments),
    /// Generate the contract and the other files that depend on the register of operations
    Generate(generate::Arguments),
    /// Print every statement that a resource sends to the database
    Sql,
    /// Build the documentation as a site, and check its links
    Docs(docs::Arguments),
    /// Fuzz the code that reads input from outside, with libFuzzer
    Fuzz(fuzz::Arguments),
    /// Add an operation that builds, responds and passes every test
    New(new::Arguments),
    /// Add a whole resource: its table, its description and the standard operations
    NewResource(new_resource::Arguments),
    /// Rename the project throughout this checkout
    Adopt(adopt::Arguments),
    /// Print a token for `cargo xtask dev --auth cognito`
    #[command(disable_help_flag = true)]
    Token(token::Arguments),
    /// Print the name of the Rust toolchain that everything is built with, for `RUSTUP_TOOLCHAIN`
    Toolchain,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(pinned) = tools::toolchain(SAY)? {
        return rerun_with(&pinned);
    }
    match arguments {
        Arguments::Toolchain => toolchain(),
        Arguments::Dev(arguments) => dev::run(arguments),
        Arguments::Test(arguments) => test::run(arguments),
        Arguments::Bench(arguments) => bench::run(arguments),
        Arguments::Audit(arguments) => audit::run(&arguments),
        Arguments::Package(arguments) => package::run(&arguments),
        Arguments::ReleaseNotes(arguments) => release_notes::run(&arguments),
        Arguments::Deploy(arguments) => deploy::run(&arguments),
        Arguments::Generate(arguments) => generate::run(arguments),
        Arguments::Sql => generate::print_sql(),
        Arguments::Docs(arguments) => docs::run(&arguments),
        Arguments::Fuzz(arguments) => fuzz::run(&arguments),
        Arguments::New(arguments) => new::run(&arguments),
        Arguments::NewResource(arguments) => new_resource::run(&arguments),
        Arguments::Adopt(arguments) => adopt::run(&arguments),
        Arguments::Token(arguments) => token::run(arguments),
    }
}

/// Reports progress to the user.
const SAY: tools::Say<'static> = &|line| eprintln!("· {line}");

/// Runs this command again with the toolchain `pinned`: cargo and everything that it starts must be of the same
/// release.
fn rerun_with(pinned: &str) -> Result<()> {
    if env::var("RUSTUP_TOOLCHAIN").is_ok_and(|chosen| chosen == pinned) {
        bail!(
            "Rust {pinned} is required, and the rustc on the PATH is neither that release nor rustup's, which would select it"
        );
    }
    let mut command = Command::new("cargo");
    command.args(["xtask"]).args(env::args_os().skip(1)).env("RUSTUP_TOOLCHAIN", pinned);
    for name in ["CARGO", "RUSTC", "RUSTDOC"] {
        command.env_remove(name);
    }
    Err(command.exec()).with_context(|| format!("cannot run cargo of Rust {pinned}"))
}

/// Prints the toolchain in use, which has the pinned release.
fn toolchain() -> Result<()> {
    // rustup sets it for every program that it starts; without rustup there is only one toolchain.
    let name = env::var("RUSTUP_TOOLCHAIN").or_else(|_| tools::pinned_rust())?;
    println!("{name}");
    Ok(())
}

/// The root of the checkout.
fn root() -> PathBuf {
    tools::checkout().to_owned()
}

/// Cargo's target folder: this program is in `<target>/debug/`.
fn target_folder() -> Result<PathBuf> {
    let program = env::current_exe()?;
    let folder =
        program.parent().and_then(|folder| folder.parent()).context("no target folder above this program")?;
    Ok(folder.to_owned())
}

/// Prints a command, runs it in this terminal, and fails if it fails.
fn run(command: &mut Command) -> Result<()> {
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
    let line = format!("{} {}", command.get_program().to_string_lossy(), arguments.join(" "));
    eprintln!("$ {line}");
    let status = command.status().with_context(|| format!("cannot run {line}"))?;
    if !status.success() {
        bail!("{line} failed: {status}");
    }
    Ok(())
}
