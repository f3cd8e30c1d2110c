//! Parses API Gateway REST proxy events (v1) and HTTP API events (v2), which `cargo lambda watch` sends, into
//! requests.
//!
//! Parsing is lenient: a member with an unexpected type counts as absent. Only an event without any method is
//! rejected as not from API Gateway.
//!
//! `lambda_http` is not used: its types reject an event for any member with an unexpected type, and its
//! requests keep only the last of repeated headers, lose the order of the query, panic on a malformed Host,
//! path, query or Base64 body, and take more instructions than everything else in a warm request.

mod caller;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod json;
mod scan;

use std::{borrow::Cow, fmt};

use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use url::form_urlencoded;

use crate::http::{Gateway, Request};
use json::{Document, Json, Object};

/// A request, with the form that its response must have.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) request: Request,
    pub(super) format: PayloadFormat,
    /// The path template of the matched route, such as `/v1/products/{id}`.
    pub(super) resource: Option<String>,
}

/// The format of an event and of its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PayloadFormat {
    /// API Gateway REST, payload format 1.0.
    Rest,
    /// API Gateway HTTP, payload format 2.0.
    Http,
}

/// The event is not from API Gateway.
#[derive(Debug)]
pub(super) struct ForeignEvent;

impl fmt::Display for ForeignEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not an API Gateway proxy event: it has neither `httpMethod` (REST, payload 1.0) nor \
             `requestContext.http.method` (HTTP, payload 2.0)",
        )
    }
}

impl Event {
    /// Parses `json`. `function_request_id` is used if the event has no request id.
    pub(super) fn parse(json: &str, function_request_id: &str) -> Result<Self, ForeignEvent> {
        let document = Document::parse(json).ok_or(ForeignEvent)?;
        let event = document.value().object();
        let context = event.object("requestContext");
        let http = context.object("http");
        // The route key is a method and a path, or `$default`.
        let route = event.get("routeKey").text().or_else(|| context.get("routeKey").text());
        let route = route.as_deref().and_then(|key| key.split_once(' '));

        let methods = [http.get("method"), event.get("httpMethod"), context.get("httpMethod")];
        let method = methods.into_iter().find_map(|method| method.text()?.parse::<Method>().ok());
        let method = method.or_else(|| route?.0.parse().ok()).ok_or(ForeignEvent)?;

        let format = payload_format(&event, &context, &http);
        let Parts { path, public_path, headers, query, resource } = match format {
            PayloadFormat::Rest => Parts::of_rest(&event, &context),
            PayloadFormat::Http => Parts::of_http(&event, &http, route.map(|(_, path)| path)),
        };
        let path = path.unwrap_or_else(|| "/".to_owned());
        let mut request = ::http::Request::new(body(event.get("body"), event.get("isBase64Encoded")));
        *request.method_mut() = method;
        *request.uri_mut() = Uri::try_from(path.as_str()).unwrap_or_default();
        *request.headers_mut() = header_map(headers);
        let gateway = Gateway {
            request_id: request_id(&context).unwrap_or_else(|| function_request_id.to_owned()),
            public_path: public_path.unwrap_or(path),
            path_parameters: path_parameters(&event),
            query: query.into_iter().map(owned).collect(),
            caller: caller::identify(&context),
        };
        Ok(Self { request: Request::new(request, gateway), format, resource })
    }
}

/// The parts whose place depends on the format.
struct Parts<'a> {
    path: Option<String>,
    public_path: Option<String>,
    headers: Vec<Pair<'a>>,
    query: Vec<Pair<'a>>,
    resource: Option<String>,
}

impl<'a> Parts<'a> {
    fn of_rest(event: &Object<'a>, context: &Object<'a>) -> Self {
        let query = event.object("multiValueQueryStringParameters");
        Self {
            path: text(event, "path"),
            public_path: text(context, "path"),
            headers: all_pairs(event.object("multiValueHeaders"), event.object("headers")),
            query: all_pairs(query, event.object("queryStringParameters")),
            resource: text(event, "resource").or_else(|| text(context, "resourcePath")),
        }
    }

