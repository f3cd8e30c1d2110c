//! Turns a function's payload into the HTTP response, by the rules of a Lambda proxy integration.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::Deserialize;
use serde_json::Value;

/// API Gateway renames these headers and may set its own in their place.
const REMAPPED: [HeaderName; 8] = [
    header::AUTHORIZATION,
    header::CONNECTION,
    HeaderName::from_static("content-md5"),
    header::DATE,
    header::MAX_FORWARDS,
    header::SERVER,
    header::USER_AGENT,
    header::WWW_AUTHENTICATE,
];
/// API Gateway drops these headers.
const DROPPED: [HeaderName; 8] = [
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The payload of a proxy integration; API Gateway accepts no other members.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProxyResponse {
    status_code: Value,
    #[serde(default)]
    headers: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    multi_value_headers: Option<BTreeMap<String, Vec<Value>>>,
    #[serde(default)]
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: Option<bool>,
}

/// Returns the response, or an error message if the payload is invalid.
pub(super) fn to_response(payload: &[u8]) -> Result<Response<Full<Bytes>>, String> {
    let payload: ProxyResponse = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
    let status = status(&payload.status_code)?;
    let headers =
        merge_headers(payload.headers.unwrap_or_default(), payload.multi_value_headers.unwrap_or_default())?;
    let body = payload.body.unwrap_or_default();
    let body = match payload.is_base64_encoded {
        Some(true) => BASE64_STANDARD.decode(body).map_err(|error| format!("body: {error}"))?,
        _ => body.into_bytes(),
    };
    let has_no_body = status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    let mut response = Response::new(Full::from(if has_no_body { Vec::new() } else { body }));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// Parses a number, or a number in a string. Interim statuses (1xx) are invalid.
fn status(value: &Value) -> Result<StatusCode, String> {
    let number = match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number
        .and_then(|number| u16::try_from(number).ok())
        .filter(|number| (200..600).contains(number))
        .and_then(|number| StatusCode::from_u16(number).ok())
        .ok_or_else(|| format!("statusCode: {value} is not an HTTP status"))
}

/// Merges both maps: the lists first, then the single values that are in no list.
fn merge_headers(
    single: BTreeMap<String, Value>,
    multiple: BTreeMap<String, Vec<Value>>,
) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, values) in &multiple {
        let name = header_name(name)?;
        for value in values {
            add(&mut headers, &name, header_value(&name, value)?);
        }
    }
    for (name, value) in &single {
        let name = header_name(name)?;
        let value = header_value(&name, value)?;
        if !headers.get_all(remapped_name(&name)).iter().any(|known| *known == value) {
            add(&mut headers, &name, value);
        }
    }
    if !headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    Ok(headers)
}

fn add(headers: &mut HeaderMap, name: &HeaderName, value: HeaderValue) {
    if !DROPPED.contains(name) {
        headers.append(remapped_name(name), value);
    }
}

fn remapped_name(name: &HeaderName) -> HeaderName {
    let remapped = || HeaderName::try_from(format!("x-amzn-remapped-{name}")).ok();
    REMAPPED.contains(name).then(remapped).flatten().unwrap_or_else(|| name.clone())
}

fn header_name(name: &str) -> Result<HeaderName, String> {
    HeaderName::try_from(name).map_err(|_| format!("headers: {name:?} is not a header name"))
}

