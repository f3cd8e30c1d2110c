//! The parts of a request that an authoriser needs.

use http::request::Parts;

use super::exchange::Exchange;

/// A request that is not authorised yet.
pub(super) struct AuthRequest<'a> {
    /// The region of the API.
    pub(super) region: &'a str,
    /// The ARN of the method, in the form that clients may see.
    pub(super) resource: &'a str,
    pub(super) exchange: &'a Exchange,
    pub(super) head: &'a Parts,
    /// The body, which signatures cover.
    pub(super) body: &'a [u8],
}
