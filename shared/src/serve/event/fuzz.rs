//! Fuzz target: invariants of every parsed event.

#![expect(clippy::expect_used, reason = "a fuzz target reports a violation by a panic")]

use std::collections::BTreeMap;

use ::http::{HeaderMap, HeaderName, HeaderValue, Method};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{Event, PayloadFormat};
use crate::http::{Gateway, Request};

/// Parses `bytes` as an event. An accepted event must match its members, and must survive a round trip:
/// serialised as an event and parsed again.
pub fn event(bytes: &[u8]) -> &'static str {
    let Ok(json) = std::str::from_utf8(bytes) else { return "not text" };
    let Ok(Event { request, format, .. }) = Event::parse(json, "f") else { return "refused" };
    let seen = Seen::of(&request);
    let written = match format {
        PayloadFormat::Rest => seen.to_rest_event(),
        PayloadFormat::Http => seen.to_http_event(),
    };
    assert_eq!(seen.body.len(), request.body().len());
    assert_eq!(Seen::parse(&written, format), seen, "{json} written again as {written}");
    if let Some(caller) = &request.gateway().caller {
        let (key, identity) = (caller.key(), caller.identity());
        assert!((1..=1_024).contains(&key.len()) && !key.contains('\0'), "{key:?}");
        assert!(!identity.is_empty() && !identity.contains(char::is_control), "{identity:?}");
        assert_eq!(key.starts_with("arn:"), !key.starts_with('['), "{key:?}");
    }
    // A `Value` has no repeated members, which leaves one meaning.
    if let Ok(value) = serde_json::from_str::<Value>(json) {
        let caller = |event: &Value| {
            let Event { request, .. } = Event::parse(&event.to_string(), "f").expect("an event");
            request.gateway().caller.clone()
        };
        let context = json!({"httpMethod": "GET", "requestContext": value["requestContext"]});
        assert_eq!(caller(&value), caller(&context), "only the context identifies the caller");
        if format == PayloadFormat::Rest {
            assert_eq!(Seen::parse(&value.to_string(), format), Seen::in_rest_event(&value), "{value}");
        }
    }
    match format {
        PayloadFormat::Rest => "REST",
        PayloadFormat::Http => "HTTP",
    }
}

/// The parts of a request that an operation can see, without the caller.
#[derive(Debug, PartialEq)]
struct Seen {
    method: Method,
    headers: HeaderMap,
    gateway: Gateway,
    body: Vec<u8>,
}

impl Seen {
    fn of(request: &Request) -> Self {
        let mut gateway = request.gateway().clone();
        gateway.caller = None;
        // Path parameters are unique, so their order is irrelevant.
        gateway.path_parameters.sort();
        Self {
            method: request.method().clone(),
            headers: request.headers().clone(),
            gateway,
            body: request.body().to_vec(),
        }
    }

    fn parse(json: &str, expected: PayloadFormat) -> Self {
        let Event { request, format, .. } = Event::parse(json, "f").expect("an event");
        assert_eq!(format, expected, "{json}");
        Self::of(&request)
    }

