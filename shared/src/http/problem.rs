//! Problem details (RFC 9457): the form of every error response. Each problem has one message for the client
//! and one for the log, so that no internals leak and no cause is lost.

use std::{borrow::Cow, collections::BTreeMap, error::Error, fmt};

use ::http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{Request, Response};
use crate::telemetry::Cause;

/// The maximum number of errors in a response. A body can have thousands, and the response must not outgrow
/// the request.
const MAX_FAULTS: usize = 100;

/// The longest field name that is quoted, in characters.
const MAX_NAME_CHARACTERS: usize = 200;

/// A problem type: the value of `type`, its status and its title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProblemType {
    /// The last segment of `type`.
    pub name: &'static str,
    /// The status code of every occurrence.
    pub status: StatusCode,
    /// The title, the same for every occurrence.
    pub title: &'static str,
}

impl ProblemType {
    const fn new(name: &'static str, status: StatusCode, title: &'static str) -> Self {
        Self { name, status, title }
    }

    /// `type`: a URN, because there is no page to link to.
    pub fn urn(&self) -> String {
        format!(concat!("urn:problem-type:", project::name!(), ":{}"), self.name)
    }
}

const MALFORMED_BODY: ProblemType =
    ProblemType::new("malformed-body", StatusCode::BAD_REQUEST, "The body is not well-formed JSON");
const INVALID_PARAMETERS: ProblemType =
    ProblemType::new("invalid-parameters", StatusCode::BAD_REQUEST, "A parameter is not valid");
const NOT_FOUND: ProblemType = ProblemType::new("not-found", StatusCode::NOT_FOUND, "Not found");
const CONFLICT: ProblemType = ProblemType::new("conflict", StatusCode::CONFLICT, "Conflict");
const REQUEST_IN_PROGRESS: ProblemType =
    ProblemType::new("request-in-progress", StatusCode::CONFLICT, "The request is still in progress");
const PRECONDITION_FAILED: ProblemType =
    ProblemType::new("precondition-failed", StatusCode::PRECONDITION_FAILED, "Precondition failed");
const BODY_TOO_LARGE: ProblemType =
    ProblemType::new("body-too-large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large");
const UNSUPPORTED_MEDIA_TYPE: ProblemType = ProblemType::new(
    "unsupported-media-type",
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    "The media type is not supported",
);
const INVALID_BODY: ProblemType =
    ProblemType::new("invalid-body", StatusCode::UNPROCESSABLE_ENTITY, "The body is not valid");
const IDEMPOTENCY_KEY_REUSED: ProblemType = ProblemType::new(
    "idempotency-key-reused",
    StatusCode::UNPROCESSABLE_ENTITY,
    "The Idempotency-Key was used before",
);
const PRECONDITION_REQUIRED: ProblemType =
    ProblemType::new("precondition-required", StatusCode::PRECONDITION_REQUIRED, "Precondition required");
const INTERNAL: ProblemType =
    ProblemType::new("internal", StatusCode::INTERNAL_SERVER_ERROR, "Internal server error");
const UNAVAILABLE: ProblemType =
    ProblemType::new("unavailable", StatusCode::SERVICE_UNAVAILABLE, "Service unavailable");

const TRY_AGAIN: &str = "The service cannot answer at the moment. Try again later.";
const FIND_OUT: &str = "The service cannot answer at the moment. The request may have been carried out: check before \
    you repeat it.";

/// Every problem type.
pub static PROBLEM_TYPES: &[ProblemType] = &[
    MALFORMED_BODY,
    INVALID_PARAMETERS,
    NOT_FOUND,
    CONFLICT,
    REQUEST_IN_PROGRESS,
    PRECONDITION_FAILED,
    BODY_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
    INVALID_BODY,
    IDEMPOTENCY_KEY_REUSED,
    PRECONDITION_REQUIRED,
    INTERNAL,
    UNAVAILABLE,
];

/// Whether a failed request may have been carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CarriedOut {
    /// Nothing was changed, and nothing will be.
    No,
    /// It may have been carried out, or may still be.
    Unknown,
}

/// An error response, with a cause that only goes to the log.
pub struct Problem(Box<Parts>);

