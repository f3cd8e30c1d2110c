//! The event of a Lambda proxy integration, payload format version 1.0, with every member that a deployed REST API
//! sends.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts};
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::{
    access_log,
    auth::Auth,
    errors::GatewayError,
    exchange::{self, Exchange},
    identity::{Claims, Identity},
    routes::Matched,
    stage::Stage,
};

/// Headers that are not passed on. `Content-Length` describes the bytes on the wire, not the event's body.
const NOT_FORWARDED: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// The data for an event.
pub(super) struct Input<'a> {
    pub(super) stage: &'a Stage,
    pub(super) exchange: &'a Exchange,
    pub(super) head: &'a Parts,
    pub(super) host: String,
    pub(super) route: Matched<'a>,
    pub(super) identity: Identity,
    pub(super) body: Bytes,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    resource: &'a str,
    path: &'a str,
    http_method: &'a str,
    headers: BTreeMap<&'a str, &'a str>,
    multi_value_headers: &'a Values,
    query_string_parameters: Option<BTreeMap<&'a str, &'a str>>,
    multi_value_query_string_parameters: Option<&'a Values>,
    path_parameters: Option<&'a BTreeMap<String, String>>,
    stage_variables: Option<()>,
    request_context: RequestContext<'a>,
    body: Option<&'a str>,
    is_base64_encoded: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext<'a> {
    resource_id: &'a str,
    resource_path: &'a str,
    http_method: &'a str,
    extended_request_id: &'a str,
    request_time: String,
    path: &'a str,
    account_id: &'a str,
    protocol: &'a str,
    stage: &'a str,
    domain_prefix: &'a str,
    request_time_epoch: i64,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorizer: Option<Authorizer<'a>>,
    identity: CallerIdentity<'a>,
    domain_name: &'a str,
    deployment_id: &'a str,
    api_id: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CallerIdentity<'a> {
    source_ip: String,
    user_agent: Option<&'a str>,
    #[serde(flatten)]
    caller: &'a Identity,
}

#[derive(Serialize)]
struct Authorizer<'a> {
    claims: &'a Claims,
}

/// All values of each name, in the order they were sent.
type Values = BTreeMap<String, Vec<String>>;

impl Input<'_> {
    /// The event as JSON.
    pub(super) fn into_event(self) -> Result<Bytes, GatewayError> {
        let Self { stage, exchange, head, host, route, identity, body } = self;
        let (options, path, method) = (&stage.options, head.uri.path(), head.method.as_str());
        let auth = stage.auth(&route);
        let headers = headers(&head.headers, exchange, stage, auth);
        let mut query = query(head.uri.query().unwrap_or_default());
        query.retain(|name, _| auth.passes_parameter(name));
        let (body, is_base64_encoded) = text(&body);
        let event = Event {
            resource: &route.resource.template,
            path,
            http_method: method,
            headers: last(&headers),
            multi_value_headers: &headers,
            query_string_parameters: (!query.is_empty()).then(|| last(&query)),
            multi_value_query_string_parameters: (!query.is_empty()).then_some(&query),
            path_parameters: (!route.parameters.is_empty()).then_some(&route.parameters),
            stage_variables: None,
            request_context: RequestContext {
                resource_id: &route.resource.id,
                resource_path: &route.resource.template,
                http_method: method,
                extended_request_id: &exchange.extended_request_id,
                request_time: access_log::request_time(exchange.received),
                path,
                account_id: &options.account_id,
                protocol: exchange::protocol(head),
                stage: &options.stage,
                domain_prefix: host.split('.').next().unwrap_or_default(),
                request_time_epoch: exchange.received.as_millisecond(),
                request_id: &exchange.request_id,
                authorizer: identity.claims.as_ref().map(|claims| Authorizer { claims }),
                identity: CallerIdentity {
                    source_ip: exchange.peer.ip().to_string(),
                    user_agent: headers
                        .get("User-Agent")
                        .and_then(|values| values.last())
                        .map(String::as_str),
                    caller: &identity,
                },
                domain_name: &host,
                deployment_id: "local",
                api_id: &options.api_id,
            },
            body: body.as_deref(),
            is_base64_encoded,
        };
        let event = serde_json::to_vec(&event).map_err(|error| GatewayError::internal(error.to_string()))?;
        Ok(event.into())
    }
}

