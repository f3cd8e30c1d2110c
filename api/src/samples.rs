//! The sample requests of every operation in its `requests.http`, from which `generate` makes the events.
//!
//! The format is that of editors' HTTP clients: a request has a name after `###`, and the expected status in
//! a comment:
//!
//! ```http
//! ### create-product.invalid
//! # @status 422
//! POST /v1/products
//! Content-Type: application/json
//!
//! {"name": ""}
//! ```
//!
//! The name is the operation's, optionally followed by a dot and a variant; it is also the event's name. A
//! request accepts JSON unless its headers say otherwise.

mod event;
mod file;

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, ensure};
use http::Method;

use crate::OPERATIONS;

pub use event::Routes;

/// A request with the status of its response, given the catalogue that the tests create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The name of its operation, followed by a dot and the variant unless it is the first.
    pub name: String,
    /// The expected status.
    pub status: u16,
    /// The HTTP method.
    pub method: Method,
    /// The path and query, as sent.
    pub target: String,
    /// The headers in the order of the file.
    pub headers: Vec<(String, String)>,
    /// The body, if there is one.
    pub body: Option<String>,
}

impl Sample {
    /// The name of the operation.
    pub fn operation(&self) -> &str {
        self.name.split('.').next().unwrap_or_default()
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// Every sample of the checkout at `root`, in the order of the register.
///
/// # Errors
/// If a file is missing or malformed, an operation or one of its routes has no sample, or a request does not
/// match the operation in its name.
pub fn all(root: &Path) -> Result<Vec<Sample>> {
    let routes = Routes::new()?;
    let mut samples: Vec<Sample> = Vec::new();
    for operation in OPERATIONS {
        let path = format!("functions/{}/requests.http", operation.name);
        let text = fs::read_to_string(root.join(&path)).with_context(|| path.clone())?;
        let own = file::read(&text).with_context(|| path.clone())?;
        let mut covered = BTreeSet::new();
        for sample in &own {
            ensure!(
                sample.operation() == operation.name,
                "{path}: {} is not named after the operation",
                sample.name
            );
            let to = routes.find(sample).with_context(|| path.clone())?;
            ensure!(
                to.operation.name == operation.name,
                "{path}: {} is a request to {}",
                sample.name,
                to.operation.name
            );
            covered.insert((to.route.path, to.route.method.to_string()));
        }
        ensure!(
            own.iter().any(|sample| sample.name == operation.name),
            "{path}: no request is called {}",
            operation.name
        );
        let names: BTreeSet<_> = own.iter().map(|sample| &sample.name).collect();
        ensure!(names.len() == own.len(), "{path}: two requests have the same name");
        for route in operation.routes {
            ensure!(
                covered.contains(&(route.path, route.method.to_string())),
                "{path}: no request covers {} {}",
                route.method,
                route.path
            );
        }
        samples.extend(own);
    }
    Ok(samples)
}
