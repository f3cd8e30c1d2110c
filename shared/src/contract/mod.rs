//! The responses and parameters with which handlers and types declare the API's contract (OpenAPI), for the
//! attributes of `utoipa`.
//!
//! Responses and parameters shared by many operations are components of the document; here they are only
//! referenced by name. The crate `api` builds the document, which is published as a file; none of this runs
//! in a function.

mod parameters;
mod responses;

pub use parameters::{AuditReason, Conditions, IdempotencyKey, Paging, Revalidation, query, required_query};
pub use responses::{
    Answered, BadRequest, BadRequestBody, CONTENT, Changed, Checked, Conflict, ContractRead, Created,
    Deleted, Fed, Listed, NotFound, PageRead, Read,
};

pub use utoipa::{IntoParams, openapi};

use serde_json::Value;

/// A type with an example in the document.
pub trait Example {
    /// The example: JSON as a client sends or reads it.
    fn example() -> Value;
}

/// The content of a response. Its schemas are added to the document wherever a response refers to it.
pub trait Component {
    /// The path segment of its collection, if it is a resource: "products".
    const COLLECTION: Option<&'static str> = None;

    /// The name of its schema.
    fn name() -> String;

    /// Its schema and those it refers to, each with its name.
    fn schemas() -> Vec<(String, Value)>;

    /// An example value.
    fn example() -> Value;
}