/// The client's headers and those that the gateway adds. `X-Forwarded-*` describe the client's connection.
fn headers(sent: &HeaderMap, exchange: &Exchange, stage: &Stage, auth: &Auth) -> Values {
    let mut headers = Values::new();
    let passes = |name: &HeaderName| !NOT_FORWARDED.contains(name) && auth.passes_header(name);
    for (name, value) in sent.iter().filter(|(name, _)| passes(name)) {
        headers.entry(canonical_case(name)).or_default().push(header_text(value));
    }
    let mut forwarded = headers.remove("X-Forwarded-For").unwrap_or_default();
    forwarded.push(exchange.peer.ip().to_string());
    let added = [
        ("X-Forwarded-For", forwarded.join(", ")),
        ("X-Forwarded-Port", stage.address.port().to_string()),
        ("X-Forwarded-Proto", "http".to_owned()),
        ("X-Amzn-Trace-Id", exchange.trace.to_string()),
    ];
    headers.extend(added.map(|(name, value)| (name.to_owned(), vec![value])));
    headers
}

/// A header name in canonical case: `content-type` as `Content-Type`.
fn canonical_case(name: &HeaderName) -> String {
    let mut start = true;
    let letter = |letter: char| {
        let canonical = if start { letter.to_ascii_uppercase() } else { letter };
        start = letter == '-';
        canonical
    };
    name.as_str().chars().map(letter).collect()
}

/// The text of a header, whose encoding is undefined: decoded as UTF-8 if valid, else as ISO 8859-1.
fn header_text(value: &HeaderValue) -> String {
    match std::str::from_utf8(value.as_bytes()) {
        Ok(text) => text.to_owned(),
        Err(_) => value.as_bytes().iter().copied().map(char::from).collect(),
    }
}

/// Decodes the query parameters; `&` and `;` separate them, and `+` is a space.
fn query(query: &str) -> Values {
    let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let mut parameters = Values::new();
    for pair in query.split(['&', ';']).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        parameters.entry(decode(name)).or_default().push(decode(value));
    }
    parameters
}

fn last(values: &Values) -> BTreeMap<&str, &str> {
    values.iter().map(|(name, values)| (name.as_str(), values.last().map_or("", String::as_str))).collect()
}

/// The body for an event, and whether it is base64.
fn text(body: &Bytes) -> (Option<String>, bool) {
    match std::str::from_utf8(body) {
        Ok("") => (None, false),
        Ok(text) => (Some(text.to_owned()), false),
        Err(_) => (Some(BASE64_STANDARD.encode(body)), true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_queries() {
        for (sent, expected) in [
            ("", &[][..]),
            ("&;&", &[]),
            ("q=a+b", &[("q", &["a b"][..])]),
            ("q=a%20b", &[("q", &["a b"])]),
            ("q=a%2Bb", &[("q", &["a+b"])]),
            ("q=%E6%BC%86%E5%99%A8", &[("q", &["漆器"])]),
            ("q=%ff", &[("q", &["\u{fffd}"])]),
            ("q=100%", &[("q", &["100%"])]),
            ("q=%2541", &[("q", &["%41"])]),
            ("q", &[("q", &[""])]),
            ("q=", &[("q", &[""])]),
            ("q=a=b", &[("q", &["a=b"])]),
            ("a=1&b=2;a=3", &[("a", &["1", "3"]), ("b", &["2"])]),
            ("q=b&q=a&q=", &[("q", &["b", "a", ""])]),
            ("%71=1&q=2", &[("q", &["1", "2"])]),
            ("=x", &[("", &["x"])]),
        ] {
            let owned = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
            let expected: Values =
                expected.iter().map(|(name, values)| ((*name).to_owned(), owned(values))).collect();
            assert_eq!(query(sent), expected, "{sent}");
        }
    }

    #[test]
    fn keeps_only_the_last_of_several_values() {
        assert_eq!(last(&query("q=b&q=a")), BTreeMap::from([("q", "a")]));
    }

    #[test]
    fn writes_header_names_in_canonical_case() {
        let name = |text: &'static str| canonical_case(&HeaderName::from_static(text));
        assert_eq!(name("if-none-match"), "If-None-Match");
        assert_eq!(name("x-amzn-trace-id"), "X-Amzn-Trace-Id");
        assert_eq!(name("etag"), "Etag");
    }

    #[test]
    fn takes_header_values_in_any_encoding() {
        assert_eq!(header_text(&HeaderValue::from_bytes("漆".as_bytes()).unwrap()), "漆");
        assert_eq!(header_text(&HeaderValue::from_bytes(b"caf\xe9").unwrap()), "café");
    }

    #[test]
    fn encodes_only_bodies_that_are_no_text() {
        assert_eq!(text(&Bytes::new()), (None, false));
        assert_eq!(text(&Bytes::from_static(b"{}")), (Some("{}".to_owned()), false));
        assert_eq!(text(&Bytes::from_static(b"\xff\x00")), (Some("/wA=".to_owned()), true));
    }
}