    fn of_http(event: &Object<'a>, http: &Object<'a>, resource: Option<&str>) -> Self {
        let in_order = |raw: Cow<'_, str>| {
            let pairs = form_urlencoded::parse(raw.as_bytes()).into_owned();
            pairs.map(|(name, value)| (Cow::Owned(name), Cow::Owned(value))).collect()
        };
        let by_name = || pairs(event.object("queryStringParameters")).collect();
        Self {
            path: text(event, "rawPath").or_else(|| text(http, "path")),
            public_path: None,
            headers: with_cookies(pairs(event.object("headers")), event.get("cookies")),
            query: event.get("rawQueryString").text().map_or_else(by_name, in_order),
            resource: resource.map(str::to_owned),
        }
    }
}

/// Determines the format from members that only one of them has. `cargo lambda watch` adds REST members to an
/// HTTP event.
fn payload_format(event: &Object<'_>, context: &Object<'_>, http: &Object<'_>) -> PayloadFormat {
    let is_http = http.get("method").text().is_some();
    let is_rest = context.get("httpMethod").text().is_some();
    let says_http = || event.get("version").text().is_some_and(|version| version == "2.0");
    if is_http || (!is_rest && says_http()) { PayloadFormat::Http } else { PayloadFormat::Rest }
}

fn text(object: &Object<'_>, name: &str) -> Option<String> {
    object.get(name).text().map(Cow::into_owned)
}

/// The gateway's id of the request, if it is valid in headers and in the history.
fn request_id(context: &Object<'_>) -> Option<String> {
    text(context, "requestId").filter(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic()))
}

type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The names of a map with each of their strings.
fn pairs<'a>(map: Object<'a>) -> impl Iterator<Item = Pair<'a>> {
    map.members().flat_map(|(name, values)| values.texts().map(move |value| (name.clone(), value)))
}

/// The pairs of `many`, which keeps repeated names, and the pairs of `last` whose names have no value there.
fn all_pairs<'a>(many: Object<'a>, last: Object<'a>) -> Vec<Pair<'a>> {
    // Fast path: usually both have the same names, each with a value.
    let has_value = |value: Json<'_>| value.texts().next().is_some();
    if many
        .members()
        .map(|(name, values)| has_value(values).then_some(name))
        .eq(last.members().map(|(name, _)| Some(name)))
    {
        return pairs(many).collect();
    }
    let many: Vec<_> = pairs(many).collect();
    let mut known: Vec<&str> = many.iter().map(|(name, _)| &**name).collect();
    known.sort_unstable();
    let rest: Vec<_> = pairs(last).filter(|(name, _)| known.binary_search(&&**name).is_err()).collect();
    many.into_iter().chain(rest).collect()
}

fn path_parameters(event: &Object<'_>) -> Vec<(String, String)> {
    let parameters = event.object("pathParameters").members();
    parameters.filter_map(|(name, value)| Some(owned((name, value.text()?)))).collect()
}

fn owned((name, value): Pair<'_>) -> (String, String) {
    (name.into_owned(), value.into_owned())
}

/// HTTP events have cookies separately from the headers.
fn with_cookies<'a>(headers: impl Iterator<Item = Pair<'a>>, cookies: Json<'a>) -> Vec<Pair<'a>> {
    let cookies: Vec<_> = cookies.texts().collect();
    if cookies.is_empty() {
        return headers.collect();
    }
    let name = header::COOKIE.as_str();
    let cookies = (Cow::Borrowed(name), Cow::Owned(cookies.join("; ")));
    headers.filter(|(known, _)| !known.eq_ignore_ascii_case(name)).chain([cookies]).collect()
}

/// Values that are not valid header text cannot have arrived over HTTP, nor more headers than a map holds:
/// both are dropped.
fn header_map(headers: Vec<Pair<'_>>) -> HeaderMap {
    let mut map = HeaderMap::new();
    let _ = map.try_reserve(headers.len());
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value.as_bytes()))
        {
            let _ = map.try_append(name, value);
        }
    }
    map
}

