//! One request and its response: identifiers, times, and the line of the access log.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, request::Parts};
use http_body_util::Full;
use hyper::body::Body;
use jiff::Timestamp;
use uuid::Uuid;

use super::{access_log::AccessLine, errors::GatewayError, trace::Trace};

const TRACE_HEADER: &str = "x-amzn-trace-id";

/// The state of a request that is being processed.
pub(super) struct Exchange {
    pub(super) request_id: String,
    pub(super) extended_request_id: String,
    /// The `X-Amzn-Trace-Id` for the function and for the response.
    pub(super) trace: Trace,
    pub(super) peer: SocketAddr,
    pub(super) received: Timestamp,
    pub(super) resource: Option<String>,
    pub(super) caller: Option<String>,
    pub(super) user: Option<String>,
    pub(super) api_key_id: Option<String>,
    pub(super) integration_duration: Option<Duration>,
    started: Instant,
}

impl Exchange {
    pub(super) fn new(peer: SocketAddr, head: &Parts, received: Timestamp) -> Self {
        let sent = head.headers.get(TRACE_HEADER).and_then(|value| Trace::parse(value.to_str().ok()?));
        Self {
            request_id: Uuid::now_v7().to_string(),
            extended_request_id: BASE64_STANDARD.encode(&Uuid::now_v7().as_bytes()[5..]),
            trace: sent.unwrap_or_else(|| Trace::new(received)),
            peer,
            received,
            resource: None,
            caller: None,
            user: None,
            api_key_id: None,
            integration_duration: None,
            started: Instant::now(),
        }
    }

    /// The trace as Lambda passes it to a function: `is_traced` is the sampling decision unless the client has made it.
    pub(super) fn function_trace_id(&self, is_traced: bool) -> String {
        self.trace.for_function(is_traced)
    }

    /// Sets the response headers with the identifiers, replacing any that the function has set.
    pub(super) fn add_identifiers(&self, headers: &mut HeaderMap) {
        let identifiers = [
            (HeaderName::from_static("x-amzn-requestid"), &self.request_id),
            (HeaderName::from_static("x-amz-apigw-id"), &self.extended_request_id),
            (HeaderName::from_static(TRACE_HEADER), &self.trace.to_string()),
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
        response: &Response<Full<Bytes>>,
        failure: Option<GatewayError>,
    ) -> AccessLine {
        let (problem, error) = failure.map(GatewayError::into_log).unzip();
        AccessLine {
            request_id: self.request_id,
            extended_request_id: self.extended_request_id,
            source_ip: self.peer.ip(),
            caller: self.caller,
            user: self.user,
            api_key_id: self.api_key_id,
            received: self.received,
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            resource: self.resource,
            protocol: protocol(head),
            status: response.status().as_u16(),
            response_bytes: response.body().size_hint().exact().unwrap_or_default(),
            duration: self.started.elapsed(),
            integration_duration: self.integration_duration,
            problem,
            error,
        }
    }
}

pub(super) fn protocol(head: &Parts) -> &'static str {
    if head.version == http::Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" }
}
