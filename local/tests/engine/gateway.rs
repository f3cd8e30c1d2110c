//! Tests the gateway over real sockets, with real processes as functions.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use local::{
    gateway::{AccessLine, Auth, Gateway, Options, Route},
    lambda::{Function, Functions},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

use crate::support::{Bench, Meeting, PATIENCE, function, invoke, kill, signal};

/// A gateway with a client and its access log.
struct Front {
    gateway: Gateway,
    functions: Functions,
    client: Client<HttpConnector, Full<Bytes>>,
    lines: Arc<Mutex<Vec<AccessLine>>>,
}

/// A response as the client received it.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: http::HeaderMap,
    body: Bytes,
}

impl Answer {
    fn header(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Asserts that the gateway itself responded, with a complete problem.
    fn assert_problem(&self, status: u16, error_type: &str, title: &str, detail: &str) {
        assert_eq!(self.status, status);
        assert_eq!(self.header("x-amzn-errortype"), [error_type]);
        assert_eq!(self.header("content-type"), ["application/problem+json"]);
        let mut problem = self.json();
        assert!(problem["instance"].take().as_str().unwrap().starts_with('/'));
        assert_eq!(problem["request_id"].take(), self.header("x-amzn-requestid")[0]);
        let mut expected = json!({"type": "about:blank", "title": title, "status": status, "detail": detail,
            "instance": null, "request_id": null});
        if status >= 500 {
            expected["carried_out"] = json!("unknown");
        }
        assert_eq!(problem, expected);
    }
}

impl Front {
    async fn new(function: Function, options: Options) -> Self {
        let routes = [
            (Method::GET, "/v1/products"),
            (Method::POST, "/v1/products"),
            (Method::GET, "/v1/products/search"),
            (Method::GET, "/v1/products/{id}"),
            (Method::HEAD, "/v1/products/{id}"),
        ];
        let route = |(method, path): (Method, &str)| Route {
            method,
            path: path.to_owned(),
            function: "f".to_owned(),
            is_open: false,
        };
        let functions = Functions::new(vec![function], Arc::new(|_| ()));
        let lines = Arc::new(Mutex::new(Vec::new()));
        let log = lines.clone();
        let access_log: local::gateway::AccessSink = Arc::new(move |line| log.lock().unwrap().push(line));
        let options = Options { access_log: Some(access_log), ..options };
        let gateway = Gateway::start(options, routes.map(route).to_vec(), functions.clone()).await.unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { gateway, functions, client, lines }
    }

    /// With one environment and API Gateway's quotas.
    async fn plain() -> Self {
        Self::new(Function { max_environments: 1, ..function("f", &[]) }, Options::default()).await
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let exchange = async {
            let (head, body) = self.client.request(request).await.unwrap().into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            Answer { status: head.status, headers: head.headers, body }
        };
        timeout(PATIENCE, exchange).await.unwrap()
    }

    fn request(&self, method: &str, path: &str) -> http::request::Builder {
        Request::builder().method(method).uri(format!("{}{path}", self.gateway.url()))
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path).body(Full::default()).unwrap()).await
    }

    /// Asks the function to run a command.
    async fn ask(&self, query: &str) -> Answer {
        self.get(&format!("/v1/products?do={query}")).await
    }

    /// Sends bytes that no client library would, and reads until the gateway closes the connection.
    async fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.gateway.address()).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        String::from_utf8(answer).unwrap()
    }

    fn last_line(&self) -> AccessLine {
        self.lines.lock().unwrap().last().unwrap().clone()
    }
}

