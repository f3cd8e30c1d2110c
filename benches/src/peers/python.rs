//! The Python peers, run by the runtime client of AWS's base image or behind the Lambda Web Adapter.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tools::python::{Environment, Packages};

use super::sources;
use crate::subject::Subject;

/// The packages of both peers with FastAPI.
const FASTAPI: Environment = Environment {
    name: "peer-fastapi-venv",
    packages: Packages::Listed("benches/peers/fastapi/requirements.txt"),
};
/// The packages of the peer with Powertools' resolver.
const POWERTOOLS: Environment = Environment {
    name: "peer-powertools-venv",
    packages: Packages::Listed("benches/peers/powertools/requirements.txt"),
};
/// The newest release of the crate `lambda_web_adapter`.
const ADAPTER: &str = "1.0.0-rc1";
/// The port of the application behind the adapter.
const PORT: &str = "28080";

/// A script that prints the versions of the packages ROOTS and RUNTIME and of Python on one line, then one line for
/// each file or folder of ROOTS and their dependencies, which are the contents of the zip. RUNTIME is part of the
/// platform.
const LOOK: &str = "import platform
from importlib.metadata import distribution
from pip._vendor.packaging.requirements import Requirement
roots, runtime = ROOTS, RUNTIME
versions = [f'{name} {distribution(name).version}' for name in roots + runtime]
print(', '.join(versions) + f'; {platform.python_implementation()} {platform.python_version()}')
seen, left, entries = set(), list(roots), set()
while left:
    it = distribution(left.pop())
    if it.name in seen:
        continue
    seen.add(it.name)
    tops = {file.parts[0] for file in it.files} - {'..', '__pycache__'}
    entries |= {str(it.locate_file(top)) for top in tops}
    needed = map(Requirement, it.requires or [])
    left += [need.name for need in needed if not need.marker or need.marker.evaluate({'extra': ''})]
print(*sorted(entries), sep='\\n')";

/// FastAPI and asyncpg behind Mangum.
pub(super) fn fastapi_mangum(say: tools::Say<'_>) -> Result<Subject> {
    let roots = ["fastapi", "mangum", "aws-lambda-powertools", "asyncpg"];
    on_base_image("fastapi-mangum", &FASTAPI, "fastapi", &roots, &["app.py", "catalogue.py"], say)
}

/// Powertools' own resolver and psycopg.
pub(super) fn powertools_psycopg(say: tools::Say<'_>) -> Result<Subject> {
    let roots = ["aws-lambda-powertools", "psycopg", "psycopg-binary"];
    on_base_image("powertools-psycopg", &POWERTOOLS, "powertools", &roots, &["app.py"], say)
}

/// FastAPI and asyncpg under uvicorn, behind the Lambda Web Adapter.
pub(super) fn fastapi_web_adapter(say: tools::Say<'_>) -> Result<Subject> {
    let adapter = web_adapter(say)?;
    let programs = FASTAPI.install(say)?;
    let roots = ["fastapi", "uvicorn", "uvloop", "httptools", "aws-lambda-powertools", "asyncpg"];
    let (about, packages) = look(&FASTAPI, &programs, &roots, &[])?;
    let folder = sources().join("fastapi");
    let own = ["run.sh", "web.py", "catalogue.py"].map(|file| folder.join(file));
    Ok(Subject {
        name: "fastapi-web-adapter",
        about: format!("lambda_web_adapter {ADAPTER}, {about}"),
        command: vec![folder.join("run.sh").into()],
        environment: vec![
            ("LAMBDA_ADAPTER", adapter.clone().into()),
            ("PYTHON", programs.join("python").into()),
            ("AWS_LWA_PORT", PORT.into()),
        ],
        deployed: [vec![adapter], own.to_vec(), packages].concat(),
        folder,
    })
}

/// The peer `name`, whose sources `own` are in `folder`, started like AWS's base image for Python does.
fn on_base_image(
    name: &'static str,
    environment: &Environment,
    folder: &str,
    roots: &[&str],
    own: &[&str],
    say: tools::Say<'_>,
) -> Result<Subject> {
    let programs = environment.install(say)?;
    let (about, packages) = look(environment, &programs, roots, &["awslambdaric"])?;
    let folder = sources().join(folder);
    let own: Vec<_> = own.iter().map(|file| folder.join(file)).collect();
    Ok(Subject {
        name,
        about,
        command: vec![
            programs.join("python").into(),
            "-m".into(),
            "awslambdaric".into(),
            "app.handler".into(),
        ],
        folder,
        environment: Vec::new(),
        deployed: [own, packages].concat(),
    })
}

/// The versions and the contents of the zip, from the output of [`LOOK`].
fn look(
    environment: &Environment,
    programs: &Path,
    roots: &[&str],
    runtime: &[&str],
) -> Result<(String, Vec<PathBuf>)> {
    let program = LOOK.replace("ROOTS", &format!("{roots:?}")).replace("RUNTIME", &format!("{runtime:?}"));
    let printed = environment.ask(programs, &program)?;
    let (versions, entries) = printed.split_once('\n').context("Python has printed nothing")?;
    Ok((versions.to_owned(), entries.lines().map(PathBuf::from).collect()))
}

/// Builds the Lambda Web Adapter from crates.io unless it exists, and returns its path. AWS also publishes it as a
/// layer and an image.
fn web_adapter(say: tools::Say<'_>) -> Result<PathBuf> {
    let root = tools::folder().join(format!("lambda-web-adapter-{ADAPTER}"));
    let program = root.join("bin/lambda-adapter");
    if !program.exists() {
        say(&format!("installing lambda_web_adapter {ADAPTER} with cargo (takes minutes)"));
        let install = ["install", "--locked", "--quiet", "--root"];
        let package = format!("lambda_web_adapter@={ADAPTER}");
        tools::output(tools::cargo().args(install).arg(&root).arg(package))?;
    }
    Ok(program)
}
