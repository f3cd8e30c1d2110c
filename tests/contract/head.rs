//! HEAD, which every GET has beside it (RFC 9110, section 9.3.2): the same status and headers, and no body.

use harness::{Atelier, artisan_path, atelier, product_path};
use http::{HeaderMap, Method};
use local::stack::checkout;
use serde_json::{Value, json};

/// A path of every GET, with the parameters that it needs, and its template.
async fn paths(atelier: &Atelier) -> Vec<(String, &'static str)> {
    let artisan = atelier.create_artisan(json!({"given_name": "Hanako", "family_name": "Sato"})).await;
    let product = json!({"name": "Cup", "price": 1, "artisan_id": artisan["id"]});
    let (artisan, product) = (artisan_path(&artisan), product_path(&atelier.create_product(product).await));
    let gets = api::OPERATIONS.iter().flat_map(|operation| operation.routes);
    let gets = gets.filter(|route| route.method == Method::GET);
    let path = |template: &'static str| {
        let query = if template.ends_with("/search") { "?q=a" } else { "" };
        let path = template.replace("/v1/artisans/{id}", &artisan).replace("/v1/products/{id}", &product);
        (format!("{path}{query}"), template)
    };
    gets.map(|route| path(route.path)).collect()
}

/// The headers that are the same for each request of the same.
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
    atelier(async |atelier| {
        let paths = paths(atelier).await;
        assert!(paths.len() >= 12, "{paths:?}");
        for (path, template) in paths {
            let get = atelier.client().get(&path).await.expect(200);
            let tag = get.header("etag");
            for headers in [vec![], vec![("if-none-match", tag)], vec![("if-match", "\"x\"")]] {
                // Health has no validators: nothing to compare with.
                if template == "/health" && !headers.is_empty() {
                    continue;
                }
                let get = atelier.client().send(Method::GET, &path, &headers, "").await;
                let head = atelier.client().send(Method::HEAD, &path, &headers, "").await;
                assert_eq!(head.status, get.status, "{path} {headers:?}");
                assert_eq!(steady(&head.headers), steady(&get.headers), "{path} {headers:?}");
                assert_eq!(head.body, "", "{path}");
            }
            let slash = format!("{}/", path.split('?').next().unwrap_or_default());
            if !path.contains('?') {
                atelier.client().send(Method::HEAD, &slash, &[], "").await.expect(200);
            }
        }
        for (path, status) in [("/v1/products?limit=0", 400), ("/v1/artisans/search", 400)] {
            let head = atelier.client().send(Method::HEAD, path, &[], "").await.expect(status);
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
