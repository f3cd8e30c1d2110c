//! `cargo xtask deploy`: builds the stack, deploys a stage of `samconfig.toml` or of the CDK app, and calls it.

use std::{env, ffi::OsString, fmt, fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};

use tools::{
    ARM64,
    python::{self, Packages},
};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// One of the stages of samconfig.toml, which are those of the CDK app
    #[arg(long)]
    stage: Stage,
    /// What deploys: `sam` from template.yaml, or `cdk` from cdk/
    #[arg(long, default_value = "sam")]
    with: Tool,
    /// Show every command and run none
    #[arg(long)]
    dry_run: bool,
    /// Do not ask before prod changes, as in a pipeline that has asked somebody
    #[arg(long)]
    yes: bool,
    /// Passed on to `sam deploy` or `cdk deploy`, such as --role-arn
    #[arg(last = true)]
    options: Vec<OsString>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Stage {
    Dev,
    Staging,
    Prod,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Tool {
    Sam,
    Cdk,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dev => "dev",
            Self::Staging => "staging",
            Self::Prod => "prod",
        })
    }
}

/// A command, and what it is for.
struct Step {
    why: &'static str,
    command: Command,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.dry_run {
        for Step { why, command } in installation(arguments.with).into_iter().chain(steps(arguments)?) {
            println!("# {why}\n{}", shown(&command));
        }
        return Ok(());
    }
    if !has_region() {
        bail!("AWS_REGION is not set: say where to deploy to, such as AWS_REGION=eu-central-1");
    }
    let say = crate::SAY;
    python::DEPLOY.install(say)?;
    tools::arm64_target(say)?;
    if arguments.with == Tool::Cdk {
        tools::node_modules(&crate::root().join("cdk"), say)?;
    }
    for Step { why, mut command } in steps(arguments)? {
        eprintln!("· {why}");
        crate::run(&mut command)?;
    }
    Ok(())
}

/// How SAM builds functions of the stack; all of them if none is named.
pub(crate) fn build(stage: &str, functions: &[&str]) -> Result<Command> {
    let mut sam = tool("sam")?;
    sam.args(["build", "--config-env", stage]).args(functions);
    Ok(sam)
}

/// What [`run`] installs where it is missing.
fn installation(with: Tool) -> Vec<Step> {
    let venv = format!(".local/tools/{}", python::DEPLOY.name);
    let mut create = Command::new("python3");
    create.args(["-m", "venv", "--clear", &venv]);
    let mut install = Command::new(format!("{venv}/bin/python"));
    let (Packages::Listed(packages) | Packages::One(packages)) = python::DEPLOY.packages;
    install.args(["-m", "pip", "install", "--requirement", packages]);
    let mut target = Command::new("rustup");
    target.args(["target", "add", ARM64]);
    let mut steps = vec![
        Step { why: "a place for the tools, once", command: create },
        Step { why: "the tools, in the releases that were tested", command: install },
        Step { why: "the processor of the functions", command: target },
    ];
    if with == Tool::Cdk {
        let mut modules = Command::new("npm");
        modules.args(["ci", "--prefix", "cdk"]);
        steps.push(Step { why: "the app and its library", command: modules });
    }
    steps
}

fn steps(arguments: &Arguments) -> Result<Vec<Step>> {
    let stage = arguments.stage.to_string();
    let mut steps = match arguments.with {
        Tool::Sam => sam_steps(arguments, &stage)?,
        Tool::Cdk => cdk_steps(arguments, &stage)?,
    };
    let mut smoke = tool("python")?;
    smoke.arg("tests/deploy/smoke.py");
    match arguments.with {
        Tool::Sam => smoke.args(["--stage", &stage]),
        Tool::Cdk => smoke.args(["--stack", &cdk_stack(&stage)]),
    };
    steps.push(Step { why: "call the API with signed requests, and print its URL", command: smoke });
    Ok(steps)
}

fn cdk_steps(Arguments { stage, yes, options, .. }: &Arguments, name: &str) -> Result<Vec<Step>> {
    let mut build = tool("cargo-lambda")?;
    build.args(["lambda", "build", "--release", "--arm64"]);
    for function in functions()? {
        build.args(["--bin", &function]);
    }
    // npm runs it in the folder of the app.
    let mut deploy = tool("npm")?;
    let approval = if matches!(stage, Stage::Prod) && !yes { "any-change" } else { "never" };
    deploy.args(["run", "--prefix", "cdk", "deploy", "--", &cdk_stack(name)]);
    deploy.args(["--require-approval", approval]).args(options);
    Ok(vec![
        Step { why: "every function, for arm64", command: build },
        Step {
            why: "the stack: first it migrates the database, then it shifts traffic, and back again on an alarm",
            command: deploy,
        },
    ])
}

