//! `cargo xtask deploy`: checks the account, builds the stack, deploys a stage of `samconfig.toml` or of the CDK app,
//! and tests it with requests.

mod command;
mod stage;

use std::{env, ffi::OsString, fs, process::Command};

use anyhow::{Result, bail};
use tools::{
    ARM64,
    python::{self, Packages},
};

use command::{shown, tool};
use stage::Stage;

/// The folder for the synthesised app, from which the preflight checks read what the account must provide.
const SYNTHESISED: &str = ".local/preflight";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A stage of samconfig.toml or of the CDK app, which have the same stages
    #[arg(long)]
    stage: Stage,
    /// The tool that deploys: `sam` with template.yaml, or `cdk` with cdk/
    #[arg(long, default_value = "sam")]
    with: Tool,
    /// Show every command and run none
    #[arg(long)]
    dry_run: bool,
    /// Do not ask for confirmation before changing prod, for a pipeline with its own approval
    #[arg(long)]
    yes: bool,
    /// Options for `sam deploy` or `cdk deploy`, such as --role-arn
    #[arg(last = true)]
    options: Vec<OsString>,
}

#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Tool {
    Sam,
    Cdk,
}

/// A command and its purpose.
struct Step {
    why: &'static str,
    command: Command,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.options.iter().any(|option| option.to_string_lossy().starts_with("--parameter-overrides")) {
        bail!("parameters are set in samconfig.toml, so that the next deployment has them, too");
    }
    let functions = functions()?;
    if arguments.dry_run {
        let revision = || Ok("<hash of code and parameters>".to_owned());
        let steps =
            [installation(arguments.with), before(arguments, &functions)?, after(arguments, revision)?];
        for Step { why, command } in steps.into_iter().flatten() {
            println!("# {why}\n{}", shown(&command));
        }
        return Ok(());
    }
    if !has_region() {
        bail!("AWS_REGION is not set: set the region to deploy to, such as AWS_REGION=eu-central-1");
    }
    let say = crate::SAY;
    python::DEPLOY.install(say)?;
    tools::arm64_target(say)?;
    if arguments.with == Tool::Cdk {
        tools::node_modules(&crate::root().join("cdk"), say)?;
    }
    carry_out(before(arguments, &functions)?)?;
    // Computed only after the functions have been built.
    let revision = || stage::revision(&stage::parameters(arguments.stage)?, &functions);
    carry_out(after(arguments, revision)?)
}

fn carry_out(steps: Vec<Step>) -> Result<()> {
    for Step { why, mut command } in steps {
        eprintln!("· {why}");
        crate::run(&mut command)?;
    }
    Ok(())
}

/// How functions are compiled.
#[derive(Clone, Copy)]
pub(crate) enum Profile {
    /// Small and fast.
    Release,
    /// Quick to build.
    Quick,
}

/// The command that builds all `functions` for Lambda into `target/lambda`.
pub(crate) fn build<'a>(profile: Profile, functions: impl IntoIterator<Item = &'a str>) -> Result<Command> {
    let mut build = tool("cargo-lambda")?;
    build.args(["lambda", "build"]);
    match profile {
        Profile::Release => build.arg("--release"),
        Profile::Quick => build.args(["--profile", "quick"]),
    };
    // The folder that the stack's code comes from, whatever cargo's target folder is.
    build.args(["--arm64", "--lambda-dir", "target/lambda"]);
    for function in functions {
        build.args(["--bin", function]);
    }
    Ok(build)
}

/// The steps for what [`run`] installs if it is missing.
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
        Step { why: "create a virtual environment for the tools, once", command: create },
        Step { why: "install the tools in the tested versions", command: install },
        Step { why: "install the functions' target", command: target },
    ];
    if with == Tool::Cdk {
        let mut modules = Command::new("npm");
        modules.args(["ci", "--prefix", "cdk"]);
        steps.push(Step { why: "install the app's packages", command: modules });
    }
    steps
}

/// The steps before anything is changed.
fn before(arguments: &Arguments, functions: &[String]) -> Result<Vec<Step>> {
    let stage = arguments.stage.to_string();
    let mut steps = Vec::new();
    let mut preflight = tool("python")?;
    preflight.args(["tests/deploy/preflight.py", "--stage", &stage]);
    if arguments.with == Tool::Cdk {
        let stack = cdk_stack(arguments.stage);
        // npm runs the script in the folder of the app.
        let mut synth = tool("npm")?;
        synth.args(["run", "--prefix", "cdk", "synth", "--", &stack, "--context", "placeholders=true"]);
        synth.args(["--output", &format!("../{SYNTHESISED}")]);
        steps.push(Step { why: "synthesise the stack, without its code", command: synth });
        let template = format!("{SYNTHESISED}/{stack}.template.json");
        preflight.args(["--stack", &stack, "--template", &template]);
    }
    steps.push(Step {
        why: "check quotas and other requirements before anything changes",
        command: preflight,
    });
    if arguments.with == Tool::Sam {
        let mut validate = tool("sam")?;
        validate.args(["validate", "--lint", "--config-env", &stage]);
        steps.push(Step { why: "validate the template", command: validate });
    }
    // staging has the same build as prod.
    let profile = if arguments.stage == Stage::Dev { Profile::Quick } else { Profile::Release };
    let build = build(profile, functions.iter().map(String::as_str))?;
    steps.push(Step { why: "build every function for arm64", command: build });
    Ok(steps)
}

