//! The commands of a deployment, and how to print them.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use tools::python;

/// The command for a tool of the deployment, with the other tools on its PATH.
pub(super) fn tool(name: &str) -> Result<Command> {
    // What is not among them is installed elsewhere.
    let program = if name == "npm" { PathBuf::from(name) } else { programs().join(name) };
    tool_at(&program)
}

fn programs() -> PathBuf {
    tools::folder().join(python::DEPLOY.name).join("bin")
}

/// The command for `program`, with the tools of the deployment on its PATH.
pub(super) fn tool_at(program: &Path) -> Result<Command> {
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(std::iter::once(programs()).chain(env::split_paths(&path)))
        .context("the PATH has an invalid folder")?;
    let mut command = Command::new(program);
    command.current_dir(crate::root()).env("PATH", path).env("SAM_CLI_TELEMETRY", "0");
    command.envs(tools::private_toolchain());
    tools::without_cargo_variables(&mut command);
    // Some tools read only one of these two variables.
    if let Some(region) = env::var_os("AWS_REGION").or_else(|| env::var_os("AWS_DEFAULT_REGION")) {
        command.env("AWS_REGION", &region).env("AWS_DEFAULT_REGION", region);
    }
    Ok(command)
}

/// `command` in the syntax of a shell, relative to the root of the checkout.
pub(super) fn shown(command: &Command) -> String {
    let root = crate::root();
    let program = PathBuf::from(command.get_program());
    let program = program.strip_prefix(&root).unwrap_or(&program).display().to_string();
    let words = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    std::iter::once(program).chain(words).map(quoted).collect::<Vec<_>>().join(" ")
}

fn quoted(word: String) -> String {
    let is_plain = |character: char| character.is_ascii_alphanumeric() || "-_./=:,@%+".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word;
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