/// The stack of the CDK app's stage: not that of SAM's, whose resources have other logical ids, so that CloudFormation
/// would replace all of them.
fn cdk_stack(stage: &str) -> String {
    format!("atelier-cdk-{stage}")
}

/// The functions of the stack: every folder of `functions/` but that of the one which holds all of them.
fn functions() -> Result<Vec<String>> {
    let folders = fs::read_dir(crate::root().join("functions"))?;
    let names = folders.map(|folder| Ok(folder?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<Result<Vec<_>>>()?;
    names.retain(|name| name != "router");
    names.sort();
    Ok(names)
}

fn sam_steps(Arguments { yes, options, .. }: &Arguments, stage: &str) -> Result<Vec<Step>> {
    let mut validate = tool("sam")?;
    validate.args(["validate", "--lint", "--config-env", stage]);
    let mut deploy = tool("sam")?;
    deploy.args(["deploy", "--config-env", stage]);
    deploy.args(yes.then_some("--no-confirm-changeset")).args(options);
    Ok(vec![
        Step { why: "no time is lost on a template that AWS would refuse", command: validate },
        Step { why: "every function, for arm64", command: build(stage, &[])? },
        Step {
            why: "the stack: first it migrates the database, then it shifts traffic, and back again on an alarm",
            command: deploy,
        },
    ])
}

/// A tool of the deployment, which finds the others that are installed with it.
fn tool(name: &str) -> Result<Command> {
    let bin = tools::folder().join(python::DEPLOY.name).join("bin");
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(std::iter::once(bin.clone()).chain(env::split_paths(&path)))
        .context("the PATH has a folder that cannot be in it")?;
    // What is not among them is installed elsewhere.
    let program = bin.join(name);
    let mut command = if name == "npm" { Command::new(name) } else { Command::new(program) };
    command.current_dir(crate::root()).env("PATH", path).env("SAM_CLI_TELEMETRY", "0");
    command.envs(tools::private_toolchain());
    tools::without_cargo_variables(&mut command);
    // Some of the tools know the one name of this variable, some the other.
    if let Some(region) = env::var_os("AWS_REGION").or_else(|| env::var_os("AWS_DEFAULT_REGION")) {
        command.env("AWS_REGION", &region).env("AWS_DEFAULT_REGION", region);
    }
    Ok(command)
}

fn has_region() -> bool {
    ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().any(|name| env::var_os(name).is_some())
}

/// `command` as a shell would take it, in the root of the checkout.
fn shown(command: &Command) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(stage: Stage, with: Tool, options: &[&str]) -> Arguments {
        let options = options.iter().map(OsString::from).collect();
        Arguments { stage, with, dry_run: true, yes: true, options }
    }

    #[test]
    fn shows_every_command_in_its_order() {
        let steps = steps(&arguments(Stage::Prod, Tool::Sam, &["--tags", "owner=the shop"])).unwrap();
        let lines: Vec<_> = steps.iter().map(|step| shown(&step.command)).collect();
        assert_eq!(
            lines,
            [
                ".local/tools/deploy-venv/bin/sam validate --lint --config-env prod",
                ".local/tools/deploy-venv/bin/sam build --config-env prod",
                ".local/tools/deploy-venv/bin/sam deploy --config-env prod --no-confirm-changeset --tags 'owner=the shop'",
                ".local/tools/deploy-venv/bin/python tests/deploy/smoke.py --stage prod",
            ]
        );
    }

    #[test]
    fn builds_for_the_cdk_app_what_it_deploys() {
        let steps = steps(&arguments(Stage::Dev, Tool::Cdk, &[])).unwrap();
        let lines: Vec<_> = steps.iter().map(|step| shown(&step.command)).collect();
        let build =
            ".local/tools/deploy-venv/bin/cargo-lambda lambda build --release --arm64 --bin create-artisan";
        assert!(lines[0].starts_with(build) && lines[0].contains("--bin migrate --bin "), "{}", lines[0]);
        assert!(!lines[0].contains("router"), "{}", lines[0]);
        assert_eq!(
            lines[1..],
            [
                "npm run --prefix cdk deploy -- atelier-cdk-dev --require-approval never",
                ".local/tools/deploy-venv/bin/python tests/deploy/smoke.py --stack atelier-cdk-dev",
            ]
        );
    }

    #[test]
    fn every_stage_is_configured() {
        let config = std::fs::read_to_string(crate::root().join("samconfig.toml")).unwrap();
        for stage in [Stage::Dev, Stage::Staging, Stage::Prod] {
            assert!(config.contains(&format!("[{stage}.deploy.parameters]")), "{stage}");
        }
    }
}
