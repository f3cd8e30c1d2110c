//! `cargo xtask deploy`: checks the account, builds the stack, deploys a stage of `samconfig.toml` or of the CDK app,
//! and tests it with requests.

mod command;
mod stage;
mod zips;

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use tools::{
    ARM64,
    python::{self, Packages},
};

use crate::installed;
use command::{shown, tool, tool_at};
use stage::Stage;

/// The folder for the synthesised app, from which the preflight checks read what the account must provide.
const SYNTHESISED: &str = ".local/preflight";

/// The versions of the functions that serve traffic before a deployment.
const VERSIONS: &str = ".local/versions.json";

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
    /// Deploy the zips of `cargo xtask package` in this folder, without building anything
    #[arg(long, value_name = "FOLDER")]
    artifacts: Option<PathBuf>,
    /// Route traffic back to the previous versions if the smoke test fails
    #[arg(long)]
    roll_back: bool,
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
        if let Some(folder) = &arguments.artifacts {
            let (folder, template) = (folder.display(), zips::TEMPLATE);
            println!(
                "# first, the checksums in {folder} are compared, and {template} is written: template.yaml with its zips"
            );
        }
        let steps = [
            installation(arguments),
            before(arguments, &functions)?,
            vec![change(arguments, revision)?, call(arguments)?],
            restoration(arguments)?,
        ];
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
    if arguments.with == Tool::Cdk {
        tools::node_modules(&crate::root().join("cdk"), say)?;
    }
    if let Some(folder) = arguments.zips() {
        zips::check(&folder, &functions)?;
        zips::write_template(&folder, &functions)?;
    } else {
        tools::arm64_target(say)?;
        if profile(arguments.stage) == Profile::Release {
            installed::AUDITABLE.install()?;
        }
    }
    carry_out(before(arguments, &functions)?)?;
    // Not before the functions have been built.
    let code = |function: &String| {
        let built = crate::root().join("target/lambda").join(function).join("bootstrap");
        (function.clone(), arguments.zips().map_or(built, |folder| folder.join(zips::name(function))))
    };
    let code = functions.iter().map(code).collect();
    let revision = || stage::revision(&stage::parameters(arguments.stage)?, &code);
    carry_out([change(arguments, revision)?])?;
    let answers = carry_out([call(arguments)?]);
    if answers.is_err() {
        carry_out(restoration(arguments)?).context("nor can traffic be turned back")?;
    }
    answers
}

impl Arguments {
    /// The folder of zips, wherever the command runs that is given it.
    fn zips(&self) -> Option<PathBuf> {
        self.artifacts.as_ref().map(|folder| crate::root().join(folder))
    }

    /// What names the stack to the programs of tests/deploy.
    fn stack(&self) -> [String; 2] {
        match self.with {
            Tool::Sam => ["--stage".to_owned(), self.stage.to_string()],
            Tool::Cdk => ["--stack".to_owned(), cdk_stack(self.stage)],
        }
    }
}

fn carry_out(steps: impl IntoIterator<Item = Step>) -> Result<()> {
    for Step { why, mut command } in steps {
        eprintln!("· {why}");
        crate::run(&mut command)?;
    }
    Ok(())
}

/// How functions are compiled.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Profile {
    /// Small and fast, with a list of what they are built of (cargo-auditable).
    Release,
    /// The same without the list: what makes it takes a minute to install, and tests do not read it.
    Unlisted,
    /// Soon.
    Quick,
}

/// What staging tries is what prod gets.
fn profile(stage: Stage) -> Profile {
    if stage == Stage::Dev { Profile::Quick } else { Profile::Release }
}

