//! HEAD, which is available for every GET (RFC 9110, section 9.3.2): the same status and headers, and no body.

use harness::service;
use http::{HeaderMap, Method};
use local::stack::checkout;
use serde_json::Value;

use crate::events::{self, SAMPLES, again};

/// The headers that do not differ between repeated requests.
fn steady(headers: &HeaderMap) -> Vec<(String, String)> {
    const OWN: [&str; 5] =
        ["date", "content-length", "x-amzn-requestid", "x-amzn-trace-id", "x-correlation-id"];
    let text = |value: &http::HeaderValue| value.to_str().expect("text").to_owned();
    let mut headers: Vec<_> = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    headers.retain(|(name, _)| !OWN.contains(&name.as_str()) && name != "x-amz-apigw-id");
    headers.sort();
    headers
}

#[test]
fn every_get_has_a_head_with_its_headers_and_without_a_body() {
    service(async |service| {
        again(service).await;
        let samples = SAMPLES.iter().filter(|sample| sample.method == Method::GET && sample.status == 200);
        let samples: Vec<_> = samples.collect();
        assert!(samples.len() >= 12, "{samples:?}");
        for sample in samples {
            let get = events::send(service.client(), sample, Method::GET, &[]).await.expect(200);
            let tag = get.header("etag");
            for headers in [&[][..], &[("if-none-match", tag)], &[("if-match", "\"x\"")]] {
                // Health has no validators to compare.
                if sample.path() == "/health" && !headers.is_empty() {
                    continue;
                }
                let get = events::send(service.client(), sample, Method::GET, headers).await;
                let head = events::send(service.client(), sample, Method::HEAD, headers).await;
                assert_eq!(head.status, get.status, "{} {headers:?}", sample.target);
                assert_eq!(steady(&head.headers), steady(&get.headers), "{} {headers:?}", sample.target);
                assert_eq!(head.body, "", "{}", sample.target);
            }
            let slash = sample.target.replacen(sample.path(), &format!("{}/", sample.path()), 1);
            service.client().send(Method::HEAD, &slash, &[], "").await.expect(200);
        }
        for (path, status) in [("/v1/products?limit=0", 400), ("/v1/artisans/search", 400)] {
            let head = service.client().send(Method::HEAD, path, &[], "").await.expect(status);
            assert_eq!((head.body.as_str(), head.header("content-type")), ("", "application/problem+json"));
        }
    });
}

#[test]
fn whoever_may_get_may_head() {
    let policies = std::fs::read_to_string(checkout().join("api/policies.json")).expect("policies");
    let policies: Value = serde_json::from_str(&policies).expect("JSON");
    for policy in ["reader", "editor", "admin"] {
        let resources = policies[policy]["Statement"][0]["Resource"].as_array().expect("resources");
        let resources: Vec<_> = resources.iter().filter_map(Value::as_str).collect();
        let gets: Vec<_> = resources.iter().filter(|arn| arn.contains("/GET/")).collect();
        assert!(gets.len() >= 12, "{policy}: {gets:?}");
        for get in gets {
            assert!(resources.contains(&get.replace("/GET/", "/HEAD/").as_str()), "{policy}: {get}");
        }
    }
}
