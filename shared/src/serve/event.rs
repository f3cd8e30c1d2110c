//! Events in: API Gateway REST proxy events (v1) straight into a request, and HTTP API events (v2), as
//! `cargo lambda watch` sends them, by way of `lambda_http`.
//!
//! `lambda_http` is not used for v1: it keeps only the last of repeated headers, panics on a malformed Host, and
//! spends more instructions than everything else in a warm request.

use std::{borrow::Cow, fmt, marker::PhantomData};

use ::http::{HeaderName, HeaderValue, Method, Uri};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use lambda_http::{
    RequestExt,
    request::{LambdaRequest, RequestContext},
};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};

use crate::http::{Gateway, Request};

/// A request and the form in which its answer is expected.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) request: Request,
    pub(super) version: Version,
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
#[derive(Debug)]
pub(super) struct ParseError {
    rest: serde_json::Error,
    http: serde_json::Error,
}

impl Event {
    /// Reads `json`. `function_request_id` stands in where the event names no request.
    pub(super) fn parse(json: &str, function_request_id: &str) -> Result<Self, ParseError> {
        match serde_json::from_str::<RestEvent<'_>>(json) {
            Ok(event) => {
                Ok(Self { request: event.into_request(function_request_id), version: Version::Rest })
            }
            Err(rest) => match serde_json::from_str::<LambdaRequest>(json) {
                Ok(event) => {
                    Ok(Self { request: from_http_event(event, function_request_id), version: Version::Http })
                }
                Err(http) => Err(ParseError { rest, http }),
            },
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not an API Gateway proxy event: as REST (v1) {}; as HTTP (v2) {}", self.rest, self.http)
    }
}

impl std::error::Error for ParseError {}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RestEvent<'a> {
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
        map.reserve(headers.len());
        for (name, value) in headers {
            // What is no header cannot have come over HTTP.
            if let (Ok(name), Ok(value)) =
                (HeaderName::from_bytes(name.0.as_bytes()), HeaderValue::from_bytes(value.0.as_bytes()))
            {
                map.append(name, value);
            }
        }

        let query = flatten(self.multi_value_query_string_parameters, self.query_string_parameters);
        let context = self.request_context;
        let gateway = Gateway {
            request_id: context.request_id.map_or_else(|| function_request_id.to_owned(), Text::into_string),
            public_path: context.path.map_or(path, Text::into_string),
            path_parameters: flatten(None, self.path_parameters).into_iter().map(owned).collect(),
            query: query.into_iter().map(owned).collect(),
            caller: context.identity.and_then(|identity| identity.user_arn).map(Text::into_string),
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

fn from_http_event(event: LambdaRequest, function_request_id: &str) -> Request {
    let request = ::http::Request::from(event);
    let pairs = |map: &lambda_http::aws_lambda_events::query_map::QueryMap| {
        map.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let (request_id, caller) = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => {
            let iam = context.authorizer.as_ref().and_then(|authorizer| authorizer.iam.as_ref());
            (context.request_id.clone(), iam.and_then(|iam| iam.user_arn.clone()))
        }
        _ => (None, None),
    };
    let gateway = Gateway {
        request_id: request_id.unwrap_or_else(|| function_request_id.to_owned()),
        public_path: request.raw_http_path().to_owned(),
        path_parameters: request.path_parameters_ref().map(pairs).unwrap_or_default(),
        query: request.query_string_parameters_ref().map(pairs).unwrap_or_default(),
        caller,
    };
    let request = request.map(|body| match body {
        lambda_http::Body::Text(text) => Bytes::from(text),
        lambda_http::Body::Binary(bytes) => Bytes::from(bytes),
        _ => Bytes::new(),
    });
    Request::new(request, gateway)
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
        let request = event.request;
        assert_eq!(request.headers().get_all("if-none-match").iter().count(), 2);
        assert_eq!(request.gateway().query.len(), 2);
        assert_eq!(request.gateway().public_path, "/prod/v1/products");
        assert_eq!(request.gateway().caller.as_deref(), Some("arn:aws:iam::1:user/ann"));
        assert_eq!(&request.body()[..], b"{\"}");
    }

    #[test]
    fn names_what_is_wrong_with_a_foreign_event() {
        let error = Event::parse(r#"{"Records": []}"#, "f").unwrap_err().to_string();
        assert!(error.contains("missing field `httpMethod`"), "{error}");
    }
}
