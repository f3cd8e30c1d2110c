//! The library that every function links: the platform (events, HTTP, database, telemetry) and the words of
//! the domain. It knows no operation.

#![warn(missing_docs)]

pub mod app;
pub mod artisan;
pub mod cache;
pub mod contract;
pub mod db;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod history;
pub mod http;
mod id;
pub mod operation;
pub mod product;
pub mod search;
pub mod secret;
pub mod serve;
pub mod stored;
pub mod telemetry;
pub mod text;
pub mod time;

pub use app::App;
pub use http::{Problem, Reply, Request, Result};
pub use operation::{Operation, Role, Route};
pub use serve::{serve, serve_all};