/// Checks and then replaces the values that differ from run to run.
fn mask(event: &mut String, front: &Front) {
    let value: Value = serde_json::from_str(event).unwrap();
    let context = &value["requestContext"];
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let request_id = text(&context["requestId"]);
    assert!(uuid::Uuid::parse_str(&request_id).is_ok());
    let epoch = context["requestTimeEpoch"].as_i64().unwrap();
    let time = text(&context["requestTime"]);
    let parsed = jiff::fmt::strtime::parse("%d/%b/%Y:%H:%M:%S %z", &time).unwrap().to_timestamp().unwrap();
    assert_eq!(parsed.as_second(), epoch / 1000);
    let extended = text(&context["extendedRequestId"]);
    assert_eq!(extended.len(), 16);
    for (volatile, masked) in [
        (request_id, "REQUEST_ID"),
        (epoch.to_string(), "0"),
        (time, "REQUEST_TIME"),
        (extended, "EXTENDED_REQUEST_ID"),
        (front.gateway.address().port().to_string(), "PORT"),
    ] {
        *event = event.replace(&volatile, masked);
    }
}

/// The event of a request, as the function received it.
async fn event_of(front: &Front, request: Request<Full<Bytes>>) -> Value {
    front.send(request).await.json()
}

#[tokio::test]
async fn sends_the_event_of_a_rest_api() {
    let front = Front::plain().await;
    let request = front
        .request("GET", "/v1/products/%E6%BC%86%2F1/?do=raw&q=a+b&q=%E5%99%A8&empty=")
        .header("if-none-match", "\"one\"")
        .header("if-none-match", "\"two\"")
        .header("user-agent", "tests/1")
        .header("x-forwarded-for", "192.0.2.1")
        .header("x-amzn-trace-id", "Root=1-67891233-abcdef012345678912345678")
        .header("te", "trailers");
    let answer = front.send(request.body(Full::default()).unwrap()).await;
    let mut event = String::from_utf8(answer.body.to_vec()).unwrap();
    mask(&mut event, &front);
    // One member per line, so that a difference is easy to read.
    let lines = event.replace(",\"", ",\n\"");
    assert_eq!(lines, include_str!("event.json").trim_end());
}

#[tokio::test]
async fn sends_null_for_what_there_is_not() {
    let front = Front::plain().await;
    let event = event_of(&front, front.request("GET", "/v1/products").body(Full::default()).unwrap()).await;
    let names = [
        "queryStringParameters",
        "multiValueQueryStringParameters",
        "pathParameters",
        "stageVariables",
        "body",
    ];
    for name in names {
        assert_eq!(event.get(name), Some(&Value::Null), "{name}");
    }
    let trace = event["headers"]["X-Amzn-Trace-Id"].as_str().unwrap();
    let [version, seconds, random] = trace.strip_prefix("Root=").unwrap().split('-').collect::<Vec<_>>()[..]
    else {
        panic!("{trace}")
    };
    assert_eq!((version, seconds.len(), random.len()), ("1", 8, 24));
}

#[tokio::test]
async fn goes_on_with_a_trace_whatever_the_order_of_its_fields() {
    let front = Front::plain().await;
    let trace = "Self=1-67891234-12456789abcdef012345678;Root=1-67891233-abcdef012345678912345678";
    let request = front.request("GET", "/v1/products").header("x-amzn-trace-id", trace);
    let answer = front.send(request.body(Full::default()).unwrap()).await;
    assert_eq!(answer.header("x-amzn-trace-id"), [trace]);
    assert_eq!(answer.json()["headers"]["X-Amzn-Trace-Id"], trace);
}

#[tokio::test]
async fn names_the_api_key_that_a_request_came_with() {
    let limits = json!({"api_keys": [{"id": "store", "value": "sesame"}]});
    let options = Options { limits: serde_json::from_value(limits).unwrap(), ..Options::default() };
    let front = Front::new(function("f", &[]), options).await;
    let request = front.request("GET", "/v1/products").header("x-api-key", "sesame");
    let event = event_of(&front, request.body(Full::default()).unwrap()).await;
    let identity = &event["requestContext"]["identity"];
    assert_eq!((&identity["apiKey"], &identity["apiKeyId"]), (&json!("sesame"), &json!("store")));
    assert_eq!(event["headers"]["X-Api-Key"], "sesame");
}