/// What compiles `functions` for Lambda, at once, into `target/lambda`.
pub(crate) fn build<'a>(profile: Profile, functions: impl IntoIterator<Item = &'a str>) -> Result<Command> {
    let mut build = match profile {
        Profile::Release => {
            // It runs `cargo lambda build`.
            let mut build = tool_at(&installed::AUDITABLE.program())?;
            build.arg("auditable");
            build
        }
        Profile::Unlisted | Profile::Quick => tool("cargo-lambda")?,
    };
    build.args(["lambda", "build"]);
    match profile {
        Profile::Release | Profile::Unlisted => build.arg("--release"),
        Profile::Quick => build.args(["--profile", "quick"]),
    };
    build.args(tools::without_paths());
    // Where the stack looks for them, wherever cargo builds to.
    build.args(["--arm64", "--lambda-dir", "target/lambda"]);
    for function in functions {
        build.args(["--bin", function]);
    }
    Ok(build)
}

/// What [`run`] installs where it is missing.
fn installation(arguments: &Arguments) -> Vec<Step> {
    let venv = format!(".local/tools/{}", python::DEPLOY.name);
    let command = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command.args(arguments);
        command
    };
    let (Packages::Listed(packages) | Packages::One(packages)) = python::DEPLOY.packages;
    let pip = ["-m", "pip", "install", "--requirement", packages];
    let mut steps = vec![
        Step {
            why: "a place for the tools, once",
            command: command("python3", &["-m", "venv", "--clear", &venv]),
        },
        Step {
            why: "the tools, in the releases that were tested",
            command: command(&format!("{venv}/bin/python"), &pip),
        },
    ];
    if arguments.artifacts.is_none() {
        let target = command("rustup", &["target", "add", ARM64]);
        steps.push(Step { why: "the processor of the functions", command: target });
        if profile(arguments.stage) == Profile::Release {
            let auditable = command("cargo", &installed::AUDITABLE.installation());
            steps.push(Step { why: "what has functions list their dependencies", command: auditable });
        }
    }
    if arguments.with == Tool::Cdk {
        let modules = command("npm", &["ci", "--prefix", "cdk"]);
        steps.push(Step { why: "the app and its library", command: modules });
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
    if arguments.artifacts.is_none() {
        let build = build(profile(arguments.stage), functions.iter().map(String::as_str))?;
        steps.push(Step { why: "every function, for arm64", command: build });
    }
    if arguments.roll_back {
        let record = versions(arguments, "--record")?;
        steps.push(Step { why: "which versions answer now", command: record });
    }
    Ok(steps)
}

/// What records or restores the versions that answer.
fn versions(arguments: &Arguments, work: &str) -> Result<Command> {
    let mut versions = tool("python")?;
    versions.arg("tests/deploy/rollback.py").args(arguments.stack()).args([work, VERSIONS]);
    Ok(versions)
}

/// What changes the stack.
fn change(arguments: &Arguments, revision: impl Fn() -> Result<String>) -> Result<Step> {
    let Arguments { stage, with, yes, options, artifacts, .. } = arguments;
    let command = match with {
        Tool::Sam => {
            let mut deploy = tool("sam")?;
            let template = if artifacts.is_some() { zips::TEMPLATE } else { "template.yaml" };
            // Not what an earlier `sam build` has left. The option takes the place of the list in samconfig.toml.
            deploy.args(["deploy", "--config-env", &stage.to_string(), "--template-file", template]);
            deploy.arg("--parameter-overrides").args(stage::parameters(*stage)?);
            deploy.arg(format!("Revision={}", revision()?));
            deploy.args(yes.then_some("--no-confirm-changeset")).args(options);
            deploy
        }
        Tool::Cdk => {
            let mut deploy = tool("npm")?;
            let approval = if *stage == Stage::Prod && !yes { "any-change" } else { "never" };
            deploy.args(["run", "--prefix", "cdk", "deploy", "--", &cdk_stack(*stage)]);
            if let Some(folder) = artifacts {
                // npm runs it in the folder of the app.
                deploy.args(["--context", &format!("binaries={}", Path::new("..").join(folder).display())]);
            }
            deploy.args(["--require-approval", approval]).args(options);
            deploy
        }
    };
    Ok(Step {
        why: "the stack: first it migrates the database, then it shifts traffic, and back again on an alarm",
        command,
    })
}

