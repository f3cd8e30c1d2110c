//! A response, independent of the form that the event source expects.

use std::borrow::Cow;

use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use super::{Validators, Versioned};

/// A status code, headers and a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text; empty if there is none.
    pub body: Cow<'static, str>,
}

impl Response {
    /// 200 with `body` as JSON.
    pub fn ok(body: &impl Serialize) -> Self {
        Self::json(StatusCode::OK, "application/json", body)
    }

    /// 200 with `body` as `media_type`.
    pub fn document(media_type: &'static str, body: impl Into<Cow<'static, str>>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        Self { status: StatusCode::OK, headers, body: body.into() }
    }

    /// 200 with `resource` as JSON and its validators.
    pub fn resource(resource: &(impl Serialize + Versioned)) -> Self {
        let mut response = Self::ok(resource);
        Validators::of(resource).write(&mut response.headers);
        response
    }

    /// 201 with `resource`, its validators and its URL `location`.
    pub(super) fn created(location: &str, resource: &(impl Serialize + Versioned)) -> Self {
        let mut response = Self::resource(resource).with_text_header(header::LOCATION, location);
        response.status = StatusCode::CREATED;
        response
    }

    /// 204 without a body.
    pub fn no_content() -> Self {
        Self { status: StatusCode::NO_CONTENT, headers: HeaderMap::new(), body: Cow::Borrowed("") }
    }

    /// `body` as JSON with the given status and media type.
    pub(crate) fn json(status: StatusCode, media_type: &'static str, body: &impl Serialize) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        match serde_json::to_string(body) {
            Ok(body) => Self { status, headers, body: Cow::Owned(body) },
            // Only non-string keys or a failing serialiser can cause this, and the types of this service have
            // neither.
            Err(error) => {
                tracing::error!(%error, "the response could not be serialised");
                Self { status: StatusCode::INTERNAL_SERVER_ERROR, headers, body: Cow::Borrowed("{}") }
            }
        }
    }

    /// Sets the header `name`.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Like [`with_header`](Self::with_header), for text created at run time; text that is not a valid header
    /// value is dropped with a warning.
    #[must_use]
    pub fn with_text_header(self, name: HeaderName, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => self.with_header(name, value),
            Err(_) => {
                tracing::warn!(header = %name, "header dropped: its value has a character that is not allowed in headers");
                self
            }
        }
    }
}
