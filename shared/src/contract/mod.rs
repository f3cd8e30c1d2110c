//! The words in which handlers and types declare the API's contract (OpenAPI), for the attributes of `utoipa`.
//!
//! Responses and parameters that many operations share are components of the document: here they only have names. The
//! document is built by the crate `api` and published as a file; none of this runs in a function.

mod parameters;
mod responses;

pub use parameters::{AuditReason, Conditions, IdempotencyKey, Paging, Revalidation, query, required_query};
pub use responses::{
    ANSWERS, Answered, BadRequest, BadRequestBody, Changed, Checked, Conflict, ContractRead, Created,
    Deleted, Listed, NotFound, PageRead, Read,
};

pub use utoipa::{IntoParams, openapi};

use serde_json::Value;

/// A type that the document shows an example of.
pub trait Example {
    /// The example: JSON as a client sends or reads it.
    fn example() -> Value;
}

/// What operations answer: it brings its schemas into the document wherever a response names it.
pub trait Component {
    /// The segment of the paths below which it can be found, if it is a resource: "products".
    const COLLECTION: Option<&'static str> = None;

    /// The name of its schema.
    fn name() -> String;

    /// Its schema, and those that it refers to, by their names.
    fn schemas() -> Vec<(String, Value)>;

    /// An example of it.
    fn example() -> Value;
}
