//! The declaration of an operation. The register, the router, the documentation and the infrastructure are
//! all derived from this value.

use std::{future::Future, pin::Pin};

use ::http::Method;

use crate::{App, Request, Response, Result};

/// One operation: one crate, one binary, one Lambda function.
#[derive(Debug)]
pub struct Operation {
    /// The name of the crate, the binary and the function, such as `get-product`.
    pub name: &'static str,
    /// The `operationId` of the API contract, such as `getProduct`.
    pub id: &'static str,
    /// The declared routes. [`all_routes`](Self::all_routes) has the implied ones too.
    pub routes: &'static [Route],
    /// The database role that the operation connects as.
    pub role: Role,
    /// The function that handles its requests.
    pub handler: Handler,
}

impl Operation {
    /// Every route of the operation: the declared ones, and HEAD for every GET (RFC 9110, section 9.1).
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
    /// Whether it can be called without a signature, a token or an API key.
    pub is_open: bool,
}

impl Route {
    /// A route of `method` on `path` that requires the stage's authorisation.
    pub const fn new(method: Method, path: &'static str) -> Self {
        Self { method, path, is_open: false }
    }

    /// A public route of `method` on `path`, which a browser can open.
    pub const fn open(method: Method, path: &'static str) -> Self {
        Self { method, path, is_open: true }
    }
}

/// The database role that an operation connects as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `catalog_reader`: SELECT.
    Reader,
    /// `catalog_writer`: SELECT, INSERT, UPDATE, DELETE; on the history, only INSERT.
    Writer,
    /// No database access.
    None,
}

/// A handler: takes the invocation's context and the request, returns a response or a problem.
pub type Handler = for<'a> fn(&'a App, &'a Request) -> HandlerFuture<'a>;

/// The future that a handler returns.
pub type HandlerFuture<'a> = Pin<Box<dyn Future<Output = Result<Response>> + Send + 'a>>;
