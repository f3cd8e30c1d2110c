//! A request as a handler reads it.

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts};
use bytes::Bytes;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{
    Caller, Claim, Fault, FromParameter, Members, Preconditions, Problem, Query, Reply, Result, Validators,
    idempotency::IDEMPOTENCY_KEY,
};
use crate::{App, db::Repeat};

/// The largest body that an operation accepts, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// What RFC 3986 allows in a path, `%` apart: a path may have arrived encoded.
const PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'?').add(b'#').add(b'\\');

/// A request: what the client sent, and what API Gateway made of it.
#[derive(Debug)]
pub struct Request {
    head: Parts,
    body: Bytes,
    gateway: Gateway,
}

/// What API Gateway says about a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gateway {
    /// The gateway's id of this request.
    pub request_id: String,
    /// The path as the client sent it, with stage or base path: what links are made from.
    pub public_path: String,
    /// Values of the path template's parameters, decoded.
    pub path_parameters: Vec<(String, String)>,
    /// Query parameters in order, decoded, repeated ones included.
    pub query: Vec<(String, String)>,
    /// Who calls; none where nobody is asked who they are.
    pub caller: Option<Caller>,
}

impl Request {
    /// A request of its parts.
    pub fn new(request: ::http::Request<Bytes>, mut gateway: Gateway) -> Self {
        // A presigned URL's signature is no question to an operation, and has no place in a link.
        gateway.query.retain(|(name, _)| !name.starts_with("X-Amz-"));
        let (head, body) = request.into_parts();
        Self { head, body, gateway }
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The body, as sent.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// What API Gateway says.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// The client's correlation id, else the gateway's request id.
    pub fn correlation_id(&self) -> &str {
        self.headers()
            .get("x-correlation-id")
            .and_then(|value| value.to_str().ok())
            .filter(|id| (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()))
            .unwrap_or(&self.gateway.request_id)
    }

    /// The path that the client sees, percent-encoded and without a trailing slash.
    pub fn public_path(&self) -> String {
        utf8_percent_encode(self.gateway.public_path.trim_end_matches('/'), PATH).to_string()
    }

    /// The path parameter `name`.
    ///
    /// # Errors
    /// 400 when it does not have the form of a `T`.
    pub fn path_parameter<T: FromParameter>(&self, name: &str) -> Result<T> {
        let parameters = &self.gateway.path_parameters;
        let value = parameters.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value);
        T::from_parameter(value)
            .map_err(|detail| Problem::invalid_parameters(vec![Fault::parameter(name, detail)]))
    }

    /// A reader of the query parameters.
    pub fn query(&self) -> Query<'_> {
        Query::new(&self.gateway.query)
    }

    /// The reply to a read of what `validators` recognise: `reply` with them, or 304.
    ///
    /// # Errors
    /// 400 for malformed preconditions, 412 for false ones.
    pub fn revalidate(&self, validators: &Validators, reply: Reply) -> Result<Reply> {
        Preconditions::from_headers(self.headers())?.read(validators, reply)
    }

    /// Checks that the preconditions are well-formed, also where an operation evaluates none of them: a malformed one that
    /// is ignored looks to its client like one that was true.
    ///
    /// # Errors
    /// 400 for malformed preconditions.
    pub(crate) fn check_syntax(&self) -> Result<()> {
        Preconditions::from_headers(self.headers()).map(|_| ())
    }

    /// The preconditions of a write.
    ///
    /// # Errors
    /// 400 for malformed ones; 428 when the application demands an `If-Match` and there is none.
    pub fn preconditions(&self, app: &App) -> Result<Preconditions> {
        let preconditions = Preconditions::from_headers(self.headers())?;
        if app.requires_if_match && !preconditions.has_if_match() {
            return Err(Problem::precondition_required());
        }
        Ok(preconditions)
    }

    /// Whether this very request may be sent again when nobody knows whether it was carried out. DELETE is: an id is
    /// never used again. POST is if its `Idempotency-Key` makes the second one a replay, PUT and PATCH if their
    /// `If-Match` names the version that they change.
    pub fn is_safe_to_repeat(&self) -> bool {
        match *self.method() {
            Method::POST => self.headers().contains_key(IDEMPOTENCY_KEY),
            Method::PUT | Method::PATCH => Preconditions::from_headers(self.headers())
                .is_ok_and(|preconditions| preconditions.repeat() == Repeat::Safe),
            _ => self.method().is_idempotent(),
        }
    }

    /// What a POST of `members` to `operation` claims by its `Idempotency-Key`.
    ///
    /// # Errors
    /// 400 when the key or a precondition is malformed; 412 for an `If-Match`, since nothing exists yet that could match.
    pub fn claim(&self, operation: &str, members: &Members) -> Result<Claim> {
        Claim::of(self, operation, members)
    }

    /// The members of the body, a JSON object sent as `application/json`.
    ///
    /// # Errors
    /// 413, 415, 400 or 422, in this order, for the body as a whole.
    pub fn json(&self) -> Result<Members> {
        self.object(&["application/json"], HeaderName::from_static("accept-post"), "application/json")
    }

    /// The members of a JSON Merge Patch (RFC 7396); `application/json` is accepted as one.
    ///
    /// # Errors
    /// As for [`json`](Self::json).
    pub fn merge_patch(&self) -> Result<Members> {
        self.object(
            &["application/merge-patch+json", "application/json"],
            HeaderName::from_static("accept-patch"),
            "application/merge-patch+json, application/json",
        )
    }

    fn object(&self, media_types: &[&str], accept: HeaderName, accepted: &'static str) -> Result<Members> {
        if self.body.len() > MAX_BODY_BYTES {
            return Err(Problem::body_too_large(MAX_BODY_BYTES));
        }
        let mut content_types = self.headers().get_all(header::CONTENT_TYPE).iter().peekable();
        if content_types.peek().is_none() || !content_types.all(|value| is_media_type(value, media_types)) {
            return Err(Problem::unsupported_media_type(accept, accepted));
        }
        Members::parse(&self.body)
    }
}

/// Whether a Content-Type is one of `media_types`, whatever its parameters: JSON has none, `charset` neither (RFC 8259,
/// section 11). It is UTF-8 or malformed.
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