#[tokio::test]
async fn keeps_text_and_encodes_other_bodies() {
    let front = Front::plain().await;
    for (sent, body, encoded) in [
        (&b"{\"name\": \"\xe6\xbc\x86\"}"[..], json!("{\"name\": \"漆\"}"), false),
        (b"\xff\x00", json!("/wA="), true),
        (b"", Value::Null, false),
    ] {
        let request =
            front.request("POST", "/v1/products").header("content-type", "application/merge-patch+json");
        let event = event_of(&front, request.body(Full::from(sent.to_vec())).unwrap()).await;
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&body, &json!(encoded)));
        assert_eq!(event["headers"]["Content-Type"], "application/merge-patch+json");
        assert_eq!(event["headers"]["Content-Length"], Value::Null);
    }
}

#[tokio::test]
async fn routes_by_path_and_method() {
    let front = Front::plain().await;
    for (path, resource) in [
        ("/v1/products/", "/v1/products"),
        ("/v1/products/search/", "/v1/products/search"),
        ("/v1/products/7/", "/v1/products/{id}"),
    ] {
        let event = front.get(path).await.json();
        assert_eq!((&event["path"], &event["resource"]), (&json!(path), &json!(resource)));
        assert_eq!(front.last_line().resource.as_deref(), Some(resource));
    }
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/local/v1/products"),
        ("GET", "/v1/products/7/8"),
        ("DELETE", "/v1/products"),
        ("DELETE", "/v1/products/search"),
        ("OPTIONS", "/v1/products"),
        ("BREW", "/v1/products"),
    ] {
        let answer = front.send(front.request(method, path).body(Full::default()).unwrap()).await;
        let detail = "Missing Authentication Token";
        answer.assert_problem(403, "MissingAuthenticationTokenException", "Forbidden", detail);
        assert_eq!(answer.json()["instance"], path);
    }
}

#[tokio::test]
async fn answers_with_what_the_function_says() {
    let front = Front::plain().await;
    let headers = "headers=%7B%22ETag%22:%22%5C%22v1%5C%22%22,%22Server%22:%22me%22%7D";
    let lists = "multiValueHeaders=%7B%22Link%22:%5B%22a%22,%22b%22%5D%7D";
    let answer = front.ask(&format!("proxy&status=201&body=made&{headers}&{lists}")).await;
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::CREATED, &b"made"[..]));
    assert_eq!(answer.header("etag"), ["\"v1\""]);
    assert_eq!(answer.header("link"), ["a", "b"]);
    assert_eq!(answer.header("x-amzn-remapped-server"), ["me"]);
    assert_eq!(answer.header("content-type"), ["application/json"]);
    for name in ["x-amzn-requestid", "x-amzn-trace-id", "x-amz-apigw-id", "date"] {
        assert_eq!(answer.header(name).len(), 1, "{name}");
    }
    assert!(answer.header("x-amzn-errortype").is_empty());
    let line = front.last_line();
    assert_eq!((line.status, line.error.as_deref(), line.method.as_str()), (201, None, "GET"));
}

#[tokio::test]
async fn decodes_binary_answers() {
    let answer = Front::plain().await.ask("base64").await;
    assert_eq!(answer.body, (0..=255).collect::<Vec<u8>>());
}

#[tokio::test]
async fn sends_no_body_where_http_has_none() {
    let front = Front::plain().await;
    for status in [204, 304] {
        let answer = front.ask(&format!("proxy&status={status}&body=stray")).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (status, 0));
    }
    let path = "/v1/products/7?do=proxy&body=hidden";
    let answer = front.send(front.request("HEAD", path).body(Full::default()).unwrap()).await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
    assert_eq!(answer.header("content-type"), ["application/json"]);
    assert_eq!(answer.header("content-length"), ["6"]);
    assert_eq!(front.get(path).await.body, "hidden");
    // A function that omits the body does not state that GET would have none.
    let request = front.request("HEAD", "/v1/products/7?do=proxy").body(Full::default()).unwrap();
    assert!(front.send(request).await.header("content-length").is_empty());
}

