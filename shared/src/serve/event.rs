//! Events in: API Gateway REST proxy events (v1) straight into a request, and HTTP API events (v2), as
//! `cargo lambda watch` sends them, by way of `lambda_http`'s type of them.
//!
//! No request is made by `lambda_http`: it keeps only the last of repeated headers, forgets the order of a query,
//! panics on a malformed Host, path, query or Base64, and spends more instructions than everything else in a warm
//! request.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

use std::{borrow::Cow, collections::BTreeMap, fmt, marker::PhantomData};

use ::http::{HeaderName, HeaderValue, Method, Uri, header};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Visitor},
};
use url::form_urlencoded;

use crate::{
    http::{Gateway, Request},
    telemetry::Cause,
};

/// A request and the form in which its answer is expected.
#[derive(Debug)]
pub(super) struct Event<'a> {
    pub(super) request: Request,
    pub(super) version: Version,
    /// The path template of the route that led here, such as `/v1/products/{id}`.
    pub(super) resource: Option<Cow<'a, str>>,
}

/// The format of an event and of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// Payload 1.0 of API Gateway REST.
    Rest,
    /// Payload 2.0 of API Gateway HTTP.
    Http,
}

/// Why an event is none of API Gateway's.
pub(super) struct ParseError {
    rest: serde_json::Error,
    http: serde_json::Error,
}

impl<'a> Event<'a> {
    /// Reads `json`. `function_request_id` stands in where the event names no request.
    pub(super) fn parse(json: &'a str, function_request_id: &str) -> Result<Self, ParseError> {
        match serde_json::from_str::<RestEvent<'_>>(json) {
            Ok(mut event) => {
                let resource = event.resource.take().map(|Text(resource)| resource);
                let request = event.into_request(function_request_id);
                Ok(Self { request, version: Version::Rest, resource })
            }
            Err(rest) => match serde_json::from_str::<ApiGatewayV2httpRequest>(json) {
                Ok(mut event) => {
                    // A method and a path, unless it is `$default`.
                    let key = event.route_key.take();
                    let resource =
                        key.as_deref().and_then(|key| key.split_once(' ')).map(|(_, path)| path.to_owned());
                    let request = from_http_event(event, function_request_id);
                    Ok(Self { request, version: Version::Http, resource: resource.map(Cow::Owned) })
                }
                Err(http) => Err(ParseError { rest, http }),
            },
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rest, http) = (Cause(&self.rest), Cause(&self.http));
        write!(f, "not an API Gateway proxy event: as REST (v1) {rest}; as HTTP (v2) {http}")
    }
}

/// As it is displayed: the runtime logs what a function fails with by this, and the parsers' own messages quote the event.
impl fmt::Debug for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for ParseError {}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RestEvent<'a> {
    #[serde(borrow)]
    resource: Option<Text<'a>>,
    #[serde(borrow)]
    http_method: Text<'a>,
    #[serde(borrow)]
    path: Option<Text<'a>>,
    #[serde(borrow)]
    headers: Option<Pairs<'a, Text<'a>>>,
    #[serde(borrow)]
    multi_value_headers: Option<Pairs<'a, Vec<Text<'a>>>>,
    #[serde(borrow)]
    query_string_parameters: Option<Pairs<'a, Text<'a>>>,
    #[serde(borrow)]
    multi_value_query_string_parameters: Option<Pairs<'a, Vec<Text<'a>>>>,
    #[serde(borrow)]
    path_parameters: Option<Pairs<'a, Text<'a>>>,
    #[serde(borrow)]
    request_context: RestContext<'a>,
    #[serde(borrow)]
    body: Option<Text<'a>>,
    is_base64_encoded: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RestContext<'a> {
    /// Tells this context from that of an HTTP event, which `cargo lambda watch` sends with REST members around it.
    #[serde(borrow, rename = "httpMethod")]
    _http_method: Text<'a>,
    #[serde(borrow)]
    request_id: Option<Text<'a>>,
    #[serde(borrow)]
    path: Option<Text<'a>>,
    #[serde(borrow)]
    identity: Option<Identity<'a>>,
    #[serde(borrow)]
    authorizer: Option<Authorizer<'a>>,
}

