//! A request, as a handler sees it.

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts};
use bytes::Bytes;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{
    Caller, FieldError, FromParameter, IdempotencyClaim, JsonObject, Preconditions, Problem, Query, Response,
    Result, Validators, idempotency::IDEMPOTENCY_KEY,
};
use crate::{App, db::Repeat};

/// The maximum size of a request body, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// RFC 3986's path characters and `%`, because a path may already be encoded.
const PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'?').add(b'#').add(b'\\');

/// A request: what the client sent, and what API Gateway added.
#[derive(Debug)]
pub struct Request {
    head: Parts,
    body: Bytes,
    gateway: Gateway,
}

/// What API Gateway knows about a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gateway {
    /// The id that API Gateway assigned to the request.
    pub request_id: String,
    /// The path as the client sent it, with the stage or base path, for use in links.
    pub public_path: String,
    /// The decoded path parameters.
    pub path_parameters: Vec<(String, String)>,
    /// The decoded query parameters in order, including repeated ones.
    pub query: Vec<(String, String)>,
    /// The authenticated caller; `None` if the route does not authenticate.
    pub caller: Option<Caller>,
}

impl Request {
    /// Combines the parts of a request.
    pub fn new(request: ::http::Request<Bytes>, mut gateway: Gateway) -> Self {
        // A presigned URL's signature is not a parameter of the operation, and does not belong in links.
        gateway.query.retain(|(name, _)| !name.starts_with("X-Amz-"));
        let (head, body) = request.into_parts();
        Self { head, body, gateway }
    }

    /// The HTTP method.
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// The request headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The raw body.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// What API Gateway knows about the request.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// The client's correlation id, or else the gateway's request id.
    pub fn correlation_id(&self) -> &str {
        self.headers()
            .get("x-correlation-id")
            .and_then(|value| value.to_str().ok())
            .filter(|id| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()))
            .unwrap_or(&self.gateway.request_id)
    }

    /// The path as the client sees it, percent-encoded and without a trailing slash.
    pub fn public_path(&self) -> String {
        utf8_percent_encode(self.gateway.public_path.trim_end_matches('/'), PATH).to_string()
    }

    /// The path parameter `name`.
    ///
    /// # Errors
    /// 400 if it cannot be parsed as a `T`.
    pub fn path_parameter<T: FromParameter>(&self, name: &str) -> Result<T> {
        let parameters = &self.gateway.path_parameters;
        let value = parameters.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value);
        T::from_parameter(value)
            .map_err(|detail| Problem::invalid_parameters(vec![FieldError::parameter(name, detail)]))
    }

    /// A parser of the query parameters.
    pub fn query(&self) -> Query<'_> {
        Query::new(&self.gateway.query)
    }

    /// The response to a read: `response` with `validators`, or 304.
    ///
    /// # Errors
    /// 400 for malformed preconditions, 412 for false ones.
    pub fn revalidate(&self, validators: &Validators, response: Response) -> Result<Response> {
        Preconditions::from_headers(self.headers())?.read(validators, response)
    }

    /// Checks that the preconditions are well-formed even if the operation does not evaluate them: to the
    /// client, an ignored malformed precondition would look like a true one.
    ///
    /// # Errors
    /// 400 for malformed preconditions.
    pub(crate) fn check_syntax(&self) -> Result<()> {
        Preconditions::from_headers(self.headers()).map(|_| ())
    }

    /// The preconditions of a write.
    ///
    /// # Errors
    /// 400 for malformed preconditions; 428 if `If-Match` is required and missing.
    pub fn preconditions(&self, app: &App) -> Result<Preconditions> {
        let preconditions = Preconditions::from_headers(self.headers())?;
        if app.requires_if_match && !preconditions.has_if_match() {
            return Err(Problem::precondition_required());
        }
        Ok(preconditions)
    }

    /// Whether this request may be repeated if its outcome is unknown. DELETE may, because ids are never
    /// reused; POST if an `Idempotency-Key` makes the second request a replay; PUT and PATCH if `If-Match`
    /// names the version that they change.
    pub fn is_safe_to_repeat(&self) -> bool {
        match *self.method() {
            Method::POST => self.headers().contains_key(IDEMPOTENCY_KEY),
            Method::PUT | Method::PATCH => Preconditions::from_headers(self.headers())
                .is_ok_and(|preconditions| preconditions.repeat() == Repeat::Safe),
            _ => self.method().is_idempotent(),
        }
    }

    /// The claim of a POST of `members` to `operation` to its `Idempotency-Key`.
    ///
    /// # Errors
    /// 400 if the key or a precondition is malformed; 412 for an `If-Match`, because no resource exists yet
    /// that could match.
    pub fn claim(&self, operation: &str, members: &JsonObject) -> Result<IdempotencyClaim> {
        IdempotencyClaim::of(self, operation, members)
    }

    /// Parses the body, a JSON object sent as `application/json`.
    ///
    /// # Errors
    /// 413, 415, 400 or 422, checked in this order, for the body as a whole.
    pub fn json(&self) -> Result<JsonObject> {
        self.object(&["application/json"], HeaderName::from_static("accept-post"), "application/json")
    }

    /// Parses the body as a JSON Merge Patch (RFC 7396); `application/json` is accepted as one.
    ///
    /// # Errors
    /// As for [`json`](Self::json).
    pub fn merge_patch(&self) -> Result<JsonObject> {
        self.object(
            &["application/merge-patch+json", "application/json"],
            HeaderName::from_static("accept-patch"),
            "application/merge-patch+json, application/json",
        )
    }

    fn object(&self, media_types: &[&str], accept: HeaderName, accepted: &'static str) -> Result<JsonObject> {
        if self.body.len() > MAX_BODY_BYTES {
            return Err(Problem::body_too_large(MAX_BODY_BYTES));
        }
        let mut content_types = self.headers().get_all(header::CONTENT_TYPE).iter().peekable();
        if content_types.peek().is_none() || !content_types.all(|value| is_media_type(value, media_types)) {
            return Err(Problem::unsupported_media_type(accept, accepted));
        }
        JsonObject::parse(&self.body)
    }
}