#[tokio::test]
async fn answers_502_when_the_function_fails_and_logs_why() {
    let front = Front::plain().await;
    for (query, cause) in [
        ("exit", "exit status: 3"),
        ("exit", "line 29"),
        ("kill", "signal: 9 (SIGKILL)"),
        ("dance", "ValueError: no such command: dance"),
        ("size&bytes=6291557", "Function.ResponseSizeTooLarge"),
        ("payload&payload=garbage", "malformed response"),
        ("payload&payload=%7B%7D", "missing field `statusCode`"),
        ("payload&payload=%7B%22statusCode%22:200,%22body%22:%7B%7D%7D", "expected a string"),
        (
            "payload&payload=%7B%22statusCode%22:200,%22body%22:%22!%22,%22isBase64Encoded%22:true%7D",
            "body: ",
        ),
    ] {
        let answer = front.ask(query).await;
        answer.assert_problem(502, "InternalServerErrorException", "Bad Gateway", "Internal server error");
        let line = front.last_line();
        assert!(line.error.as_deref().unwrap().contains(cause), "{line:?}");
        assert_eq!(front.ask("pid").await.status, 200, "the next request works");
    }
}

#[tokio::test]
async fn answers_502_when_the_function_does_not_start() {
    let front = Front::new(function("f", &["init-exit"]), Options::default()).await;
    front.ask("pid").await.assert_problem(
        502,
        "InternalServerErrorException",
        "Bad Gateway",
        "Internal server error",
    );
    assert!(front.last_line().error.unwrap().contains("about to give up"));
}

#[tokio::test]
async fn answers_502_at_the_functions_time_out() {
    let slow = Function { timeout: Duration::from_millis(300), ..function("f", &[]) };
    let front = Front::new(slow, Options::default()).await;
    let answer = front.ask("span&seconds=30").await;
    answer.assert_problem(502, "InternalServerErrorException", "Bad Gateway", "Internal server error");
    assert!(front.last_line().error.unwrap().contains("Task timed out after 0.30 seconds"));
}

#[tokio::test]
async fn answers_502_when_the_process_is_killed_and_goes_on() {
    let (front, meeting) = (Front::plain().await, Meeting::new().await);
    let query = format!("wait&port={}", meeting.port);
    let (answer, ()) = tokio::join!(front.ask(&query), async { kill(meeting.arrival().await.pid) });
    answer.assert_problem(502, "InternalServerErrorException", "Bad Gateway", "Internal server error");
    assert_eq!(front.ask("pid").await.status, 200);
    // Killed while idle: no request fails.
    kill(front.functions.environments("f")[0].pid);
    assert_eq!(front.ask("pid").await.status, 200);
}

#[tokio::test]
async fn answers_504_when_the_integration_takes_too_long() {
    let options = Options { integration_timeout: Duration::from_millis(300), ..Options::default() };
    let front = Front::new(Function { max_environments: 1, ..function("f", &[]) }, options).await;
    let meeting = Meeting::new().await;
    let answer = front.ask(&format!("wait&port={}", meeting.port)).await;
    let detail = "Endpoint request timed out";
    answer.assert_problem(504, "EndpointRequestTimedOutException", "Gateway Timeout", detail);
    // The function completes the invocation, and then serves again.
    meeting.arrival().await.release().await;
    assert_eq!(front.ask("pid").await.status, 200);
    assert_eq!(front.functions.environments("f")[0].invocations, 2);
}

#[tokio::test]
async fn answers_504_when_the_process_is_stopped_and_works_again_when_it_goes_on() {
    let options = Options { integration_timeout: Duration::from_secs(1), ..Options::default() };
    let front = Front::new(Function { max_environments: 1, ..function("f", &[]) }, options).await;
    // Not through the gateway, where the start of the process would count towards the timeout.
    invoke(&front.functions, "f", json!({"do": "pid"})).await.unwrap();
    let pid = front.functions.environments("f")[0].pid;
    signal(pid, rustix::process::Signal::STOP);
    assert_eq!(front.ask("pid").await.status, 504);
    signal(pid, rustix::process::Signal::CONT);
    assert_eq!(front.ask("pid").await.status, 200);
}

