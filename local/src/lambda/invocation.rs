//! An invocation, its result, and Lambda's size quotas for events and responses.

use bytes::Bytes;
use tokio::sync::oneshot;

use super::error::InvokeError;

/// The largest event of a synchronous invocation: 6 MB, Lambda's quota.
pub const EVENT_LIMIT_BYTES: usize = 6 * 1024 * 1024;
/// The largest response of a function: 6 MB plus the 100 bytes that Lambda adds for its own envelope.
pub const RESPONSE_LIMIT_BYTES: usize = 6_291_556;

/// The payload that the function returned, or why there is none.
pub(super) type InvocationResult = Result<Bytes, InvokeError>;

/// An event for a runtime, with its metadata and the channel for its result.
pub(super) struct Invocation {
    pub(super) request_id: String,
    pub(super) event: Bytes,
    pub(super) deadline_epoch_ms: u128,
    pub(super) function_arn: String,
    pub(super) trace_id: String,
    pub(super) result: oneshot::Sender<InvocationResult>,
}