/// What a Cognito authoriser adds.
#[derive(Deserialize)]
struct Authorizer<'a> {
    #[serde(borrow)]
    claims: Option<Claims<'a>>,
}

#[derive(Deserialize)]
struct Claims<'a> {
    #[serde(borrow)]
    sub: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity<'a> {
    #[serde(borrow)]
    user_arn: Option<Text<'a>>,
}

impl RestEvent<'_> {
    fn into_request(self, function_request_id: &str) -> Request {
        let path = self.path.map_or_else(|| "/".to_owned(), Text::into_string);
        let mut request = ::http::Request::new(decode(self.body, self.is_base64_encoded == Some(true)));
        *request.method_mut() = Method::from_bytes(self.http_method.0.as_bytes()).unwrap_or_default();
        *request.uri_mut() = Uri::try_from(path.as_str()).unwrap_or_default();

        let headers = flatten(self.multi_value_headers, self.headers);
        let map = request.headers_mut();
        let _ = map.try_reserve(headers.len());
        for (name, value) in headers {
            // What is no header cannot have come over HTTP, nor can more than a map holds.
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name.0.as_bytes()), HeaderValue::from_bytes(value.0.as_bytes()))
            {
                let _ = map.try_append(name, value);
            }
        }

        let query = flatten(self.multi_value_query_string_parameters, self.query_string_parameters);
        let context = self.request_context;
        let principal = context.identity.and_then(|identity| identity.user_arn);
        let bearer = || context.authorizer?.claims?.sub;
        let gateway = Gateway {
            request_id: context.request_id.map_or_else(|| function_request_id.to_owned(), Text::into_string),
            public_path: context.path.map_or(path, Text::into_string),
            path_parameters: flatten(None, self.path_parameters).into_iter().map(owned).collect(),
            query: query.into_iter().map(owned).collect(),
            caller: principal.or_else(bearer).map(Text::into_string),
        };
        Request::new(request, gateway)
    }
}

fn decode(body: Option<Text<'_>>, is_base64: bool) -> Bytes {
    let Some(Text(body)) = body else { return Bytes::new() };
    if is_base64 {
        // API Gateway wrote it; what cannot be decoded is then refused as malformed.
        return STANDARD.decode(body.as_bytes()).map_or_else(|_| Bytes::from(body.into_owned()), Bytes::from);
    }
    Bytes::from(body.into_owned())
}

/// The pairs of the map that keeps repeated names, else of the one that does not.
fn flatten<'a>(
    many: Option<Pairs<'a, Vec<Text<'a>>>>,
    one: Option<Pairs<'a, Text<'a>>>,
) -> Vec<(Text<'a>, Text<'a>)> {
    match (many, one) {
        (Some(many), _) => {
            let repeat = |(name, values): (Text<'a>, Vec<Text<'a>>)| {
                values.into_iter().map(move |value| (name.clone(), value))
            };
            many.0.into_iter().flat_map(repeat).collect()
        }
        (None, Some(one)) => one.0,
        (None, None) => Vec::new(),
    }
}

fn owned((name, value): (Text<'_>, Text<'_>)) -> (String, String) {
    (name.into_string(), value.into_string())
}