#[tokio::test]
async fn answers_500_when_the_function_is_throttled() {
    let options = Options { queue_timeout: Duration::from_millis(50), ..Options::default() };
    let front = Front::new(Function { max_environments: 1, ..function("f", &[]) }, options).await;
    let meeting = Meeting::new().await;
    let query = format!("wait&port={}", meeting.port);
    let (held, ()) = tokio::join!(front.ask(&query), async {
        let held = meeting.arrival().await;
        let title = "Internal Server Error";
        front.ask("pid").await.assert_problem(
            500,
            "InternalServerErrorException",
            title,
            "Internal server error",
        );
        held.release().await;
    });
    assert_eq!(held.status, 200);
}

#[tokio::test]
async fn answers_413_to_bodies_over_the_quotas() {
    let front = Front::plain().await;
    // Over API Gateway's 10 MB; over Lambda's 6 MB.
    for bytes in [10 * 1024 * 1024 + 1, 7 * 1024 * 1024] {
        let request = front.request("POST", "/v1/products").body(Full::from(vec![b'x'; bytes])).unwrap();
        let answer = front.send(request).await;
        answer.assert_problem(413, "RequestTooLargeException", "Payload Too Large", "Request Too Long");
    }
    let request =
        b"POST /v1/products HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 99000000\r\n\r\n";
    let answer = front.raw(request).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "no 100 Continue: {answer}");
    assert_eq!(front.get("/v1/products?do=pid").await.status, 200);
}

