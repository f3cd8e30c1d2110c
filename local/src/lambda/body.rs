//! Reads a request body up to a size limit.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;

/// How much of an oversized body is read and discarded, so that its sender can receive the error response: closing a
/// connection with unread data resets it, and the response is lost.
const DISCARD_LIMIT_BYTES: usize = 64 * 1024 * 1024;

/// Why a body could not be read.
pub(crate) enum BodyError {
    TooLarge,
    Broken,
}

/// Reads the whole body, at most `limit` bytes.
pub(crate) async fn read(mut body: Incoming, limit: usize) -> Result<Bytes, BodyError> {
    let mut kept = BytesMut::new();
    let mut total = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Broken)?;
        let Some(data) = frame.data_ref() else { continue };
        total += data.len();
        if total <= limit {
            kept.extend_from_slice(data);
        } else if total > limit + DISCARD_LIMIT_BYTES {
            break;
        }
    }
    if total > limit { Err(BodyError::TooLarge) } else { Ok(kept.freeze()) }
}
