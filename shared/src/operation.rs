//! What an operation declares about itself. The register, the router, the documentation and the infrastructure
//! are all read off this one value.

use std::{future::Future, pin::Pin};

use ::http::Method;

use crate::{App, Reply, Request, Result};

/// One operation: one crate, one binary, one Lambda function.
#[derive(Debug)]
pub struct Operation {
    /// Name of the crate, the binary and the function, such as `get-product`.
    pub name: &'static str,
    /// The `operationId` of the contract, such as `getProduct`.
    pub id: &'static str,
    /// The methods and paths that it declares. [`all_routes`](Self::all_routes) has every one that leads here.
    pub routes: &'static [Route],
    /// What the operation may do in the database.
    pub role: Role,
    /// The handler.
    pub handler: Handler,
}

impl Operation {
    /// Every method and path that lead here: the declared ones, and HEAD wherever there is a GET (RFC 9110, section 9.1).
    pub fn all_routes(&self) -> impl Iterator<Item = Route> {
        self.routes.iter().flat_map(|route| {
            let head = (route.method == Method::GET).then(|| Route { method: Method::HEAD, ..route.clone() });
            [route.clone()].into_iter().chain(head)
        })
    }
}

/// A method and a path template, such as `GET /v1/products/{id}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The HTTP method.
    pub method: Method,
    /// The path with its parameters in braces, without a trailing slash.
    pub path: &'static str,
    /// Whether everybody may call it, without a signature, a token or an API key.
    pub is_open: bool,
}

impl Route {
    /// A route of `method` on `path`, for those whom the stage's authoriser lets in.
    pub const fn new(method: Method, path: &'static str) -> Self {
        Self { method, path, is_open: false }
    }

    /// A route of `method` on `path` that everybody may call: what a browser must be able to open.
    pub const fn open(method: Method, path: &'static str) -> Self {
        Self { method, path, is_open: true }
    }
}

/// The database role that an operation connects as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `catalog_reader`: SELECT.
    Reader,
    /// `catalog_writer`: SELECT, INSERT, UPDATE, DELETE; of the history, INSERT alone.
    Writer,
    /// No database at all.
    None,
}

/// A handler: application and request in, reply or problem out.
pub type Handler = for<'a> fn(&'a App, &'a Request) -> Answer<'a>;

/// The future of a handler's answer.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Result<Reply>> + Send + 'a>>;
