//! Responses in the form that the event source expects.

use std::borrow::Cow;

use ::http::{HeaderMap, HeaderName, HeaderValue};
use lambda_http::{Body, aws_lambda_events::apigw::ApiGatewayV2httpResponse};
use serde::{Serialize, Serializer};

use super::event::Version;
use crate::http::Reply;

/// The response of a Lambda proxy integration.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Answer {
    /// For API Gateway REST.
    Rest(RestAnswer),
    /// For API Gateway HTTP, and for `cargo lambda watch`, which parses this very type.
    Http(Box<ApiGatewayV2httpResponse>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RestAnswer {
    status_code: u16,
    #[serde(serialize_with = "values_by_name")]
    multi_value_headers: HeaderMap,
    body: Cow<'static, str>,
    is_base64_encoded: bool,
}

impl Answer {
    pub(super) fn new(version: Version, Reply { status, headers, body }: Reply) -> Self {
        match version {
            Version::Rest => Self::Rest(RestAnswer {
                status_code: status.as_u16(),
                multi_value_headers: headers,
                body,
                is_base64_encoded: false,
            }),
            Version::Http => {
                let mut answer = ApiGatewayV2httpResponse::default();
                answer.status_code = i64::from(status.as_u16());
                answer.headers = headers;
                answer.body = Some(Body::Text(body.into_owned()));
                Self::Http(Box::new(answer))
            }
        }
    }
}

fn values_by_name<S: Serializer>(headers: &HeaderMap, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.keys().map(|name| (name.as_str(), Values { headers, name })))
}

/// The values of a header as strings.
struct Values<'a> {
    headers: &'a HeaderMap,
    name: &'a HeaderName,
}

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.headers.get_all(self.name).iter().map(text))
    }
}

fn text(value: &HeaderValue) -> Cow<'_, str> {
    value.to_str().map_or_else(|_| String::from_utf8_lossy(value.as_bytes()), Cow::Borrowed)
}
