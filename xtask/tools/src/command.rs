//! Runs the programs that install the tools.

use std::{
    env,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};

use crate::checkout;

/// Reports progress to the user, one line per call.
pub type Say<'a> = &'a (dyn Fn(&str) + Sync);

/// The cargo that started this process, in the root of the checkout.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(checkout());
    without_cargo_variables(&mut command);
    command
}

/// Removes the variables that cargo has set for this process. Build scripts rerun when these change, so that the same
/// build by hand would recompile half of the dependencies.
pub fn without_cargo_variables(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| {
            name == "CARGO" || name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        }) {
            command.env_remove(name);
        }
    }
}

/// Runs `command` and returns its standard output.
///
/// # Errors
/// When it cannot be run, or fails; then the error includes its output.
pub fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_owned();
    let output =
        command.stdin(Stdio::null()).output().with_context(|| format!("cannot run {}", name.display()))?;
    let written = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed ({}): {written}{errors}", name.display(), output.status);
    Ok(written)
}

/// Whether `command` can be run and succeeds. Its output is discarded.
pub fn succeeds(command: &mut Command) -> bool {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Waits for the lock on `file`, and holds it until the result is dropped. Test processes run concurrently, and only
/// one may install at a time.
///
/// # Errors
/// When the file cannot be created.
pub fn lock(file: &Path) -> Result<File> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let lock = File::create(file).with_context(|| format!("cannot create {}", file.display()))?;
    lock.lock()?;
    Ok(lock)
}

/// The command that builds `programs` as for deployment, but for this machine's processor. It builds in the whole
/// workspace, like `cargo lambda`: a single package would enable fewer features of shared dependencies.
pub fn release_build<'a>(programs: impl IntoIterator<Item = &'a str>) -> Command {
    let mut build = cargo();
    build.args(["build", "--release", "--workspace"]);
    for program in programs {
        build.args(["--bin", program]);
    }
    build
}

/// The options of a cargo command by which no path of this machine gets into a program: those of dependencies, of generated
/// sources and of the checkout are shortened. The same sources then give the same program wherever they are.
///
/// Not as `RUSTFLAGS`, which would replace the flags that `cargo lambda` sets.
pub fn without_paths() -> [String; 2] {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| env::home_dir().map(|home| home.join(".cargo"))).unwrap_or_default();
    let checkout = checkout();
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or(checkout.join("target"), |folder| checkout.join(folder));
    // The last one that fits counts.
    let shorter = [(home.join("registry/src"), "registry"), (checkout.to_owned(), "."), (target, "target")];
    let flags =
        shorter.map(|(path, name)| format!("{:?}", format!("--remap-path-prefix={}={name}", path.display())));
    ["--config".to_owned(), format!("build.rustflags=[{}]", flags.join(", "))]
}