/// Whether the Content-Type is one of `media_types`. Parameters are ignored: JSON defines none, not even
/// `charset` (RFC 8259, section 11). The body has to be UTF-8 anyway.
fn is_media_type(content_type: &HeaderValue, media_types: &[&str]) -> bool {
    let essence = content_type.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default();
    media_types.iter().any(|allowed| essence.trim_ascii().eq_ignore_ascii_case(allowed.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_media_type_counts_and_its_parameters_do_not() {
        for (content_type, accepted) in [
            ("application/json", true),
            ("Application/JSON; charset=UTF-8", true),
            ("application/json;charset=\"utf-8\"; profile=x", true),
            ("application/json; charset=utf8", true),
            ("application/json; charset=us-ascii", true),
            ("application/json; charset=shift_jis", true),
            ("application/json; charset=", true),
            ("application/json; charset", true),
            ("application/json; charset=utf-8; charset=utf-8", true),
            ("application/json;", true),
            (" application/json ;;x=\u{e9}", true),
            ("application/jsonx", false),
            ("application/json charset=utf-8", false),
            ("application/json, application/json", false),
            ("text/plain; x=application/json", false),
            ("; application/json", false),
            ("text/plain", false),
            ("", false),
        ] {
            let value = HeaderValue::from_bytes(content_type.as_bytes()).unwrap();
            assert_eq!(is_media_type(&value, &["application/json"]), accepted, "{content_type}");
        }
    }

    #[test]
    fn every_content_type_must_be_accepted() {
        let status = |content_types: &[&'static str]| {
            let mut request = ::http::Request::new(Bytes::from_static(b"{}"));
            for content_type in content_types {
                request.headers_mut().append(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
            }
            let request = Request::new(request, Gateway::default());
            (
                request.json().err().map(|problem| problem.status().as_u16()),
                request.merge_patch().err().map(|problem| problem.status().as_u16()),
            )
        };
        assert_eq!(status(&[]), (Some(415), Some(415)));
        assert_eq!(status(&["application/json"; 2]), (None, None));
        assert_eq!(status(&["application/merge-patch+json; charset=utf8"]), (Some(415), None));
        assert_eq!(status(&["application/json", "text/plain"]), (Some(415), Some(415)));
        assert_eq!(status(&["text/plain", "application/json"]), (Some(415), Some(415)));
    }
}
