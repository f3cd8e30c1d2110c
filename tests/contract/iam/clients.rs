//! Common third-party clients against the gateway's verification.

use std::time::SystemTime;

use harness::{Service, clients, service_with};
use local::gateway::iam::Principal;
use serde_json::{Value, json};

use super::{principal, signed_setup, signing::Call};

const PRODUCT: &str = r#"{"name": "漆器 & \"urushi\"", "price": 100}"#;

/// Requests of every shape with their expected status, which differs from a refusal's.
const CALLS: [(&str, &str, &str, u16); 14] = [
    ("POST", "/v1/products", PRODUCT, 201),
    ("GET", "/v1/products", "", 200),
    ("GET", "/v1/products/", "", 200),
    ("GET", "/v1/products?limit=1&sort=price", "", 200),
    ("GET", "/v1/products?sort=-price&limit=1", "", 200),
    ("GET", "/v1/products?name=%E6%BC%86%E5%99%A8%20%26%20%22urushi%22", "", 200),
    ("GET", "/v1/products/search?q=%E6%BC%86%E5%99%A8", "", 200),
    ("GET", "/v1/products/search?q=a%20b%2Bc%2Fd%3De~f", "", 200),
    // The function's own responses, which show that it was reached.
    ("GET", "/v1/products?limit=1&limit=2", "", 400),
    ("GET", "/v1/products?limit=", "", 400),
    ("GET", "/v1/products?limit", "", 400),
    ("GET", "/v1/products/%E6%BC%86%20%2F+a:b@c", "", 400),
    ("DELETE", "/v1/products/01936b5e-7c00-7000-8000-000000000001", "", 404),
    ("PATCH", "/v1/products/01936b5e-7c00-7000-8000-000000000001", "{}", 404),
];

#[test]
fn takes_what_botocore_signs() {
    service_with(signed_setup(), async |service| {
        let url = service.client().url();
        let mut asked = Vec::new();
        for key in [principal("admin"), principal("session")] {
            for (method, target, body, status) in CALLS {
                asked.push((botocore_request(url, &key, method, target, body, false), status));
                // When presigning, botocore keeps one value per key, and drops keys without `=`.
                if method == "GET" && status == 200 {
                    asked.push((botocore_request(url, &key, method, target, body, true), status));
                }
            }
        }
        let (requests, statuses): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
        let answers = clients::botocore(&requests).await;
        for ((request, status), answer) in requests.iter().zip(statuses).zip(answers) {
            assert_eq!(answer["status"], status, "{request} was answered {answer}");
        }
        assert_eq!(names(service).await, [r#"漆器 & "urushi""#, r#"漆器 & "urushi""#]);
    });
}

fn botocore_request(
    url: &str,
    key: &Principal,
    method: &str,
    target: &str,
    body: &str,
    presign: bool,
) -> Value {
    let mut headers = json!({});
    if !body.is_empty() {
        headers["Content-Type"] = "application/json".into();
    }
    json!({
        "method": method, "url": format!("{url}{target}"), "headers": headers, "body": body, "presign": presign,
        "key": key.access_key_id, "secret": key.secret_access_key, "token": key.session_token,
    })
}

async fn names(service: &Service) -> Vec<String> {
    let rows = service.database().await.query("select name from products", &[]).await.expect("rows");
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn takes_what_the_crate_of_the_aws_sdk_signs() {
    service_with(signed_setup(), async |service| {
        let url = service.client().url();
        let now = SystemTime::now();
        for key in [principal("admin"), principal("session")] {
            for (method, target, body, status) in CALLS {
                Call::new(url, method, target, body).signed(&key, now).send(url).await.expect(status);
                if method == "GET" {
                    Call::new(url, method, target, body).presigned(&key, now).send(url).await.expect(status);
                }
            }
            // A plus is a space to API Gateway, to functions and to this crate; botocore and curl sign it literally.
            let call = Call::new(url, "GET", "/v1/products?name=%E6%BC%86%E5%99%A8+%26+%22urushi%22", "");
            let found = call.signed(&key, now).send(url).await.expect(200).json();
            assert!(found["items"][0]["name"].is_string(), "{found}");
        }
    });
}

#[test]
fn takes_what_awscurl_signs() {
    service_with(signed_setup(), async |service| {
        let url = service.client().url();
        for key in [principal("editor"), principal("session")] {
            let awscurl = async |arguments: &[&str], target: &str| {
                let target = format!("{url}{target}");
                let mut all = vec!["--service", "execute-api", "--region", "us-east-1"];
                all.extend(["--access_key", &key.access_key_id, "--secret_key", &key.secret_access_key]);
                if let Some(token) = &key.session_token {
                    all.extend(["--session_token", token]);
                }
                all.extend(arguments);
                all.push(&target);
                let answer = clients::awscurl(&all).await;
                serde_json::from_str::<Value>(&answer).unwrap_or_else(|_| panic!("{answer}"))
            };
            let create = ["-X", "POST", "-H", "Content-Type: application/json", "-d", PRODUCT];
            let created = awscurl(&create, "/v1/products").await;
            assert_eq!(created["version"], 1, "{created}");
            let id = created["id"].as_str().expect("an id");
            assert_eq!(awscurl(&[], &format!("/v1/products/{id}")).await, created);
            // awscurl encodes the query itself.
            let found = awscurl(&[], "/v1/products/search?q=漆器&limit=1").await;
            assert_eq!(found["items"][0]["name"], created["name"], "{found}");
            let found = awscurl(&[], "/v1/products?sort=-price&name=no such 漆器&limit=5").await;
            assert_eq!(found["items"], json!([]), "{found}");
        }
    });
}

/// The forms that curl 7.88 signs correctly: those in docs/tour.md and in the output of `cargo xtask dev`.
#[test]
fn takes_what_curl_signs() {
    service_with(signed_setup(), async |service| {
        let url = service.client().url();
        let key = principal("admin");
        let user = format!("{}:{}", key.access_key_id, key.secret_access_key);
        let curl = async |arguments: &[&str], target: &str| {
            let target = format!("{url}{target}");
            let mut all = vec!["--aws-sigv4", "aws:amz:us-east-1:execute-api", "--user", &user];
            all.extend(arguments);
            all.extend(["-w", "\n%{http_code}", &target]);
            let answer = clients::curl(&all).await;
            let (body, status) = answer.rsplit_once('\n').expect("a status");
            (status.to_owned(), body.to_owned())
        };
        let json = ["-H", "Content-Type: application/json", "-d"];
        let (status, body) = curl(&[&json[..], &[PRODUCT]].concat(), "/v1/products").await;
        assert_eq!(status, "201", "{body}");
        let product: Value = serde_json::from_str(&body).expect("a product");
        let path = format!("/v1/products/{}", product["id"].as_str().expect("an id"));
        let patch = [&["-X", "PATCH"], &json[..], &[r#"{"price": 130}"#]].concat();
        for (arguments, target, expected) in [
            (&["-i"][..], "/v1/products?currency=EUR&limit=2&sort=-price", "200"),
            (&[], "/v1/products/search?q=%E5%82%99%E5%89%8D", "200"),
            (&[], "/v1/products/search?limit=1&q=creme", "200"),
            (&patch, &path, "200"),
            (&["-I"], &path, "200"),
            (&["-X", "DELETE"], &path, "204"),
        ] {
            let (status, body) = curl(arguments, target).await;
            assert_eq!(status, expected, "{target}: {body}");
        }
    });
}
