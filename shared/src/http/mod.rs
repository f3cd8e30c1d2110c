//! HTTP from the handlers' point of view: typed requests, problems, responses, pages. No transport and no
//! routing: API Gateway does both.

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
mod request;
mod response;

pub use body::JsonObject;
pub use caller::Caller;
pub(crate) use caller::digest;
pub use conditional::{Preconditions, Validators, Versioned};
pub use cors::{AllowedHeaders, AllowedOrigins, EXPOSED_HEADERS, REQUEST_HEADERS};
pub use cursor::CursorKeys;
pub use idempotency::{Creation, IdempotencyClaim, SECONDS_TO_LIVE};
pub use json::Json;
pub use page::{Limit, Page, PageRequest};
pub use problem::{Body as ProblemBody, CarriedOut, FieldError, PROBLEM_TYPES, Problem, ProblemType};
pub use query::{FromParameter, Query};
pub use request::{Gateway, MAX_BODY_BYTES, Request};
pub use response::Response;

/// The result of a handler: a value, or the problem that the client receives.
pub type Result<T, E = Problem> = std::result::Result<T, E>;
