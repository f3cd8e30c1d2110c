//! The library of every function: events, HTTP, database, cache, telemetry, and everything that is derived
//! from the description of a resource. It contains no operation and no resource.

#![warn(missing_docs)]

mod alarm;
pub mod app;
pub mod cache;
pub mod contract;
pub mod db;
pub mod environment;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod history;
pub mod http;
mod http1;
pub mod operation;
pub mod resource;
pub mod secret;
pub mod serve;
pub mod telemetry;
pub mod text;
pub mod time;

pub use app::App;
pub use http::{Problem, Request, Response, Result};
pub use operation::{Operation, Role, Route};
pub use serve::{serve, serve_all};
/// The type of ids, for operations on resources of other services.
pub use uuid::Uuid;
