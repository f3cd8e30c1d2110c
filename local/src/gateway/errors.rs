//! The gateway's own errors: problem+json (RFC 9457), since the deployed stack configures its gateway responses like
//! this. The client reads `detail`; the access log also gets the cause.

use std::borrow::Cow;

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use http_body_util::Full;
use serde::Serialize;

/// Why a request did not get an answer from its function.
#[derive(Debug)]
pub(super) struct GatewayError {
    status: StatusCode,
    error_type: &'static str,
    detail: Cow<'static, str>,
    retry_after_seconds: Option<u64>,
    cause: String,
}

impl GatewayError {
    /// An error whose cause is what the client reads; [`because`](Self::because) tells the log more.
    pub(super) fn new(
        status: StatusCode,
        error_type: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        let detail = detail.into();
        Self { status, error_type, cause: detail.clone().into_owned(), detail, retry_after_seconds: None }
    }

    /// The same error with a cause for the log.
    pub(super) fn because(self, cause: impl Into<String>) -> Self {
        Self { cause: cause.into(), ..self }
    }

    /// The same error, worth another try after this time.
    fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after_seconds: Some(seconds), ..self }
    }

    /// No such path or method: a REST API says it like this, so as not to tell what exists.
    pub(super) fn missing_authentication_token() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        )
        .because("no route for this method and path")
    }

    pub(super) fn bad_request(detail: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequestException", detail)
    }

    /// The gateway does not answer to the name that the request is for; API Gateway finds no API by such a name.
    pub(super) fn misdirected(host: &str) -> Self {
        let detail = format!(
            "This server does not answer to {host}. `cargo xtask dev --allow-host {host}` makes it do so."
        );
        Self::new(StatusCode::MISDIRECTED_REQUEST, "MisdirectedRequestException", detail)
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }

    pub(super) fn request_timed_out() -> Self {
        let detail = "The body did not arrive in time";
        Self::new(StatusCode::REQUEST_TIMEOUT, "RequestTimeoutException", detail)
    }

    pub(super) fn request_too_large(cause: &str) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", "Request Too Long")
            .because(cause)
    }

    /// The function failed, or gave an answer that is none.
    pub(super) fn integration_failed(cause: String) -> Self {
        Self { status: StatusCode::BAD_GATEWAY, ..Self::internal(cause) }
    }

    /// The function had no free environment: API Gateway gives Lambda's 429 on as 500.
    pub(super) fn throttled(cause: String) -> Self {
        Self::internal(cause)
    }

    /// A throttle has no room; there is some after this time.
    pub(super) fn too_many_requests(retry_after_seconds: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", "Too Many Requests")
            .retry_after(retry_after_seconds)
    }

    pub(super) fn integration_timed_out(function: &str) -> Self {
        let detail = "Endpoint request timed out";
        Self::new(StatusCode::GATEWAY_TIMEOUT, "EndpointRequestTimedOutException", detail)
            .because(format!("{function} did not answer in time"))
    }

    pub(super) fn internal(cause: String) -> Self {
        let detail = "Internal server error";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerErrorException", detail).because(cause)
    }

    /// What the access log is told: what the client reads, and the cause.
    pub(super) fn into_log(self) -> ((&'static str, String), String) {
        ((self.error_type, self.detail.into_owned()), self.cause)
    }

    pub(super) fn to_response(&self, path: &str, request_id: &str) -> Response<Full<Bytes>> {
        let problem = Problem {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            detail: &self.detail,
            instance: path,
            request_id,
            // The function may have been at work on it: the deployed gateway cannot say more either.
            carried_out: self.status.is_server_error().then_some("unknown"),
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = Response::new(Full::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert("x-amzn-errortype", HeaderValue::from_static(self.error_type));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'a str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    carried_out: Option<&'a str>,
}