fn header_value(name: &HeaderName, value: &Value) -> Result<HeaderValue, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => value.to_string(),
        _ => return Err(format!("headers: the value of {name} is not a string")),
    };
    HeaderValue::try_from(text).map_err(|_| format!("headers: the value of {name} has forbidden characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers_of(payload: &str) -> Vec<(String, String)> {
        let response = to_response(payload.as_bytes()).unwrap();
        let text = |value: &HeaderValue| String::from_utf8(value.as_bytes().to_vec()).unwrap();
        response.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn merges_both_maps() {
        let merged = headers_of(
            r#"{"statusCode": 200,
                "multiValueHeaders": {"Link": ["a", "b"], "content-type": ["text/plain"]},
                "headers": {"link": "b", "Link": "c", "Retry-After": 5, "X-Flag": true}}"#,
        );
        let expected = [
            ("link", "a"),
            ("link", "b"),
            ("link", "c"),
            ("content-type", "text/plain"),
            ("retry-after", "5"),
            ("x-flag", "true"),
        ];
        assert_eq!(merged, pairs(&expected));
    }

    #[test]
    fn defaults_to_json() {
        assert_eq!(headers_of(r#"{"statusCode": "204"}"#), pairs(&[("content-type", "application/json")]));
    }

    #[test]
    fn renames_and_drops_what_api_gateway_does() {
        let remapped = [
            "Authorization",
            "Connection",
            "Content-MD5",
            "Date",
            "Max-Forwards",
            "Server",
            "User-Agent",
            "WWW-Authenticate",
        ];
        for name in remapped {
            let headers = headers_of(&format!(r#"{{"statusCode": 200, "headers": {{"{name}": "x"}}}}"#));
            assert_eq!(headers[0], (format!("x-amzn-remapped-{}", name.to_lowercase()), "x".to_owned()));
        }
        for name in [
            "Host",
            "Transfer-Encoding",
            "Trailer",
            "TE",
            "Upgrade",
            "Expect",
            "Proxy-Authenticate",
            "Content-Length",
        ] {
            let headers = headers_of(&format!(r#"{{"statusCode": 200, "headers": {{"{name}": "x"}}}}"#));
            assert_eq!(headers, pairs(&[("content-type", "application/json")]), "{name}");
        }
    }

    #[test]
    fn says_what_is_wrong_with_a_payload() {
        for (payload, reason) in [
            ("", "EOF"),
            ("null", "invalid type"),
            ("\"ok\"", "invalid type"),
            ("{}", "missing field `statusCode`"),
            (r#"{"errorMessage": "x"}"#, "unknown field"),
            (r#"{"statusCode": null}"#, "statusCode: null is not an HTTP status"),
            (r#"{"statusCode": 200.5}"#, "not an HTTP status"),
            (r#"{"statusCode": 100}"#, "not an HTTP status"),
            (r#"{"statusCode": 600}"#, "not an HTTP status"),
            (r#"{"statusCode": -200}"#, "not an HTTP status"),
            (r#"{"statusCode": 66000}"#, "not an HTTP status"),
            (r#"{"statusCode": "ok"}"#, "not an HTTP status"),
            (r#"{"statusCode": 200, "body": {"a": 1}}"#, "expected a string"),
            (r#"{"statusCode": 200, "body": 1}"#, "expected a string"),
            (r#"{"statusCode": 200, "headers": []}"#, "expected a map"),
            (r#"{"statusCode": 200, "headers": {"a": ["b"]}}"#, "the value of a is not a string"),
            (r#"{"statusCode": 200, "headers": {"a": null}}"#, "the value of a is not a string"),
            (r#"{"statusCode": 200, "headers": {"a b": "c"}}"#, "is not a header name"),
            (r#"{"statusCode": 200, "headers": {"a": "b\r\nc: d"}}"#, "forbidden characters"),
            (r#"{"statusCode": 200, "multiValueHeaders": {"a": "b"}}"#, "expected a sequence"),
            (r#"{"statusCode": 200, "isBase64Encoded": "yes"}"#, "expected a boolean"),
            (r#"{"statusCode": 200, "isBase64Encoded": true, "body": "?"}"#, "body: Invalid"),
            (r#"{"statusCode": 200, "cookies": []}"#, "unknown field `cookies`"),
        ] {
            let error = to_response(payload.as_bytes()).unwrap_err();
            assert!(error.contains(reason), "{payload}: {error}");
        }
    }
}