    /// The parts of a REST event, read member by member.
    fn in_rest_event(event: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let texts = |value: &Value| match value {
            Value::Array(values) => values.iter().filter_map(text).collect(),
            value => text(value).into_iter().collect(),
        };
        let map = |value: &Value| {
            let members = value.as_object().into_iter().flatten();
            members.map(|(name, value)| (name.clone(), texts(value))).collect::<Vec<(_, Vec<_>)>>()
        };
        let pairs = |many: &Value, one: &Value| {
            let mut pairs = map(many);
            pairs.retain(|(_, values)| !values.is_empty());
            let rest: Vec<_> = map(one)
                .into_iter()
                .filter(|(name, _)| pairs.iter().all(|(known, _)| known != name))
                .collect();
            [pairs, rest].concat()
        };
        let mut headers = HeaderMap::new();
        for (name, values) in pairs(&event["multiValueHeaders"], &event["headers"]) {
            for value in values {
                if let (Ok(name), Ok(value)) =
                    (HeaderName::try_from(&name), HeaderValue::from_bytes(value.as_bytes()))
                {
                    headers.append(name, value);
                }
            }
        }
        let query =
            pairs(&event["multiValueQueryStringParameters"], &event["queryStringParameters"]).into_iter();
        let query =
            query.flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value)));
        let context = &event["requestContext"];
        let route = [&event["routeKey"], &context["routeKey"]].iter().find_map(|key| key.as_str());
        let route = json!(route.and_then(|key| key.split_once(' ')).map(|(method, _)| method));
        let body = text(&event["body"]).unwrap_or_default();
        let decoded = STANDARD.decode(&body).ok().filter(|_| event["isBase64Encoded"] == true);
        let parameters = event["pathParameters"].as_object().into_iter().flatten();
        let mut path_parameters: Vec<_> =
            parameters.filter_map(|(name, value)| Some((name.clone(), text(value)?))).collect();
        path_parameters.sort();
        Self {
            method: [&context["http"]["method"], &event["httpMethod"], &context["httpMethod"], &route]
                .iter()
                .find_map(|method| method.as_str()?.parse().ok())
                .expect("a method"),
            headers,
            gateway: Gateway {
                request_id: text(&context["requestId"])
                    .filter(|id| !id.is_empty() && id.chars().all(|char| char.is_ascii_graphic()))
                    .unwrap_or_else(|| "f".to_owned()),
                public_path: text(&context["path"])
                    .or(text(&event["path"]))
                    .unwrap_or_else(|| "/".to_owned()),
                path_parameters,
                query: query.filter(|(name, _)| !name.starts_with("X-Amz-")).collect(),
                caller: None,
            },
            body: decoded.unwrap_or_else(|| body.into_bytes()),
        }
    }

    fn to_rest_event(&self) -> String {
        let gateway = &self.gateway;
        // Written by hand, because the values of a repeated name need not be adjacent in a query.
        let query: Vec<_> =
            gateway.query.iter().map(|(name, value)| format!("{}:[{}]", json!(name), json!(value))).collect();
        let event = json!({
            "httpMethod": self.method.as_str(),
            "path": "/elsewhere",
            "multiValueHeaders": self.headers_by_name(),
            "requestContext": {
                "httpMethod": self.method.as_str(), "path": gateway.public_path, "requestId": gateway.request_id,
            },
            "body": STANDARD.encode(&self.body),
            "isBase64Encoded": true,
        })
        .to_string();
        let rest = event.strip_prefix('{').expect("an object");
        format!(
            "{{\"multiValueQueryStringParameters\":{{{}}},\"pathParameters\":{{{}}},{rest}",
            query.join(","),
            self.path_parameters()
        )
    }

    /// The members of the path parameters' object, written by hand because a name may be repeated.
    fn path_parameters(&self) -> String {
        let parameters = self.gateway.path_parameters.iter();
        let members: Vec<_> =
            parameters.map(|(name, value)| format!("{}:{}", json!(name), json!(value))).collect();
        members.join(",")
    }

    fn to_http_event(&self) -> String {
        let gateway = &self.gateway;
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&gateway.query).finish();
        let event = json!({
            "version": "2.0",
            "rawPath": gateway.public_path,
            "rawQueryString": query,
            "headers": self.headers_by_name(),
            "requestContext": {
                "http": {"method": self.method.as_str(), "path": "/elsewhere"},
                "requestId": gateway.request_id,
            },
            "body": STANDARD.encode(&self.body),
            "isBase64Encoded": true,
        })
        .to_string();
        let rest = event.strip_prefix('{').expect("an object");
        format!("{{\"pathParameters\":{{{}}},{rest}", self.path_parameters())
    }

    fn headers_by_name(&self) -> BTreeMap<&str, Vec<&str>> {
        let values = |name| {
            let values = self.headers.get_all(name).iter();
            values.map(|value| std::str::from_utf8(value.as_bytes()).expect("text of an event")).collect()
        };
        self.headers.keys().map(|name| (name.as_str(), values(name))).collect()
    }
}
