//! The gateway's access log: one line of JSON for every request, with the names of API Gateway's `$context` variables.

use std::sync::{Arc, Mutex};

use harness::{Setup, service_with};
use local::gateway;
use serde_json::{Value, json};

const NAMES: [&str; 18] = [
    "apiKeyId",
    "caller",
    "errorMessage",
    "errorType",
    "extendedRequestId",
    "httpMethod",
    "integrationErrorMessage",
    "integrationLatency",
    "ip",
    "path",
    "protocol",
    "requestId",
    "requestTime",
    "resourcePath",
    "responseLatency",
    "responseLength",
    "status",
    "user",
];

#[test]
fn every_request_is_one_line_of_json() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&lines);
    let access_log: gateway::AccessSink =
        Arc::new(move |line| log.lock().expect("no panic").push(line.to_json()));
    let gateway = gateway::Options { access_log: Some(access_log), ..gateway::Options::default() };
    service_with(Setup { gateway, ..Setup::default() }, async |service| {
        let client = service.client();
        let responses = [
            client.post("/v1/products", &json!({"name": "Cup", "price": 1})).await.expect(201),
            client.get("/v1/products/search?q=secret").await.expect(200),
            client.get("/v1/products/7").await.expect(400),
            client.delete("/v1/nothing").await.expect(403),
        ];
        let lines = std::mem::take(&mut *lines.lock().expect("no panic"));
        assert_eq!(lines.len(), responses.len());
        let expected = [
            ("POST", json!("/v1/products"), None),
            ("GET", json!("/v1/products/search"), None),
            ("GET", json!("/v1/products/{id}"), None),
            ("DELETE", json!("-"), Some("Missing Authentication Token")),
        ];
        for ((text, response), (method, resource, error)) in lines.iter().zip(&responses).zip(expected) {
            assert!(!text.contains(['\n', '?']) && !text.contains("secret"), "{text}");
            let line: Value = serde_json::from_str(text).expect("JSON");
            let mut names: Vec<_> = line.as_object().expect("an object").keys().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, NAMES);
            assert_eq!(line["requestId"], response.header("x-amzn-requestid"));
            assert_eq!((&line["httpMethod"], &line["resourcePath"]), (&json!(method), &resource));
            assert_eq!(line["status"], response.status.as_str());
            assert_eq!(line["responseLength"], response.body.len().to_string());
            assert_eq!((&line["ip"], &line["protocol"]), (&json!("127.0.0.1"), &json!("HTTP/1.1")));
            assert_eq!((&line["caller"], &line["user"]), (&json!("-"), &json!("-")));
            let time = line["requestTime"].as_str().expect("a time");
            jiff::fmt::strtime::parse("%d/%b/%Y:%H:%M:%S %z", time).expect("the Common Log Format");
            let milliseconds = |name: &str| line[name].as_str().and_then(|text| text.parse::<u64>().ok());
            assert!(milliseconds("responseLatency") >= milliseconds("integrationLatency"), "{line}");
            assert_eq!(milliseconds("integrationLatency").is_some(), error.is_none(), "{line}");
            assert_eq!(line["errorMessage"], error.unwrap_or("-"));
        }
    });
}