struct Parts {
    kind: ProblemType,
    detail: Cow<'static, str>,
    faults: Vec<FieldError>,
    member: Option<(&'static str, Value)>,
    header: Option<(HeaderName, HeaderValue)>,
    carried_out: CarriedOut,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

/// The JSON of a problem (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct Body<'a> {
    /// The problem type: a URN, or `about:blank` if the status code says enough.
    #[schema(format = "uri-reference")]
    r#type: String,
    /// The title of the problem type.
    title: &'a str,
    /// The status code.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// What is wrong with this request.
    detail: &'a str,
    /// The path of the request.
    #[schema(format = "uri-reference")]
    instance: &'a str,
    /// The id to quote when you report the problem.
    request_id: &'a str,
    /// The errors in the request, if it is invalid: all of them, or the first 100.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    #[schema(value_type = Vec<FieldError>, required = false, min_items = 1, max_items = 100)]
    errors: &'a [FieldError],
    /// Whether the request may have been carried out: present if the status is 500 or above. A request with a
    /// lower status was not carried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    carried_out: Option<CarriedOut>,
    #[serde(flatten)]
    #[schema(ignore)]
    member: Option<BTreeMap<&'static str, Value>>,
}

/// One error in a request and its place: in the body or in a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON Pointer (RFC 6901) into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub pointer: Option<String>,
    /// Name of the query or path parameter, or of the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub parameter: Option<String>,
    /// What is wrong, as a fact: "must not be empty".
    pub detail: String,
}

impl FieldError {
    /// An error in the body's field `name`, or in the whole body if the name is too long to quote.
    pub fn field(name: &str, detail: impl Into<String>) -> Self {
        if let Some((end, _)) = name.char_indices().nth(MAX_NAME_CHARACTERS) {
            let (start, detail) = (&name[..end], detail.into());
            return Self::body(format!("{start:?}..., {} characters long, {detail}", name.chars().count()));
        }
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        Self { pointer: Some(pointer), parameter: None, detail: detail.into() }
    }

    /// An error in the body as a whole.
    pub fn body(detail: impl Into<String>) -> Self {
        Self { pointer: Some(String::new()), parameter: None, detail: detail.into() }
    }

    /// An error in the query parameter, path parameter or header `name`.
    pub fn parameter(name: &str, detail: impl Into<String>) -> Self {
        Self { pointer: None, parameter: Some(name.to_owned()), detail: detail.into() }
    }
}

