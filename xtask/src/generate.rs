//! `cargo xtask generate`: builds and runs the program that generates files from the register.

use anyhow::Result;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write nothing; list outdated files and undeclared breaking changes, and fail if there are any
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
    // With the whole workspace's features, the same as every other build.
    crate::run(tools::cargo().args(["build", "--workspace", "--bin", "generate"]))?;
    let mut generate = std::process::Command::new(crate::target_folder()?.join("debug/generate"));
    crate::run(generate.args(option).current_dir(crate::root()))
}
