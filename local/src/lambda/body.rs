//! Reading a body with a bound.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;

/// How much of a body over the limit is read and dropped, so that its sender gets to read the refusal: a connection
/// closed with unread data is reset, and the answer is lost with it.
const DISCARD_LIMIT_BYTES: usize = 64 * 1024 * 1024;

/// Why a body could not be read.
pub(crate) enum BodyError {
    TooLarge,
    Broken,
}

/// The whole body, at most `limit` bytes.
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