impl Problem {
    fn new(kind: ProblemType, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Parts {
            kind,
            detail: detail.into(),
            faults: Vec::new(),
            member: None,
            header: None,
            carried_out: CarriedOut::Unknown,
            cause: None,
        }))
    }

    /// 400: the body is not JSON.
    pub fn malformed_body(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(MALFORMED_BODY, detail)
    }

    /// 400: path parameters, query parameters or headers are invalid.
    pub fn invalid_parameters(faults: Vec<FieldError>) -> Self {
        Self::faulty(INVALID_PARAMETERS, faults)
    }

    /// A problem of `kind` with `faults`, truncated to the maximum; the detail then tells how many are
    /// omitted.
    fn faulty(kind: ProblemType, mut faults: Vec<FieldError>) -> Self {
        let detail = match faults.len().checked_sub(MAX_FAULTS) {
            None | Some(0) => Cow::Borrowed("See `errors`."),
            Some(more) => {
                Cow::Owned(format!("See `errors` for the first {MAX_FAULTS} errors. There are {more} more."))
            }
        };
        faults.truncate(MAX_FAULTS);
        let mut problem = Self::new(kind, detail);
        problem.0.faults = faults;
        problem
    }

    /// 404: the resource does not exist. `what` names it, such as "product".
    pub fn not_found(what: &str) -> Self {
        Self::new(NOT_FOUND, format!("The {what} does not exist."))
    }

    /// 409: the request conflicts with the current state.
    pub fn conflict(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(CONFLICT, detail)
    }

    /// 409: the first request with the same idempotency key is still in progress.
    pub(crate) fn still_running() -> Self {
        Self::new(
            REQUEST_IN_PROGRESS,
            "Another request with this Idempotency-Key is in progress. Repeat this one later.",
        )
        .with_header(header::RETRY_AFTER, HeaderValue::from(1))
    }

    /// 412: a precondition is false. `etag` is that of the current representation.
    pub(crate) fn precondition_failed(etag: Option<HeaderValue>) -> Self {
        let problem = Self::new(
            PRECONDITION_FAILED,
            "The resource does not match the request's preconditions. Read it again.",
        );
        match etag {
            Some(etag) => problem.with_header(header::ETAG, etag),
            None => problem,
        }
    }

    /// 412: an `If-Match` in a request that creates a resource, which has no version yet.
    pub(super) fn nothing_to_match() -> Self {
        Self::new(
            PRECONDITION_FAILED,
            "This request creates a resource, which no If-Match can match. Remove the header.",
        )
    }

    /// 413: the body exceeds `max_bytes`.
    pub fn body_too_large(max_bytes: usize) -> Self {
        Self::new(BODY_TOO_LARGE, format!("The body must have at most {max_bytes} bytes."))
    }

    /// 415: the body has an unsupported media type. `accepted` is sent as `Accept-Post` or `Accept-Patch`.
    pub fn unsupported_media_type(header: HeaderName, accepted: &'static str) -> Self {
        Self::new(UNSUPPORTED_MEDIA_TYPE, format!("Content-Type must be one of: {accepted}."))
            .with_header(header, HeaderValue::from_static(accepted))
    }

    /// 422: well-formed JSON that violates the rules.
    pub fn invalid_body(faults: Vec<FieldError>) -> Self {
        Self::faulty(INVALID_BODY, faults)
    }

    /// 422: the idempotency key was used for another request.
    pub(crate) fn idempotency_key_reused() -> Self {
        Self::new(
            IDEMPOTENCY_KEY_REUSED,
            "This Idempotency-Key was used for a request with different content. Use a new key.",
        )
    }

    /// 428: a write has to name the version that it changes.
    pub(crate) fn precondition_required() -> Self {
        Self::new(
            PRECONDITION_REQUIRED,
            "This request requires If-Match with the ETag of the version to change.",
        )
    }

    /// 422: the field `name` of the body is invalid.
    pub fn invalid_member(name: &str, detail: &str) -> Self {
        Self::invalid_body(vec![FieldError::field(name, detail)])
    }

    /// 500: a fault of the service. `cause` goes to the log only.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(INTERNAL, "Something went wrong on our side. Quote `request_id` when you report it.")
            .with_cause(cause)
    }

    /// 503: a dependency is unavailable. `Retry-After` is set to `retry_after_seconds` if the client may
    /// repeat the request.
    pub fn unavailable(retry_after_seconds: u32, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(UNAVAILABLE, TRY_AGAIN)
            .with_header(header::RETRY_AFTER, HeaderValue::from(retry_after_seconds))
            .with_cause(cause)
    }

    /// Adds an extension member (RFC 9457, section 3.2).
    #[must_use]
    pub fn with_member(mut self, name: &'static str, value: &impl Serialize) -> Self {
        self.0.member = serde_json::to_value(value).ok().map(|value| (name, value));
        self
    }

    /// Sets whether the request may have been carried out; the default is unknown.
    #[must_use]
    pub fn with_carried_out(mut self, carried_out: CarriedOut) -> Self {
        self.0.carried_out = carried_out;
        self
    }

    fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.header = Some((name, value));
        self
    }

    fn with_cause(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// The status code.
    pub fn status(&self) -> StatusCode {
        self.0.kind.status
    }

    /// The message for the log: the cause, or the title if there is none.
    pub fn log_message(&self) -> String {
        match &self.0.cause {
            Some(cause) => Cause(&**cause).to_string(),
            None => self.0.kind.title.to_owned(),
        }
    }

    /// The response to `request`. Decides, here and nowhere else, whether the client may repeat the request:
    /// only if that cannot carry it out twice.
    pub(crate) fn into_response(self, request: &Request) -> Response {
        let mut parts = *self.0;
        let is_ours = parts.kind.status.is_server_error();
        let carried_out = if request.method().is_safe() { CarriedOut::No } else { parts.carried_out };
        if is_ours && carried_out == CarriedOut::Unknown && !request.is_safe_to_repeat() {
            parts.header = parts.header.filter(|(name, _)| name != header::RETRY_AFTER);
            if parts.kind == UNAVAILABLE {
                parts.detail = Cow::Borrowed(FIND_OUT);
            }
        }
        let response = Response::json(
            parts.kind.status,
            "application/problem+json",
            &Body {
                r#type: parts.kind.urn(),
                title: parts.kind.title,
                status: parts.kind.status.as_u16(),
                detail: &parts.detail,
                instance: &request.public_path(),
                request_id: &request.gateway().request_id,
                errors: &parts.faults,
                carried_out: is_ours.then_some(carried_out),
                member: parts.member.map(|member| BTreeMap::from([member])),
            },
        );
        match parts.header {
            Some((name, value)) => response.with_header(name, value),
            None => response,
        }
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem")
            .field("status", &self.0.kind.status)
            .field("kind", &self.0.kind.name)
            .field("detail", &self.0.detail)
            .field("faults", &self.0.faults)
            .field("cause", &self.0.cause)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use ::http::Method;
    use bytes::Bytes;

    use super::*;
    use crate::http::Gateway;

    fn response(problem: Problem, method: &Method, headers: &[(&str, &str)]) -> (Option<String>, Value) {
        let mut request = ::http::Request::builder().method(method);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = Request::new(request.body(Bytes::new()).unwrap(), Gateway::default());
        let response = problem.into_response(&request);
        let retry_after = response.headers.get(header::RETRY_AFTER);
        let body: Value = serde_json::from_str(&response.body).unwrap();
        (retry_after.map(|value| value.to_str().unwrap().to_owned()), body["carried_out"].clone())
    }

    /// Which requests that may have been carried out get a `Retry-After`.
    #[test]
    fn retry_after_stands_where_repeating_is_safe() {
        const TAG: &str = "\"01936b5e7c007000800000000000000a.1.1\"";
        for (method, headers, is_told, carried_out) in [
            (Method::GET, &[][..], true, "no"),
            (Method::HEAD, &[], true, "no"),
            (Method::DELETE, &[], true, "unknown"),
            (Method::POST, &[], false, "unknown"),
            (Method::POST, &[("idempotency-key", "k")], true, "unknown"),
            (Method::PATCH, &[], false, "unknown"),
            (Method::PATCH, &[("if-match", TAG)], true, "unknown"),
            (Method::PATCH, &[("if-match", "*")], false, "unknown"),
            (Method::PATCH, &[("idempotency-key", "k")], false, "unknown"),
            (Method::PUT, &[], false, "unknown"),
            (Method::PUT, &[("if-match", TAG)], true, "unknown"),
        ] {
            let told = |carried_out| {
                let problem = Problem::unavailable(5, "away").with_carried_out(carried_out);
                response(problem, &method, headers)
            };
            let retry_after = is_told.then(|| "5".to_owned());
            assert_eq!(told(CarriedOut::Unknown), (retry_after, carried_out.into()), "{method} {headers:?}");
            assert_eq!(told(CarriedOut::No), (Some("5".to_owned()), "no".into()), "{method} {headers:?}");
        }
    }

    #[test]
    fn only_what_is_our_fault_says_whether_it_was_carried_out() {
        let said = |problem| response(problem, &Method::POST, &[]).1;
        assert_eq!(said(Problem::internal("no column")), "unknown");
        assert_eq!(said(Problem::not_found("product")), Value::Null);
        assert_eq!(response(Problem::still_running(), &Method::POST, &[]).0.as_deref(), Some("1"));
    }

    fn request() -> Request {
        Request::new(::http::Request::new(Bytes::new()), Gateway::default())
    }

    fn errors(problem: Problem) -> (String, Vec<Value>) {
        let response = problem.into_response(&request());
        let body: Value = serde_json::from_str(&response.body).unwrap();
        (body["detail"].as_str().unwrap().to_owned(), body["errors"].as_array().unwrap().clone())
    }

    #[test]
    fn tells_the_first_faults_and_how_many_more_there_are() {
        let faults =
            |count: usize| (0..count).map(|index| FieldError::field(&index.to_string(), "is")).collect();
        for (count, told, detail) in [
            (1, 1, "See `errors`."),
            (100, 100, "See `errors`."),
            (101, 100, "See `errors` for the first 100 errors. There are 1 more."),
            (13_000, 100, "See `errors` for the first 100 errors. There are 12900 more."),
        ] {
            for problem in [Problem::invalid_body(faults(count)), Problem::invalid_parameters(faults(count))]
            {
                let (said, errors) = errors(problem);
                assert_eq!((said.as_str(), errors.len()), (detail, told));
                assert_eq!(errors[0]["pointer"], "/0");
            }
        }
    }

    #[test]
    fn a_name_is_repeated_unless_it_is_too_long() {
        let name = "器".repeat(200);
        assert_eq!(FieldError::field(&name, "is").pointer, Some(format!("/{name}")));
        let fault = FieldError::field(&format!("{name}x"), "is not a known field");
        assert_eq!(fault.pointer.as_deref(), Some(""));
        assert_eq!(fault.detail, format!("\"{name}\"..., 201 characters long, is not a known field"));
    }
}
