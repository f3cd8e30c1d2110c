//! What an authoriser gets to see of a request.

use http::request::Parts;

use super::exchange::Exchange;

/// A request of somebody who may not be allowed to make it.
pub(super) struct Claim<'a> {
    /// The region that the API claims to be in.
    pub(super) region: &'a str,
    /// The ARN of what is called, as far as a client gets to read it.
    pub(super) resource: &'a str,
    pub(super) exchange: &'a Exchange,
    pub(super) head: &'a Parts,
    /// Signatures cover it.
    pub(super) body: &'a [u8],
}
