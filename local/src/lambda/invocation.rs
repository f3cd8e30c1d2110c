//! An event on its way to a function, the reply, and Lambda's quotas of both.

use bytes::Bytes;
use tokio::sync::oneshot;

use super::error::InvokeError;

/// Largest event of a synchronous invocation: 6 MB, Lambda's quota.
pub const EVENT_LIMIT_BYTES: usize = 6 * 1024 * 1024;
/// Largest answer of a function: 6 MB and the 100 bytes that Lambda leaves for its own envelope.
pub const RESPONSE_LIMIT_BYTES: usize = 6_291_556;

/// What the function made of an event.
pub(super) type Reply = Result<Bytes, InvokeError>;

/// An event on its way to a runtime.
pub(super) struct Invocation {
    pub(super) request_id: String,
    pub(super) event: Bytes,
    pub(super) deadline_epoch_ms: u128,
    pub(super) function_arn: String,
    pub(super) trace_id: String,
    pub(super) reply: oneshot::Sender<Reply>,
}
