//! HTTP as operations see it: typed requests, problems, replies, pages. No transport and no routing: API
//! Gateway has done both.

mod body;
mod cors;
mod cursor;
mod page;
mod problem;
mod query;
mod reply;
mod request;

pub use body::{FromJson, Members, Patch};
pub use cors::AllowedOrigins;
pub use cursor::CursorKey;
pub use page::{Limit, Page, PageRequest};
pub use problem::{Fault, Problem};
pub use query::{FromParameter, Query};
pub use reply::Reply;
pub use request::{Gateway, MAX_BODY_BYTES, Request};

/// What a handler returns: a value, or the problem that the client is told.
pub type Result<T, E = Problem> = std::result::Result<T, E>;
