//! Replies in the form that the event's sender expects.

use std::collections::BTreeMap;

use ::http::{HeaderMap, HeaderValue};
use serde::Serialize;

use super::event::Version;
use crate::http::Reply;

/// A Lambda proxy integration's answer.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Answer {
    /// API Gateway REST.
    #[serde(rename_all = "camelCase")]
    Rest {
        status_code: u16,
        multi_value_headers: BTreeMap<String, Vec<String>>,
        body: String,
        is_base64_encoded: bool,
    },
    /// API Gateway HTTP, as `cargo lambda watch` speaks it.
    #[serde(rename_all = "camelCase")]
    Http { status_code: u16, headers: BTreeMap<String, String>, body: String, is_base64_encoded: bool },
}

impl Answer {
    pub(super) fn new(version: Version, Reply { status, headers, body }: Reply) -> Self {
        let status_code = status.as_u16();
        // Bodies are text: nothing is ever encoded.
        let is_base64_encoded = false;
        match version {
            Version::Rest => Self::Rest {
                status_code,
                multi_value_headers: values_by_name(&headers),
                body,
                is_base64_encoded,
            },
            Version::Http => {
                let headers =
                    values_by_name(&headers).into_iter().map(|(name, values)| (name, values.join(", ")));
                Self::Http { status_code, headers: headers.collect(), body, is_base64_encoded }
            }
        }
    }
}

fn values_by_name(headers: &HeaderMap<HeaderValue>) -> BTreeMap<String, Vec<String>> {
    let mut names = BTreeMap::<_, Vec<_>>::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        names.entry(name.as_str().to_owned()).or_default().push(value);
    }
    names
}