/// What calls the API.
fn call(arguments: &Arguments) -> Result<Step> {
    let mut smoke = tool("python")?;
    smoke.arg("tests/deploy/smoke.py").args(arguments.stack());
    Ok(Step { why: "call the API with signed requests, and print its URL", command: smoke })
}

/// What follows if it does not answer as it should.
fn restoration(arguments: &Arguments) -> Result<Vec<Step>> {
    if !arguments.roll_back {
        return Ok(Vec::new());
    }
    let why = "only if that fails: traffic goes back to the versions from before";
    Ok(vec![Step { why, command: versions(arguments, "--restore")? }])
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
        commands_of(&Arguments { with, yes, options, ..arguments(stage) })
    }

    fn arguments(stage: Stage) -> Arguments {
        Arguments {
            stage,
            with: Tool::Sam,
            dry_run: true,
            artifacts: None,
            roll_back: false,
            yes: false,
            options: Vec::new(),
        }
    }

    fn commands_of(arguments: &Arguments) -> Vec<String> {
        let functions = ["get-product", "migrate"].map(ToOwned::to_owned);
        let mut steps = before(arguments, &functions).unwrap();
        steps.push(change(arguments, || Ok("0123456789abcdef".to_owned())).unwrap());
        steps.push(call(arguments).unwrap());
        steps.extend(restoration(arguments).unwrap());
        steps.iter().map(|step| shown(&step.command)).collect()
    }

    fn build_of_two(stage: Stage) -> String {
        let start = if stage == Stage::Dev {
            format!("{PROGRAMS}/cargo-lambda lambda build --profile quick")
        } else {
            ".local/tools/bin/cargo-auditable auditable lambda build --release".to_owned()
        };
        let [config, paths] = tools::without_paths();
        let arm64 = "--arm64 --lambda-dir target/lambda --bin get-product --bin migrate";
        format!("{start} {config} '{paths}' {arm64}")
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
    fn zips_are_deployed_as_they_are_and_a_failure_turns_traffic_back() {
        let packed = |with| Arguments {
            with,
            artifacts: Some("dist".into()),
            roll_back: true,
            yes: true,
            ..arguments(Stage::Prod)
        };
        let sam = commands_of(&packed(Tool::Sam));
        let rollback = format!("{PROGRAMS}/python tests/deploy/rollback.py --stage prod");
        assert_eq!(sam[2], format!("{rollback} --record .local/versions.json"));
        let deploy =
            format!("{PROGRAMS}/sam deploy --config-env prod --template-file template.packaged.yaml ");
        assert!(sam[3].starts_with(&deploy), "{}", sam[3]);
        assert_eq!(sam[4], format!("{PROGRAMS}/python tests/deploy/smoke.py --stage prod"));
        assert_eq!(sam[5], format!("{rollback} --restore .local/versions.json"));
        let cdk = commands_of(&packed(Tool::Cdk));
        let name = cdk_stack(Stage::Prod);
        assert_eq!(
            cdk[3],
            format!(
                "npm run --prefix cdk deploy -- {name} --context binaries=../dist --require-approval never"
            )
        );
        assert_eq!(
            cdk[5],
            format!(
                "{PROGRAMS}/python tests/deploy/rollback.py --stack {name} --restore .local/versions.json"
            )
        );
        assert!(sam.iter().chain(&cdk).all(|command| !command.contains("lambda build")));
    }

    #[test]
    fn zips_that_were_changed_are_not_deployed() {
        let folder = tempfile::tempdir().unwrap();
        let functions = ["get-product".to_owned()];
        fs::write(folder.path().join("get-product.zip"), "changed").unwrap();
        let sum = "0".repeat(64);
        fs::write(folder.path().join("SHA256SUMS"), format!("{sum}  get-product.zip\n")).unwrap();
        let error = zips::check(folder.path(), &functions).unwrap_err().to_string();
        assert!(
            error.starts_with("get-product.zip is not what `cargo xtask package` has written"),
            "{error}"
        );
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
        let error = run(&Arguments { options, ..arguments(Stage::Dev) }).unwrap_err().to_string();
        assert!(error.starts_with("parameters are set in samconfig.toml"), "{error}");
    }
}
