//! The gateway's own errors, as problem+json (RFC 9457), like the gateway responses that the deployed stack configures.
//! The client sees `detail`; the access log also has the cause.

use std::borrow::Cow;

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use http_body_util::Full;
use serde::Serialize;

/// Why the gateway responds instead of the function.
#[derive(Debug)]
pub(super) struct GatewayError {
    status: StatusCode,
    error_type: &'static str,
    detail: Cow<'static, str>,
    retry_after_seconds: Option<u64>,
    cause: String,
}

impl GatewayError {
    /// An error with `detail` also as its cause; [`because`](Self::because) replaces the cause.
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

    /// The same error with a `Retry-After` header.
    fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after_seconds: Some(seconds), ..self }
    }

    /// There is no such path or method. A REST API responds with this error so as not to reveal what exists.
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

    /// The request is for a host name that the gateway does not accept; API Gateway finds no API under such a name.
    pub(super) fn misdirected(host: &str) -> Self {
        let detail = format!(
            "This server does not accept requests for {host}. To allow them: `cargo xtask dev --allow-host {host}`."
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

    /// The function failed, or its payload is not a valid proxy response.
    pub(super) fn integration_failed(cause: String) -> Self {
        Self { status: StatusCode::BAD_GATEWAY, ..Self::internal(cause) }
    }

    /// The function had no free environment: API Gateway turns Lambda's 429 into a 500.
    pub(super) fn throttled(cause: String) -> Self {
        Self::internal(cause)
    }

    /// A throttle's limit is reached; a retry can succeed after this time.
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

    /// The fields for the access log: the error type and detail that the client sees, and the cause.
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
            // The function may have run: like the deployed gateway, this one cannot tell.
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
