//! Responses in the form that the event source expects.

use std::borrow::Cow;

use ::http::{HeaderMap, HeaderName, HeaderValue};
use lambda_http::{Body, aws_lambda_events::apigw::ApiGatewayV2httpResponse};
use serde::{Serialize, Serializer};

use super::event::PayloadFormat;
use crate::http::Response;

/// The response of a Lambda proxy integration.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum LambdaResponse {
    /// For API Gateway REST.
    Rest(RestResponse),
    /// For API Gateway HTTP, and for `cargo lambda watch`, which parses this very type.
    Http(Box<ApiGatewayV2httpResponse>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RestResponse {
    status_code: u16,
    #[serde(serialize_with = "values_by_name")]
    multi_value_headers: HeaderMap,
    body: Cow<'static, str>,
    is_base64_encoded: bool,
}

impl LambdaResponse {
    pub(super) fn new(format: PayloadFormat, Response { status, headers, body }: Response) -> Self {
        match format {
            PayloadFormat::Rest => Self::Rest(RestResponse {
                status_code: status.as_u16(),
                multi_value_headers: headers,
                body,
                is_base64_encoded: false,
            }),
            PayloadFormat::Http => {
                let mut response = ApiGatewayV2httpResponse::default();
                response.status_code = i64::from(status.as_u16());
                response.headers = headers;
                response.body = Some(Body::Text(body.into_owned()));
                Self::Http(Box::new(response))
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
