//! An HTTP client with assertions, so that tests stay short.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client as Hyper, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;

/// A client for one API.
#[derive(Clone)]
pub struct Client {
    url: String,
    hyper: Hyper<HttpConnector, Full<Bytes>>,
}

/// A response, together with its request.
#[derive(Debug)]
pub struct Response {
    /// The request's method and path, for messages.
    pub request: String,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

impl Client {
    /// A client for the API at `url`.
    pub fn new(url: String) -> Self {
        Self { url, hyper: Hyper::builder(TokioExecutor::new()).build_http() }
    }

    /// The base URL of the API.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends a GET request.
    pub async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, &[], "").await
    }

    /// Sends a DELETE request.
    pub async fn delete(&self, path: &str) -> Response {
        self.send(Method::DELETE, path, &[], "").await
    }

    /// Sends a POST request with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Response {
        self.send(Method::POST, path, &[("content-type", "application/json")], body.to_string()).await
    }

    /// Sends a PATCH request with a merge patch.
    pub async fn patch(&self, path: &str, body: &Value) -> Response {
        self.send(Method::PATCH, path, &[("content-type", "application/merge-patch+json")], body.to_string())
            .await
    }

    /// Sends any request, with any headers and body.
    ///
    /// # Panics
    /// When the request is invalid, or no response arrives.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response {
        let described = format!("{method} {path}");
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(body.into())).expect("a request");
        let response =
            self.hyper.request(request).await.unwrap_or_else(|error| panic!("{described}: {error:?}"));
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        Response {
            request: described,
            status: head.status,
            headers: head.headers,
            body: String::from_utf8(body.into()).expect("a body in UTF-8"),
        }
    }
}

impl Response {
    /// Asserts the status, and returns the response.
    ///
    /// # Panics
    /// When the status differs.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{} was answered {}", self.request, self.body);
        self
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When the body is not JSON, or its content type is not.
    #[track_caller]
    pub fn json(&self) -> Value {
        let media_type = self.header("content-type");
        assert!(media_type.ends_with("json"), "{} has content type {media_type:?}", self.request);
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{}: {error}: {}", self.request, self.body))
    }

    /// A header's value; empty if the header is missing.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a readable header"))
    }

    /// Asserts that the response is a problem (RFC 9457) with this status, and returns the problem.
    ///
    /// # Panics
    /// When it is not such a problem.
    #[track_caller]
    pub fn problem(self, status: u16) -> Value {
        let response = self.expect(status);
        assert_eq!(
            response.header(header::CONTENT_TYPE.as_str()),
            "application/problem+json",
            "{}",
            response.request
        );
        let problem = response.json();
        assert_eq!(problem["status"], status, "{problem}");
        for member in ["type", "title", "detail", "instance", "request_id"] {
            assert!(problem[member].is_string(), "{member} is missing in {problem}");
        }
        let carried_out = problem["carried_out"].as_str();
        let is_said = if status < 500 { carried_out.is_none() } else { carried_out.is_some() };
        assert!(is_said, "whether it may have been carried out: {problem}");
        problem
    }

    /// The pointers and parameters in a problem's `errors`, sorted.
    #[track_caller]
    pub fn faults(self, status: u16) -> Vec<String> {
        let problem = self.problem(status);
        let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("no errors in {problem}"));
        let place = |fault: &Value| {
            let place = if fault["pointer"].is_string() { &fault["pointer"] } else { &fault["parameter"] };
            place.as_str().unwrap_or_else(|| panic!("a fault without a place in {problem}")).to_owned()
        };
        let mut places: Vec<_> = errors.iter().map(place).collect();
        places.sort();
        places
    }
}