#[tokio::test]
async fn bounds_slow_clients() {
    let short = Duration::from_millis(200);
    let options = Options { header_timeout: short, body_timeout: short, ..Options::default() };
    let front = Front::new(function("f", &[]), options).await;
    assert_eq!(front.raw(b"GET /v1/products HTTP/1.1\r\nHost:").await, "");
    let answer =
        front.raw(b"POST /v1/products HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(front.functions.environments("f").is_empty(), "no function was invoked");
}

#[tokio::test]
async fn answers_400_to_malformed_requests() {
    let front = Front::plain().await;
    for request in [
        &b"GET\r\n\r\n"[..],
        b"GET /v1/products HTTP/1.1\r\nbad header: x\r\n\r\n",
        b"GET /v1/products HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n",
        b"GET /v1/products HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ] {
        let answer = front.raw(request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    let old = front.raw(b"GET /v1/products HTTP/1.0\r\n\r\n").await;
    assert!(old.starts_with("HTTP/1.0 200 "), "{old}");
}

#[tokio::test]
async fn answers_421_to_names_that_are_not_its_own_before_anything_is_called() {
    let signed = || local::gateway::iam::Iam::new(local::gateway::iam::Principal::defaults());
    for auth in [Auth::None, Auth::Iam(signed())] {
        let allowed_origins = "https://evil.example".parse().unwrap();
        let options = Options { auth, allowed_origins, ..Options::default() };
        let front = Front::new(function("f", &[]), options).await;
        for request in [
            "GET /v1/products HTTP/1.1\r\nHost: evil.example:9000\r\n",
            "POST /v1/products HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 2\r\n",
            "OPTIONS /v1/products HTTP/1.1\r\nHost: evil.example\r\nOrigin: https://evil.example\r\n",
            "GET /no/such/route HTTP/1.1\r\nHost: evil.example\r\n",
            "GET /v1/products HTTP/1.0\r\nHost: evil.example\r\n",
            "GET http://evil.example/v1/products HTTP/1.1\r\nHost: localhost\r\n",
            "GET http://localhost/v1/products HTTP/1.1\r\nHost: evil.example\r\n",
        ] {
            let answer = front.raw(format!("{request}Connection: close\r\n\r\n{{}}").as_bytes()).await;
            assert_eq!(answer.split(' ').nth(1), Some("421"), "{request}: {answer}");
            let detail = "does not accept requests for evil.example. To allow them: `cargo xtask dev --allow-host evil.example`";
            assert!(answer.contains(detail), "{answer}");
        }
        assert!(front.functions.environments("f").is_empty(), "no function was invoked");
        assert_eq!(front.last_line().status, 421);
    }
    let options = Options { allowed_hosts: vec!["evil.example".parse().unwrap()], ..Options::default() };
    let front = Front::new(function("f", &[]), options).await;
    let request = b"GET /v1/products HTTP/1.1\r\nHost: EVIL.example:9000\r\nConnection: close\r\n\r\n";
    let answer = front.raw(request).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serves_a_hundred_at_once_with_four_processes() {
    let front = Arc::new(Front::new(function("f", &[]), Options::default()).await);
    let mut running = JoinSet::new();
    for _ in 0..100 {
        let front = front.clone();
        running.spawn(async move { front.ask("pid").await });
    }
    let mut pids = std::collections::HashSet::new();
    while let Some(answer) = running.join_next().await {
        pids.insert(answer.unwrap().json()["pid"].as_u64().unwrap());
        assert!(front.functions.environments("f").len() <= 4);
    }
    assert!(pids.len() <= 4);
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_the_environment_usable() {
    let (front, meeting) = (Front::plain().await, Meeting::new().await);
    let mut stream = TcpStream::connect(front.gateway.address()).await.unwrap();
    let request =
        format!("GET /v1/products?do=wait&port={} HTTP/1.1\r\nHost: localhost\r\n\r\n", meeting.port);
    stream.write_all(request.as_bytes()).await.unwrap();
    let held = meeting.arrival().await;
    drop(stream);
    let pid = held.pid;
    held.release().await;
    assert_eq!(front.ask("pid").await.json()["pid"], pid);
}

#[tokio::test]
async fn stop_lets_running_requests_finish() {
    let (front, meeting) = (Front::plain().await, Meeting::new().await);
    let url = format!("{}/v1/products?do=wait&port={}", front.gateway.url(), meeting.port);
    let client = front.client.clone();
    let running = tokio::spawn(async move { client.get(url.parse().unwrap()).await.unwrap().status() });
    let held = meeting.arrival().await;
    let address = front.gateway.address();
    let stopping = tokio::spawn(front.gateway.stop());
    // Connections are refused from the moment the listener is closed.
    timeout(PATIENCE, async { while TcpStream::connect(address).await.is_ok() {} }).await.unwrap();
    assert!(!stopping.is_finished());
    held.release().await;
    assert_eq!(running.await.unwrap(), 200);
    timeout(PATIENCE, stopping).await.unwrap().unwrap();
}

#[tokio::test]
async fn stop_has_a_bound() {
    let options = Options { stop_timeout: Duration::from_millis(100), ..Options::default() };
    let (front, meeting) = (Front::new(function("f", &[]), options).await, Meeting::new().await);
    let url = format!("{}/v1/products?do=wait&port={}", front.gateway.url(), meeting.port);
    let client = front.client.clone();
    let running = tokio::spawn(async move { client.get(url.parse().unwrap()).await });
    let _held = meeting.arrival().await;
    timeout(PATIENCE, front.gateway.stop()).await.unwrap();
    assert!(running.await.unwrap().is_err());
}

#[tokio::test]
async fn says_what_is_wrong_with_its_options() {
    let front = Front::plain().await;
    let taken = Options { address: front.gateway.address(), ..Options::default() };
    let bench = Bench::of(1);
    let error = Gateway::start(taken, Vec::new(), bench.functions.clone()).await.err().unwrap();
    assert!(error.to_string().contains("the gateway cannot listen on 127.0.0.1:"), "{error}");
}
