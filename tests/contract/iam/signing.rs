//! Requests that the `aws-sigv4` crate signs, sent verbatim.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{self, SignableBody, SignableRequest, SignatureLocation, SigningSettings},
    sign::v4,
};
use harness::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use local::gateway::iam::Principal;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// A request as sent over the wire.
#[derive(Clone)]
pub struct Call {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Call {
    /// An unsigned request to the API at `url`.
    pub fn new(url: &str, method: &str, target: &str, body: &str) -> Self {
        let host = url.trim_start_matches("http://").to_owned();
        let mut headers = vec![("host".to_owned(), host)];
        if !body.is_empty() {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        Self { method: method.to_owned(), target: target.to_owned(), headers, body: body.to_owned() }
    }

    /// Signs the request in its `Authorization` header.
    pub fn signed(self, principal: &Principal, time: SystemTime) -> Self {
        self.sign(principal, SignatureLocation::Headers, time)
    }

    /// Presigns the request in its query, valid for a minute.
    pub fn presigned(self, principal: &Principal, time: SystemTime) -> Self {
        self.sign(principal, SignatureLocation::QueryParams, time)
    }

    fn sign(mut self, principal: &Principal, location: SignatureLocation, time: SystemTime) -> Self {
        let Principal { access_key_id, secret_access_key, session_token, .. } = principal.clone();
        let identity = Credentials::new(access_key_id, secret_access_key, session_token, None, "test").into();
        let mut settings = SigningSettings::default();
        settings.signature_location = location;
        settings.expires_in = Some(Duration::from_secs(60));
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("execute-api")
            .time(time)
            .settings(settings)
            .build()
            .expect("parameters")
            .into();
        let url = format!("http://{}{}", self.headers[0].1, self.target);
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let body = SignableBody::Bytes(self.body.as_bytes());
        let request = SignableRequest::new(&self.method, url, headers, body).expect("a request");
        let (instructions, _) = http_request::sign(request, &parameters).expect("a signature").into_parts();
        let (headers, parameters) = instructions.into_parts();
        self.headers.extend(headers.iter().map(|it| (it.name().to_owned(), it.value().to_owned())));
        for (name, value) in parameters {
            let separator = if self.target.contains('?') { '&' } else { '?' };
            let value = utf8_percent_encode(&value, NON_ALPHANUMERIC);
            self.target = format!("{}{separator}{name}={value}", self.target);
        }
        self
    }

    /// Sends the request to the API at `url`.
    pub async fn send(&self, url: &str) -> Response {
        let Self { method, target, headers, body } = self;
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let length = body.len();
        let request = format!(
            "{method} {target} HTTP/1.1\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await.expect("a connection");
        stream.write_all(request.as_bytes()).await.expect("a sent request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer in UTF-8");
        parse(format!("{method} {target}"), &answer)
    }
}

fn parse(request: String, answer: &str) -> Response {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{request}: {answer:?}"));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status");
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        let name = HeaderName::try_from(name).expect("a name");
        headers.append(name, HeaderValue::try_from(value).expect("a value"));
    }
    let status = StatusCode::from_bytes(status.as_bytes()).expect("a status");
    Response { request, status, headers, body: body.to_owned() }
}