fn from_http_event(event: ApiGatewayV2httpRequest, function_request_id: &str) -> Request {
    let context = event.request_context;
    let path = event.raw_path.unwrap_or_else(|| "/".to_owned());
    let body = event.body.map(|body| Text(Cow::Owned(body)));
    let mut request = ::http::Request::new(decode(body, event.is_base64_encoded));
    *request.method_mut() = context.http.method;
    *request.uri_mut() = Uri::try_from(path.as_str()).unwrap_or_default();
    *request.headers_mut() = event.headers;
    if let Some(cookies) = event.cookies
        && let Ok(cookies) = HeaderValue::try_from(cookies.join("; "))
    {
        request.headers_mut().insert(header::COOKIE, cookies);
    }

    let query = match event.raw_query_string {
        Some(raw) => form_urlencoded::parse(raw.as_bytes()).into_owned().collect(),
        None => pairs(&event.query_string_parameters),
    };
    let iam = context.authorizer.and_then(|authorizer| authorizer.iam);
    let gateway = Gateway {
        request_id: context.request_id.unwrap_or_else(|| function_request_id.to_owned()),
        public_path: path,
        path_parameters: event.path_parameters.into_iter().collect(),
        query,
        caller: iam.and_then(|iam| iam.user_arn),
    };
    Request::new(request, gateway)
}

/// The pairs of `map`, by name. Its own iterator panics on a name without values.
fn pairs(map: &impl Serialize) -> Vec<(String, String)> {
    let by_name: Result<BTreeMap<String, Vec<String>>, _> =
        serde_json::to_value(map).and_then(serde_json::from_value);
    let pairs = by_name.unwrap_or_default().into_iter();
    pairs.flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value))).collect()
}

/// Text that is borrowed from the event wherever no escape sequence stands in it.
#[derive(Debug, Clone)]
struct Text<'a>(Cow<'a, str>);

impl Text<'_> {
    fn into_string(self) -> String {
        self.0.into_owned()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

/// An object's members in order: a few are faster to walk than to hash.
struct Pairs<'a, V>(Vec<(Text<'a>, V)>);

impl<'de: 'a, 'a, V: Deserialize<'de>> Deserialize<'de> for Pairs<'a, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor<'a, V>(PhantomData<(&'a (), V)>);

        impl<'de: 'a, 'a, V: Deserialize<'de>> Visitor<'de> for PairsVisitor<'a, V> {
            type Value = Pairs<'a, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'a, V>, A::Error> {
                let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(16));
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(PairsVisitor(PhantomData))
    }
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
        assert_eq!(event.version, Version::Rest);
        assert_eq!(event.resource, None);
        let request = event.request;
        assert_eq!(request.headers().get_all("if-none-match").iter().count(), 2);
        assert_eq!(request.gateway().query.len(), 2);
        assert_eq!(request.gateway().public_path, "/prod/v1/products");
        assert_eq!(request.gateway().caller.as_deref(), Some("arn:aws:iam::1:user/ann"));
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
    fn knows_the_bearer_of_a_token() {
        let event = Event::parse(
            r#"{"httpMethod": "GET", "path": "/", "requestContext": {"httpMethod": "GET",
                "identity": {"userArn": null}, "authorizer": {"claims": {"sub": "ann", "scope": "a b"}}}}"#,
            "f",
        );
        assert_eq!(event.unwrap().request.gateway().caller.as_deref(), Some("ann"));
    }

    #[test]
    fn names_what_is_wrong_with_a_foreign_event() {
        let error = Event::parse(r#"{"Records": []}"#, "f").unwrap_err().to_string();
        assert!(error.contains("missing field `httpMethod`"), "{error}");
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

    /// What of a request an operation can see, as text. Of repeated headers only the last, since `lambda_http` keeps
    /// no other.
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
        let Event { request, version, .. } = Event::parse(json, "f").unwrap();
        assert_eq!(version, Version::Rest);
        let gateway = request.gateway().clone();
        Seen {
            method: request.method().to_string(),
            headers: last_headers(request.headers()),
            query: by_name(gateway.query),
            path_parameters: gateway.path_parameters.into_iter().collect(),
            body: request.body().to_vec(),
            request_id: gateway.request_id,
            public_path: gateway.public_path,
            caller: gateway.caller,
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

    /// Both forms of a map, as API Gateway sends them: all values, and the last of each name; or null.
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
