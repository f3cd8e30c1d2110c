//! The JavaScript peer, run by the runtime client of AWS's base image.

use std::{env, path::Path, process::Command};

use anyhow::{Context, Result, bail, ensure};
use tools::python::{Environment, Packages};

use super::sources;
use crate::subject::Subject;

/// CMake, which builds the native part of the runtime client.
const CMAKE: Environment = Environment { name: "cmake-venv", packages: Packages::One("cmake==4.4.5") };

/// A script that prints the versions of the packages and of Node.js.
const VERSIONS: &str =
    "const of = (name) => `${name} ${require(`./node_modules/${name}/package.json`).version}`;
const used = ['pg', '@aws-lambda-powertools/logger', '@aws-lambda-powertools/metrics', 'aws-lambda-ric'];
console.log(`${used.map(of).join(', ')}; Node.js ${process.versions.node}`);";

/// Powertools and pg, bundled into one file with esbuild.
pub(super) fn node_pg(say: tools::Say<'_>) -> Result<Subject> {
    let folder = sources().join("node");
    tools::node_modules(&folder, say)?;
    let modules = folder.join("node_modules");
    let processor = match env::consts::ARCH {
        "aarch64" => "arm64",
        "x86_64" => "x64",
        other => bail!("npm has no Node.js for {other}"),
    };
    let distribution = modules.join(format!("node-linux-{processor}"));
    let node = distribution.join("bin/node");
    ensure!(node.exists(), "npm has no Node.js for this system");
    let client = modules.join("aws-lambda-ric");
    runtime_client(&folder, &client, &distribution, say)?;

    let esbuild = modules.join(format!("@esbuild/linux-{processor}/bin/esbuild"));
    let bundle = ["app.mjs", "--bundle", "--minify", "--platform=node", "--target=node26"];
    // pg loads it only if NODE_PG_FORCE_NATIVE is set.
    let rest = ["--external:pg-native", "--outfile=build/app.js", "--log-level=warning"];
    tools::output(Command::new(esbuild).args(bundle).args(rest).current_dir(&folder))?;

    let about = tools::output(Command::new(&node).args(["-e", VERSIONS]).current_dir(&folder))?;
    let task = folder.join("build");
    Ok(Subject {
        name: "node-pg",
        about: about.trim().to_owned(),
        command: vec![node.into(), client.join("index.mjs").into(), "app.handler".into()],
        environment: vec![("_HANDLER", "app.handler".into()), ("LAMBDA_TASK_ROOT", task.clone().into())],
        deployed: vec![task.join("app.js")],
        folder: task,
    })
}

/// Builds the native part of the runtime client unless it exists. AWS publishes its sources, and the package's own
/// install scripts compile them; no other package's scripts run. They download nothing: curl's sources are in the
/// package, and the headers of Node.js come with Node.js.
fn runtime_client(folder: &Path, client: &Path, distribution: &Path, say: tools::Say<'_>) -> Result<()> {
    if client.join("rapid-client.node").exists() {
        return Ok(());
    }
    let cmake = CMAKE.install(say)?;
    say("building the native part of aws-lambda-ric (takes a minute)");
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths([cmake].into_iter().chain(env::split_paths(&path)))?;
    let rebuild = ["rebuild", "aws-lambda-ric", "--ignore-scripts=false", "--loglevel=error"];
    let mut npm = Command::new("npm");
    npm.args(rebuild).current_dir(folder).env("PATH", path).env("npm_config_nodedir", distribution);
    tools::output(&mut npm).context("aws-lambda-ric needs a C++ compiler, make and xz to be built")?;
    Ok(())
}
