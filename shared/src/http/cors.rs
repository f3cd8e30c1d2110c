//! Cross-origin resource sharing: which pages may read a response. The gateway answers preflight requests.
//!
//! Credentials that a browser adds by itself (cookies) are not used: a page signs its requests or sends a
//! token. So `Access-Control-Allow-Credentials` is never set.

use std::{fmt, str::FromStr};

use ::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

/// Response headers that a page may read in addition to the CORS-safelisted ones (Fetch, "CORS-safelisted
/// response-header name"). Used here, by the local gateway and in the deployed stacks.
pub const EXPOSED_HEADERS: &str = "Accept-Patch, Accept-Post, Age, Cache-Status, ETag, Idempotency-Replayed, Link, \
                                   Location, Retry-After, X-Amzn-ErrorType, X-Amzn-RequestId, X-Correlation-Id";

/// Request headers that a page may send in addition to the CORS-safelisted ones (Fetch, "CORS-safelisted
/// request-header"): those of the API and of signatures, and those that the AWS SDKs, Amplify, CloudWatch
/// RUM, OpenTelemetry, Sentry and `fetch` with `cache: "reload"` add to every request. Preflight responses
/// list them; [`AllowedHeaders`] extends them.
pub const REQUEST_HEADERS: &str = "Amz-Sdk-Invocation-Id, Amz-Sdk-Request, Authorization, Baggage, Cache-Control, \
                                   Content-Type, Idempotency-Key, If-Match, If-Modified-Since, If-None-Match, \
                                   If-Unmodified-Since, Pragma, Sentry-Trace, Traceparent, Tracestate, \
                                   X-Amz-Content-Sha256, X-Amz-Date, X-Amz-Security-Token, X-Amz-User-Agent, \
                                   X-Amzn-Trace-Id, X-Api-Key, X-Audit-Reason, X-Correlation-Id, X-Requested-With";

/// Request headers that pages may send in addition to [`REQUEST_HEADERS`]; none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedHeaders(Vec<HeaderName>);

impl AllowedHeaders {
    /// The value of `Access-Control-Allow-Headers`.
    pub fn value(&self) -> String {
        let more = self.0.iter().map(|name| format!(", {name}"));
        [REQUEST_HEADERS.to_owned()].into_iter().chain(more).collect()
    }
}

/// Parses a comma-separated list of header names.
impl FromStr for AllowedHeaders {
    type Err = String;

    fn from_str(list: &str) -> Result<Self, String> {
        let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        let read = |name: &str| {
            // `*` would allow any header.
            let header = HeaderName::from_str(name).ok().filter(|_| !name.contains('*'));
            header.ok_or_else(|| format!("`{name}` is not the name of a header"))
        };
        names.map(read).collect::<Result<_, _>>().map(Self)
    }
}

/// The origins whose pages may call the API; none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedOrigins(Vec<HeaderValue>);

impl AllowedOrigins {
    /// Whether no origin is allowed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the CORS headers to a response if the request's origin is allowed, and returns whether it is.
    pub fn share(&self, request: &HeaderMap, answer: &mut HeaderMap) -> bool {
        if self.is_empty() {
            return false;
        }
        // Set for other origins too: a shared cache must not reuse one origin's response for another.
        answer.append(header::VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = request.get(header::ORIGIN).filter(|origin| self.0.contains(origin)) else {
            return false;
        };
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED_HEADERS));
        true
    }
}

/// Parses a comma-separated list of origins.
impl FromStr for AllowedOrigins {
    type Err = String;

    fn from_str(list: &str) -> Result<Self, String> {
        let origins = list.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        origins.map(origin).collect::<Result<_, _>>().map(Self)
    }
}

/// The comma-separated list.
impl fmt::Display for AllowedOrigins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origins: Vec<_> = self.0.iter().filter_map(|origin| origin.to_str().ok()).collect();
        f.write_str(&origins.join(","))
    }
}

/// Parses an origin as browsers serialise it: any other spelling would never match.
fn origin(text: &str) -> Result<HeaderValue, String> {
    let is_origin = text.parse::<Uri>().is_ok_and(|uri| match (uri.scheme_str(), uri.authority()) {
        (Some(scheme @ ("http" | "https")), Some(authority)) => {
            let default_port = if scheme == "http" { 80 } else { 443 };
            !authority.as_str().contains(['@', '*'])
                && authority.port_u16() != Some(default_port)
                && text == format!("{scheme}://{}", authority.as_str().to_lowercase())
        }
        _ => false,
    });
    let value = HeaderValue::from_str(text).ok().filter(|_| is_origin);
    value.ok_or_else(|| format!("`{text}` is not an origin, such as https://store.example"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared_with(list: &str, origin: Option<&'static str>) -> (bool, HeaderMap) {
        let request = origin.map(|origin| (header::ORIGIN, HeaderValue::from_static(origin)));
        let mut answer = HeaderMap::new();
        let is_allowed =
            list.parse::<AllowedOrigins>().unwrap().share(&request.into_iter().collect(), &mut answer);
        (is_allowed, answer)
    }

    #[test]
    fn shares_an_answer_with_the_origins_of_the_list_only() {
        let list = "https://store.example, http://localhost:5173";
        for (origin, expected) in [
            (Some("https://store.example"), true),
            (Some("http://localhost:5173"), true),
            (Some("http://store.example"), false),
            (Some("https://store.example:8443"), false),
            (Some("https://store.example.evil.example"), false),
            (Some("https://evil.example"), false),
            (Some("null"), false),
            (Some(""), false),
            (None, false),
        ] {
            let (is_allowed, answer) = shared_with(list, origin);
            assert_eq!(is_allowed, expected, "{origin:?}");
            assert_eq!(answer[header::VARY], "Origin");
            assert_eq!(answer.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).is_some(), expected);
            assert_eq!(answer.get(header::ACCESS_CONTROL_EXPOSE_HEADERS).is_some(), expected);
            assert!(!answer.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
        }
    }

    #[test]
    fn headers_can_be_added_by_their_names() {
        let value = |list: &str| list.parse::<AllowedHeaders>().map(|headers| headers.value());
        assert_eq!(value(""), Ok(REQUEST_HEADERS.to_owned()));
        assert_eq!(value(" X-Store,, x-till "), Ok(format!("{REQUEST_HEADERS}, x-store, x-till")));
        for refused in ["*", "X-*", "X Store", "X-Store:", "工房", "a\nb"] {
            assert!(value(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn adds_nothing_without_a_list() {
        assert_eq!(shared_with("", Some("https://store.example")), (false, HeaderMap::new()));
    }

    #[test]
    fn keeps_what_the_answer_already_varies_by() {
        let mut answer = HeaderMap::from_iter([(header::VARY, HeaderValue::from_static("Accept"))]);
        let allowed: AllowedOrigins = "https://store.example".parse().unwrap();
        allowed.share(&HeaderMap::new(), &mut answer);
        assert_eq!(answer.get_all(header::VARY).iter().collect::<Vec<_>>(), ["Accept", "Origin"]);
    }

    #[test]
    fn refuses_what_no_browser_sends() {
        for text in [
            "*",
            "null",
            "store.example",
            "https://*.example",
            "https://",
            "https://store.example/",
            "https://store.example/catalogue",
            "https://store.example?",
            "https://Store.example",
            "HTTPS://store.example",
            "https://store.example:443",
            "http://store.example:80",
            "https://user@store.example",
            "ftp://store.example",
            "https://store.example https://other.example",
        ] {
            assert!(text.parse::<AllowedOrigins>().is_err(), "{text}");
        }
    }
}