/// The steps that change the stack and test it.
fn after(arguments: &Arguments, revision: impl Fn() -> Result<String>) -> Result<Vec<Step>> {
    let Arguments { stage, with, yes, options, .. } = arguments;
    let name = stage.to_string();
    let mut smoke = tool("python")?;
    smoke.arg("tests/deploy/smoke.py");
    let deploy = match with {
        Tool::Sam => {
            let mut deploy = tool("sam")?;
            // Not the output of an earlier `sam build`. --parameter-overrides replaces the list in samconfig.toml.
            deploy.args(["deploy", "--config-env", &name, "--template-file", "template.yaml"]);
            deploy.arg("--parameter-overrides").args(stage::parameters(*stage)?);
            deploy.arg(format!("Revision={}", revision()?));
            deploy.args(yes.then_some("--no-confirm-changeset")).args(options);
            smoke.args(["--stage", &name]);
            deploy
        }
        Tool::Cdk => {
            let stack = cdk_stack(*stage);
            let mut deploy = tool("npm")?;
            let approval = if *stage == Stage::Prod && !yes { "any-change" } else { "never" };
            deploy.args(["run", "--prefix", "cdk", "deploy", "--", &stack]);
            deploy.args(["--require-approval", approval]).args(options);
            smoke.args(["--stack", &stack]);
            deploy
        }
    };
    Ok(vec![
        Step {
            why: "deploy the stack: migrate the database, then shift traffic, with rollback on an alarm",
            command: deploy,
        },
        Step { why: "call the API with signed requests, and print its URL", command: smoke },
    ])
}

/// The CDK app's stack for a stage. It differs from SAM's stack, whose resources have other logical ids, so that
/// CloudFormation would replace all of them.
fn cdk_stack(stage: Stage) -> String {
    format!("{}-cdk-{stage}", project::NAME)
}

/// The functions of the stack: every folder in `functions/` except that of the router, which contains all operations.
pub(crate) fn functions() -> Result<Vec<String>> {
    let folders = fs::read_dir(crate::root().join("functions"))?;
    let names = folders.map(|folder| Ok(folder?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<Result<Vec<_>>>()?;
    names.retain(|name| name != "router");
    names.sort();
    Ok(names)
}

fn has_region() -> bool {
    ["AWS_REGION", "AWS_DEFAULT_REGION"].iter().any(|name| env::var_os(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAMS: &str = ".local/tools/deploy-venv/bin";

    /// The commands of a deployment, without those that install the tools.
    fn commands(stage: Stage, with: Tool, yes: bool, options: &[&str]) -> Vec<String> {
        let options = options.iter().map(OsString::from).collect();
        let arguments = Arguments { stage, with, dry_run: true, yes, options };
        let functions = ["get-product", "migrate"].map(ToOwned::to_owned);
        let mut steps = before(&arguments, &functions).unwrap();
        steps.extend(after(&arguments, || Ok("0123456789abcdef".to_owned())).unwrap());
        steps.iter().map(|step| shown(&step.command)).collect()
    }

    fn build_of_two(stage: Stage) -> String {
        let profile = if stage == Stage::Dev { "--profile quick" } else { "--release" };
        let build = format!("cargo-lambda lambda build {profile} --arm64 --lambda-dir target/lambda");
        format!("{PROGRAMS}/{build} --bin get-product --bin migrate")
    }

    #[test]
    fn sam_is_given_every_parameter_of_the_stage_and_the_revision() {
        for stage in [Stage::Dev, Stage::Staging, Stage::Prod] {
            let commands = commands(stage, Tool::Sam, true, &["--tags", "owner=the store"]);
            let parameters = stage::parameters(stage).unwrap().join(" ");
            let deploy = format!(
                "{PROGRAMS}/sam deploy --config-env {stage} --template-file template.yaml --parameter-overrides \
                 {parameters} Revision=0123456789abcdef --no-confirm-changeset --tags 'owner=the store'"
            );
            assert_eq!(
                commands,
                [
                    format!("{PROGRAMS}/python tests/deploy/preflight.py --stage {stage}"),
                    format!("{PROGRAMS}/sam validate --lint --config-env {stage}"),
                    build_of_two(stage),
                    deploy,
                    format!("{PROGRAMS}/python tests/deploy/smoke.py --stage {stage}"),
                ]
            );
        }
    }

    #[test]
    fn the_cdk_app_is_looked_at_before_anything_is_built() {
        for (stage, approval) in
            [(Stage::Dev, "never"), (Stage::Staging, "never"), (Stage::Prod, "any-change")]
        {
            let stack = cdk_stack(stage);
            let template = format!(".local/preflight/{stack}.template.json");
            assert_eq!(
                commands(stage, Tool::Cdk, false, &[]),
                [
                    format!(
                        "npm run --prefix cdk synth -- {stack} --context placeholders=true --output ../.local/preflight"
                    ),
                    format!(
                        "{PROGRAMS}/python tests/deploy/preflight.py --stage {stage} --stack {stack} --template {template}"
                    ),
                    build_of_two(stage),
                    format!("npm run --prefix cdk deploy -- {stack} --require-approval {approval}"),
                    format!("{PROGRAMS}/python tests/deploy/smoke.py --stack {stack}"),
                ]
            );
        }
        assert!(commands(Stage::Prod, Tool::Cdk, true, &[])[3].ends_with("--require-approval never"));
    }

    #[test]
    fn all_functions_are_built_but_the_one_that_holds_them() {
        let functions = functions().unwrap();
        assert!(functions.iter().any(|name| name == "migrate") && functions.len() > 10, "{functions:?}");
        assert!(!functions.iter().any(|name| name == "router"), "{functions:?}");
    }

    #[test]
    fn parameters_beside_samconfig_are_refused() {
        let options = vec!["--parameter-overrides".into(), "LogLevel=DEBUG".into()];
        let arguments = Arguments { stage: Stage::Dev, with: Tool::Sam, dry_run: true, yes: true, options };
        let error = run(&arguments).unwrap_err().to_string();
        assert!(error.starts_with("parameters are set in samconfig.toml"), "{error}");
    }
}
