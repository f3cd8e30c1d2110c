//! `cargo xtask generate`: builds and runs the program that writes what follows from the register.

use anyhow::Result;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write nothing; name the files that are out of date, and undeclared changes that break clients, and fail
    #[arg(long)]
    pub(crate) check: bool,
}

pub(crate) fn run(Arguments { check }: Arguments) -> Result<()> {
    generate(check.then_some("--check"))
}

/// Prints the statements of all resources.
pub(crate) fn print_sql() -> Result<()> {
    generate(Some("--sql"))
}

fn generate(option: Option<&str>) -> Result<()> {
    // With the features of the whole workspace, as everything else is built.
    crate::run(tools::cargo().args(["build", "--workspace", "--bin", "generate"]))?;
    let mut generate = std::process::Command::new(crate::target_folder()?.join("debug/generate"));
    crate::run(generate.args(option).current_dir(crate::root()))
}
