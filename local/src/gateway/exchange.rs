//! One request and its answer: identifiers, times, and the line in the access log.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, request::Parts};
use jiff::Timestamp;
use uuid::Uuid;

const TRACE_HEADER: &str = "x-amzn-trace-id";
/// A longer trace header is not ours to pass on.
const TRACE_LIMIT_BYTES: usize = 256;

/// What the access log knows of one request.
#[derive(Clone, Debug)]
pub struct AccessLine {
    /// `requestContext.requestId`, also in the answer as `x-amzn-RequestId`.
    pub request_id: String,
    /// The client.
    pub source_ip: IpAddr,
    /// The method as sent.
    pub method: String,
    /// The path as sent, without its query.
    pub path: String,
    /// The template of the resource, if one was found.
    pub resource: Option<String>,
    /// The status of the answer.
    pub status: u16,
    /// From the request's head to the answer.
    pub duration: Duration,
    /// Why the gateway answered in the function's place; the client did not get to read this.
    pub error: Option<String>,
}

/// Takes the access log; called from the runtime's threads, so it must not block.
pub type AccessSink = Arc<dyn Fn(AccessLine) + Send + Sync>;

/// A request on its way.
pub(super) struct Exchange {
    pub(super) request_id: String,
    pub(super) extended_request_id: String,
    /// The `X-Amzn-Trace-Id` that the function sees and the client gets back.
    pub(super) trace: String,
    pub(super) peer: SocketAddr,
    pub(super) received: Timestamp,
    pub(super) resource: Option<String>,
    started: Instant,
}

impl Exchange {
    pub(super) fn new(peer: SocketAddr, head: &Parts, received: Timestamp) -> Self {
        let sent = head.headers.get(TRACE_HEADER).and_then(|value| value.to_str().ok());
        let sent = sent.filter(|trace| trace.starts_with("Root=") && trace.len() <= TRACE_LIMIT_BYTES);
        Self {
            request_id: Uuid::now_v7().to_string(),
            extended_request_id: BASE64_STANDARD.encode(&Uuid::now_v7().as_bytes()[5..]),
            trace: sent.map_or_else(|| new_trace(received), str::to_owned),
            peer,
            received,
            resource: None,
            started: Instant::now(),
        }
    }

    /// The trace as Lambda gives it to a function: with a parent, and a decision about sampling.
    pub(super) fn function_trace_id(&self) -> String {
        let mut trace = self.trace.clone();
        if !trace.contains("Parent=") {
            trace.push_str(&format!(";Parent={:016x}", random_bits(64)));
        }
        if !trace.contains("Sampled=") {
            trace.push_str(";Sampled=0");
        }
        trace
    }

    /// Puts the identifiers into the answer, in the place of any that the function has set.
    pub(super) fn mark(&self, headers: &mut HeaderMap) {
        let identifiers = [
            (HeaderName::from_static("x-amzn-requestid"), &self.request_id),
            (HeaderName::from_static("x-amz-apigw-id"), &self.extended_request_id),
            (HeaderName::from_static(TRACE_HEADER), &self.trace),
        ];
        for (name, text) in identifiers {
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        }
    }

    pub(super) fn into_access_line(
        self,
        head: &Parts,
        status: StatusCode,
        error: Option<String>,
    ) -> AccessLine {
        AccessLine {
            request_id: self.request_id,
            source_ip: self.peer.ip(),
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            resource: self.resource,
            status: status.as_u16(),
            duration: self.started.elapsed(),
            error,
        }
    }
}

fn new_trace(received: Timestamp) -> String {
    format!("Root=1-{:08x}-{:024x}", received.as_second(), random_bits(96))
}

/// The last bits of a UUID are its random ones.
fn random_bits(count: u32) -> u128 {
    Uuid::now_v7().as_u128() & ((1 << count) - 1)
}
