//! The words in which handlers and types declare the API's contract (OpenAPI), for the attributes of `utoipa`.
//!
//! Responses and parameters that many operations share are components of the document: here they only have names. The
//! document is built by the crate `api` and published as a file; none of this runs in a function.

mod parameters;
mod responses;

pub use parameters::{
    AuditReason, Conditions, IdempotencyKey, Paging, Revalidation, choice, query, required_query,
};
pub use responses::{
    BadRequest, BadRequestBody, Changed, Checked, Conflict, ContractRead, Created, Deleted, Listed, NotFound,
    PageRead, Read,
};

use serde_json::Value;

/// A type that the document shows an example of.
pub trait Example {
    /// The example: JSON as a client sends or reads it.
    fn example() -> Value;
}
