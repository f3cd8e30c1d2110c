//! Replies in the form that the event's sender expects.

use std::{borrow::Cow, collections::BTreeMap};

use ::http::HeaderMap;
use lambda_http::{Body, aws_lambda_events::apigw::ApiGatewayV2httpResponse};
use serde::Serialize;

use super::event::Version;
use crate::http::Reply;

/// A Lambda proxy integration's answer.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Answer {
    /// To API Gateway REST.
    Rest(RestAnswer),
    /// To API Gateway HTTP, and to `cargo lambda watch`, which reads this very type.
    Http(Box<ApiGatewayV2httpResponse>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RestAnswer {
    status_code: u16,
    multi_value_headers: BTreeMap<String, Vec<String>>,
    body: Cow<'static, str>,
    is_base64_encoded: bool,
}

impl Answer {
    pub(super) fn new(version: Version, Reply { status, headers, body }: Reply) -> Self {
        match version {
            Version::Rest => Self::Rest(RestAnswer {
                status_code: status.as_u16(),
                multi_value_headers: values_by_name(&headers),
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

fn values_by_name(headers: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let mut names = BTreeMap::<_, Vec<_>>::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        names.entry(name.as_str().to_owned()).or_default().push(value);
    }
    names
}
