//! HTTP as operations see it: typed requests, problems, replies, pages. No transport and no routing: API
//! Gateway has done both.

mod body;
mod caller;
pub(crate) mod conditional;
mod cors;
pub(crate) mod cursor;
mod date;
pub(crate) mod idempotency;
mod json;
mod page;
mod problem;
mod query;
mod reply;
mod request;

pub use body::Members;
pub use caller::Caller;
pub(crate) use caller::digest;
pub use conditional::{Preconditions, Validators, Versioned};
pub use cors::{AllowedHeaders, AllowedOrigins, EXPOSED_HEADERS, REQUEST_HEADERS};
pub use cursor::CursorKeys;
pub use idempotency::{Claim, Creation, SECONDS_TO_LIVE};
pub use json::Json;
pub use page::{Limit, Page, PageRequest};
pub use problem::{Body as ProblemBody, CarriedOut, Fault, KINDS, Kind, Problem};
pub use query::{FromParameter, Query};
pub use reply::Reply;
pub use request::{Gateway, MAX_BODY_BYTES, Request};

/// What a handler returns: a value, or the problem that the client is told.
pub type Result<T, E = Problem> = std::result::Result<T, E>;
