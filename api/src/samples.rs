//! The sample requests of every operation, in its `requests.http`, and the events that `generate` makes of them.
//!
//! Such a file is what the HTTP clients of editors read: requests with a name after `###`, and the status that is
//! expected of each in a comment:
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
//! The name is the operation's, or begins with it and a dot; it is also the name of the event. A request accepts JSON
//! unless its headers say otherwise.

mod event;
mod file;

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, ensure};
use http::Method;

use crate::OPERATIONS;

pub use event::Routes;

/// A request, and the status of its answer on the catalogue that the tests put in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The name of its operation, with a dot and what is special about it unless it is the first one.
    pub name: String,
    /// The expected status.
    pub status: u16,
    /// The method.
    pub method: Method,
    /// The path, as it is sent, with the query.
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
/// When a file is missing or malformed, an operation or one of its routes has no sample, or a request is not for the
/// operation whose name it has.
pub fn all(root: &Path) -> Result<Vec<Sample>> {
    let routes = Routes::new()?;
    let mut samples: Vec<Sample> = Vec::new();
    for operation in OPERATIONS {
        let path = format!("functions/{}/requests.http", operation.name);
        let text = fs::read_to_string(root.join(&path)).with_context(|| path.clone())?;
        let own = file::read(&text).with_context(|| path.clone())?;
        let mut covered = BTreeSet::new();
        for sample in &own {
            ensure!(sample.operation() == operation.name, "{path}: {} is not named after it", sample.name);
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
        ensure!(names.len() == own.len(), "{path}: two requests have one name");
        for route in operation.routes {
            ensure!(
                covered.contains(&(route.path, route.method.to_string())),
                "{path}: there is no request to {} {}",
                route.method,
                route.path
            );
        }
        samples.extend(own);
    }
    Ok(samples)
}
