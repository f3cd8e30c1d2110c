//! Responds to preflight requests: with an allow list of origins, every resource has an OPTIONS method that no function
//! serves. Functions add the CORS headers to their own responses, and
//! [`AllowedOrigins`](shared::http::AllowedOrigins) adds them to the gateway's errors.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header, request::Parts};
use http_body_util::Full;

use super::{exchange::Exchange, stage::Stage};

/// How long a browser may cache the response: Chromium's limit.
const MAX_AGE_SECONDS: u64 = 7_200;

/// The response to a preflight request, or to any OPTIONS request that no function serves. It requires no
/// authorisation, since browsers send no credentials with a preflight request.
pub(super) fn preflight(
    stage: &Stage,
    exchange: &mut Exchange,
    head: &Parts,
) -> Option<Response<Full<Bytes>>> {
    let allowed_origins = &stage.options.allowed_origins;
    if head.method != Method::OPTIONS || allowed_origins.is_empty() {
        return None;
    }
    let resource = stage.routes.resource(head.uri.path())?;
    let methods = resource.methods();
    if methods.contains(&&Method::OPTIONS) {
        return None;
    }
    exchange.resource = Some(resource.template.clone());
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    if allowed_origins.share(&head.headers, headers) {
        let methods: Vec<_> = methods.into_iter().chain([&Method::OPTIONS]).map(Method::as_str).collect();
        // Cannot fail: methods are tokens.
        if let Ok(methods) = HeaderValue::try_from(methods.join(", ")) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
        // Cannot fail: header names are tokens.
        if let Ok(names) = HeaderValue::try_from(stage.options.allowed_headers.value()) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
        }
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(MAX_AGE_SECONDS));
    }
    Some(response)
}
