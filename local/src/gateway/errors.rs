//! The gateway's own errors: problem+json (RFC 9457), since the deployed stack configures its gateway responses like
//! this. The client reads `detail`; the access log also gets the cause.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use serde::Serialize;

/// Why a request did not get an answer from its function.
#[derive(Debug)]
pub(super) struct GatewayError {
    status: StatusCode,
    error_type: &'static str,
    detail: &'static str,
    cause: String,
}

impl GatewayError {
    /// No such path or method: a REST API says it like this, so as not to tell what exists.
    pub(super) fn missing_authentication_token() -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            error_type: "MissingAuthenticationTokenException",
            detail: "Missing Authentication Token",
            cause: "no route for this method and path".to_owned(),
        }
    }

    pub(super) fn bad_request(detail: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            error_type: "BadRequestException",
            detail,
            cause: detail.to_owned(),
        }
    }

    pub(super) fn request_timed_out() -> Self {
        Self {
            status: StatusCode::REQUEST_TIMEOUT,
            error_type: "RequestTimeoutException",
            detail: "The body did not arrive in time",
            cause: "the body did not arrive in time".to_owned(),
        }
    }

    pub(super) fn request_too_large(cause: &str) -> Self {
        Self {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            error_type: "RequestTooLargeException",
            detail: "Request Too Long",
            cause: cause.to_owned(),
        }
    }

    /// The function failed, or gave an answer that is none.
    pub(super) fn integration_failed(cause: String) -> Self {
        Self { status: StatusCode::BAD_GATEWAY, ..Self::internal(cause) }
    }

    /// The function had no free environment: API Gateway gives Lambda's 429 on as 500.
    pub(super) fn throttled(cause: String) -> Self {
        Self::internal(cause)
    }

    pub(super) fn integration_timed_out(function: &str) -> Self {
        Self {
            status: StatusCode::GATEWAY_TIMEOUT,
            error_type: "EndpointRequestTimedOutException",
            detail: "Endpoint request timed out",
            cause: format!("{function} did not answer in time"),
        }
    }

    pub(super) fn internal(cause: String) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            error_type: "InternalServerErrorException",
            detail: "Internal server error",
            cause,
        }
    }

    /// The text for the access log.
    pub(super) fn into_cause(self) -> String {
        self.cause
    }

    pub(super) fn to_response(&self, path: &str, request_id: &str) -> Response<Full<Bytes>> {
        let problem = Problem {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            detail: self.detail,
            instance: path,
            request_id,
        };
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = Response::new(Full::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert("x-amzn-errortype", HeaderValue::from_static(self.error_type));
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
}
