//! The responses of the Runtime API, in the same form as AWS's.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use serde_json::json;

use super::invocation::{Invocation, RESPONSE_LIMIT_BYTES};

pub(super) type ApiResponse = Response<Full<Bytes>>;

pub(super) fn accepted() -> ApiResponse {
    with_json(StatusCode::ACCEPTED, json!({"status": "OK"}).to_string().into())
}

/// The event, with the request id, deadline, function ARN and trace id as headers.
pub(super) fn event(invocation: &Invocation) -> ApiResponse {
    let mut answer = with_json(StatusCode::OK, invocation.event.clone());
    let headers = answer.headers_mut();
    let texts = [
        ("lambda-runtime-aws-request-id", invocation.request_id.clone()),
        ("lambda-runtime-deadline-ms", invocation.deadline_epoch_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", invocation.function_arn.clone()),
        ("lambda-runtime-trace-id", invocation.trace_id.clone()),
    ];
    for (name, text) in texts {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
    answer
}

pub(super) fn wrong_request_id() -> ApiResponse {
    error(StatusCode::BAD_REQUEST, "InvalidRequestID", "Invalid request ID")
}

/// The request is not allowed in the runtime's current state.
pub(super) fn wrong_state(message: &str) -> ApiResponse {
    error(StatusCode::FORBIDDEN, "InvalidStateTransition", message)
}

pub(super) fn too_large() -> ApiResponse {
    error(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", &too_large_message())
}

/// The message for the runtime and for the caller when a response is too large.
pub(super) fn too_large_message() -> String {
    format!("Response payload size exceeded maximum allowed payload size ({RESPONSE_LIMIT_BYTES} bytes).")
}

pub(super) fn unreadable() -> ApiResponse {
    error(StatusCode::BAD_REQUEST, "InvalidRequest", "The body could not be read")
}

pub(super) fn unknown_path() -> ApiResponse {
    error(StatusCode::NOT_FOUND, "UnknownOperation", "No such path or method in the Runtime API 2018-06-01")
}

fn error(status: StatusCode, error_type: &str, message: &str) -> ApiResponse {
    with_json(status, json!({"errorMessage": message, "errorType": error_type}).to_string().into())
}

fn with_json(status: StatusCode, body: Bytes) -> ApiResponse {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