fn body(body: Json<'_>, is_base64: Json<'_>) -> Bytes {
    let Some(body) = body.text() else { return Bytes::new() };
    if is_base64.as_written() == "true" {
        // API Gateway encodes it; a body that cannot be decoded is rejected later as malformed.
        return STANDARD.decode(body.as_bytes()).map_or_else(|_| Bytes::from(body.into_owned()), Bytes::from);
    }
    Bytes::from(body.into_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lambda_http::{
        RequestExt,
        request::{LambdaRequest, RequestContext},
    };
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::http::Caller;

    #[test]
    fn keeps_repeated_headers_and_parameters() {
        let event = Event::parse(
            r#"{"httpMethod": "GET", "path": "/v1/products",
                "requestContext": {"httpMethod": "GET", "path": "/prod/v1/products",
                "requestId": "r", "identity": {"userArn": "arn:aws:iam::1:user/ann"}},
                "headers": {"If-None-Match": "\"two\""},
                "multiValueHeaders": {"If-None-Match": ["\"one\"", "\"two\""], "Host": ["a b"]},
                "multiValueQueryStringParameters": {"name": ["湯呑", "皿"]},
                "body": "eyJ9", "isBase64Encoded": true}"#,
            "f",
        )
        .unwrap();
        assert_eq!(event.format, PayloadFormat::Rest);
        assert_eq!(event.resource, None);
        let request = event.request;
        assert_eq!(request.headers().get_all("if-none-match").iter().count(), 2);
        assert_eq!(request.gateway().query.len(), 2);
        assert_eq!(request.gateway().public_path, "/prod/v1/products");
        let caller = request.gateway().caller.as_ref().map(Caller::identity);
        assert_eq!(caller, Some("arn:aws:iam::1:user/ann"));
        assert_eq!(&request.body()[..], b"{\"}");
    }

    #[test]
    fn knows_the_route_that_led_here() {
        for event in [
            r#"{"resource": "/v1/products/{id}", "httpMethod": "GET", "requestContext": {"httpMethod": "GET"}}"#,
            r#"{"version": "2.0", "routeKey": "GET /v1/products/{id}", "headers": {}, "isBase64Encoded": false,
                "requestContext": {"http": {"method": "GET"}, "timeEpoch": 0}}"#,
        ] {
            assert_eq!(Event::parse(event, "f").unwrap().resource.as_deref(), Some("/v1/products/{id}"));
        }
    }

    #[test]
    fn what_is_no_value_of_one_map_may_be_one_of_the_other() {
        let event = Event::parse(
            r#"{"httpMethod": "GET", "requestContext": {"httpMethod": "GET"},
                "headers": {"Accept": "a", "If-Match": "\"2\"", "X-Order": null, "Host": "h"},
                "multiValueHeaders": {"Accept": null, "If-Match": ["\"1\"", "\"2\""], "X-Order": [7], "Host": [null, "h"]},
                "multiValueQueryStringParameters": "nonsense", "queryStringParameters": {"limit": "1", "sort": 7}}"#,
            "f",
        );
        let request = event.unwrap().request;
        let headers: Vec<_> =
            request.headers().iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(headers, [("if-match", "\"1\""), ("if-match", "\"2\""), ("host", "h"), ("accept", "a")]);
        assert_eq!(request.gateway().query, [("limit".to_owned(), "1".to_owned())]);
    }

    #[test]
    fn a_method_is_found_wherever_it_is_named() {
        for (event, format) in [
            (r#"{"httpMethod": "PUT", "requestContext": null}"#, PayloadFormat::Rest),
            (r#"{"httpMethod": 7, "requestContext": {"httpMethod": "PUT"}}"#, PayloadFormat::Rest),
            (r#"{"httpMethod": "a b", "requestContext": {"httpMethod": "PUT"}}"#, PayloadFormat::Rest),
            (r#"{"httpMethod": "GET", "requestContext": {"http": {"method": "PUT"}}}"#, PayloadFormat::Http),
            (r#"{"version": "2.0", "httpMethod": "PUT", "requestContext": "nonsense"}"#, PayloadFormat::Http),
            (
                r#"{"version": "2.0", "routeKey": "PUT /v1/products/{id}", "requestContext": []}"#,
                PayloadFormat::Http,
            ),
        ] {
            let event = Event::parse(event, "f").unwrap_or_else(|_| panic!("{event}"));
            assert_eq!((event.request.method(), event.format), (&Method::PUT, format));
        }
    }

    #[test]
    fn an_id_that_no_header_could_carry_is_none() {
        for id in ["", " ", "a b", "a\u{0}", "漆"] {
            let event = json!({"httpMethod": "GET", "requestContext": {"requestId": id}}).to_string();
            assert_eq!(Event::parse(&event, "f").unwrap().request.gateway().request_id, "f", "{id:?}");
        }
    }

    #[test]
    fn names_what_is_wrong_with_a_foreign_event() {
        for foreign in [
            r#"{"Records": []}"#,
            "{}",
            "[]",
            "",
            r#"{"httpMethod": 7}"#,
            r#"{"version": "2.0", "routeKey": "$default"}"#,
        ] {
            let error = Event::parse(foreign, "f").unwrap_err().to_string();
            assert!(error.contains("neither `httpMethod`"), "{foreign}: {error}");
        }
    }

    #[test]
    fn takes_more_headers_than_it_can_keep() {
        let headers: BTreeMap<_, _> = (0..40_000).map(|index| (format!("x-{index}"), ["a"])).collect();
        let event = json!({
            "httpMethod": "GET", "requestContext": {"httpMethod": "GET"}, "multiValueHeaders": headers,
        });
        let request = Event::parse(&event.to_string(), "f").unwrap().request;
        assert_eq!(request.headers().get("x-0").unwrap(), "a");
    }

    /// The parts of a request that an operation can see, as text. Only the last of repeated headers, because
    /// `lambda_http` keeps no others.
    #[derive(Debug, PartialEq)]
    struct Seen {
        method: String,
        headers: BTreeMap<String, Vec<u8>>,
        query: BTreeMap<String, Vec<String>>,
        path_parameters: BTreeMap<String, String>,
        body: Vec<u8>,
        request_id: String,
        public_path: String,
        caller: Option<String>,
    }

    fn by_name(pairs: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, Vec<String>> {
        let mut names = BTreeMap::<_, Vec<_>>::new();
        for (name, value) in pairs {
            names.entry(name).or_default().push(value);
        }
        names
    }

    fn last_headers(headers: &::http::HeaderMap) -> BTreeMap<String, Vec<u8>> {
        headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
    }

    fn as_we_see(json: &str) -> Seen {
        let Event { request, format, .. } = Event::parse(json, "f").unwrap();
        assert_eq!(format, PayloadFormat::Rest);
        let gateway = request.gateway().clone();
        Seen {
            method: request.method().to_string(),
            headers: last_headers(request.headers()),
            query: by_name(gateway.query),
            path_parameters: gateway.path_parameters.into_iter().collect(),
            body: request.body().to_vec(),
            request_id: gateway.request_id,
            public_path: gateway.public_path,
            caller: gateway.caller.map(|caller| caller.identity().to_owned()),
        }
    }

    fn as_lambda_http_sees(json: &str) -> Seen {
        let request = ::http::Request::from(serde_json::from_str::<LambdaRequest>(json).unwrap());
        let Some(RequestContext::ApiGatewayV1(context)) = request.request_context_ref().cloned() else {
            panic!("not a REST event: {json}");
        };
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let query = request.query_string_parameters_ref().map(|map| by_name(map.iter().map(owned)));
        let path_parameters = request.path_parameters_ref().map(|map| map.iter().map(owned).collect());
        Seen {
            method: request.method().to_string(),
            headers: last_headers(request.headers()),
            query: query.unwrap_or_default(),
            path_parameters: path_parameters.unwrap_or_default(),
            body: request.body().to_vec(),
            request_id: context.request_id.unwrap_or_else(|| "f".to_owned()),
            public_path: context.path.unwrap_or_else(|| request.raw_http_path().to_owned()),
            caller: context.identity.user_arn,
        }
    }

    #[test]
    fn sees_the_samples_as_lambda_http_does() {
        let folder = "../events";
        let mut samples = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let json = std::fs::read_to_string(&path).unwrap();
            assert_eq!(as_we_see(&json), as_lambda_http_sees(&json), "{}", path.display());
            samples += 1;
        }
        assert!(samples > 20, "{samples} samples");
    }

    fn names() -> impl Strategy<Value = String> {
        prop_oneof![
            prop::sample::select(vec!["Accept", "If-Match", "X-Order"]).prop_map(str::to_owned),
            "[A-Za-z][A-Za-z0-9-]{0,8}"
        ]
    }

    /// Both forms of a map, as API Gateway sends them: all values, and the last value of each name; or null.
    fn maps(
        name: impl Strategy<Value = String>,
        value: impl Strategy<Value = String>,
    ) -> impl Strategy<Value = (serde_json::Value, serde_json::Value)> {
        let many = prop::collection::btree_map(name, prop::collection::vec(value, 1..3), 0..4);
        many.prop_map(|many| {
            if many.is_empty() {
                return (serde_json::Value::Null, serde_json::Value::Null);
            }
            let last: BTreeMap<_, _> = many.iter().map(|(name, values)| (name, values.last())).collect();
            (json!(many), json!(last))
        })
    }

    fn events() -> impl Strategy<Value = String> {
        let method = prop::sample::select(vec!["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]);
        let headers =
            maps(names(), "[!-~]{0,10}( [!-~]{1,5})?").prop_filter("one case of each name", |(many, _)| {
                let names: Vec<_> =
                    many.as_object().into_iter().flatten().map(|(name, _)| name.to_lowercase()).collect();
                names.iter().collect::<std::collections::BTreeSet<_>>().len() == names.len()
                    && !names.iter().any(|name| {
                        ["host", "x-forwarded-proto", "x-forwarded-host"].contains(&name.as_str())
                    })
            });
        let query = maps(".{1,6}", ".{0,8}");
        let parameters = prop::option::of(prop::collection::btree_map("[a-z]{1,6}", ".{0,8}", 0..3));
        let body = prop::option::of(prop_oneof![
            (".{0,40}", Just(false)),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| (STANDARD.encode(bytes), true)),
        ]);
        let context =
            (prop::option::of("[a-z0-9-]{1,12}"), prop::option::of("arn:aws:iam::[0-9]{12}:user/[a-z]{1,8}"));
        (method, "(/[A-Za-z0-9._~-]{1,8}){1,4}", headers, query, parameters, body, context).prop_map(
            |(method, path, headers, query, parameters, body, (request_id, caller))| {
                json!({
                    "resource": "/{proxy+}", "path": path, "httpMethod": method,
                    "headers": headers.1, "multiValueHeaders": headers.0,
                    "queryStringParameters": query.1, "multiValueQueryStringParameters": query.0,
                    "pathParameters": parameters, "stageVariables": null,
                    "requestContext": {
                        "httpMethod": method, "path": format!("/prod{path}"), "stage": "prod",
                        "requestId": request_id, "identity": {"userArn": caller, "sourceIp": "203.0.113.7"},
                    },
                    "body": body.as_ref().map(|(text, _)| text),
                    "isBase64Encoded": body.as_ref().is_some_and(|(_, is_base64)| *is_base64),
                })
                .to_string()
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn sees_any_event_as_lambda_http_does(json in events()) {
            prop_assert_eq!(as_we_see(&json), as_lambda_http_sees(&json), "{}", json);
        }

        #[test]
        fn never_panics(json in "\\PC{0,80}", host in ".{0,12}", name in ".{0,8}") {
            let _ = Event::parse(&json, "f");
            let event = json!({
                "httpMethod": json, "path": json, "requestContext": {"httpMethod": "GET"},
                "multiValueHeaders": {"Host": [host], "X-Forwarded-Proto": [host], name: [host]},
                "body": json, "isBase64Encoded": true,
            });
            prop_assert!(Event::parse(&event.to_string(), "f").is_ok());
        }
    }
}
