//! Bad input: each kind gets its status and a pointer to the fault, and nothing is written.

use api::samples::{Routes, Sample};
use harness::{Service, service};
use http::Method;
use serde_json::json;

use crate::events::{self, SAMPLES};

const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn a_body_that_breaks_the_rules_is_422_with_every_fault() {
    service(async |service| {
        let long_name = json!({"name": "x".repeat(300), "price": 1}).to_string();
        let long_price = format!(r#"{{"name": "x", "price": {}}}"#, "9".repeat(400));
        let long_description = json!({"name": "x", "price": 1, "description": "x".repeat(4_001)}).to_string();
        for (body, faults) in [
            (r#"{}"#, vec!["/name", "/price"]),
            (r#"{"name": "x"}"#, vec!["/price"]),
            (r#"{"name": "", "price": 1}"#, vec!["/name"]),
            (r#"{"name": " \u3000 ", "price": 1}"#, vec!["/name"]),
            (r#"{"name": "\u200b\ufeff", "price": 1}"#, vec!["/name"]),
            (r#"{"name": "\u3164\u2800", "price": 1}"#, vec!["/name"]),
            (r#"{"name": "a\u2028b", "price": 1}"#, vec!["/name"]),
            (r#"{"name": "a\u202eb", "price": 1}"#, vec!["/name"]),
            (r#"{"name": "x", "price": 1, "description": "a\u202eb"}"#, vec!["/description"]),
            (r#"{"name": "x", "price": 1e999}"#, vec!["/price"]),
            (r#"{"name": -1e999, "price": [1e999]}"#, vec!["/name", "/price"]),
            (r#"{"name": "x", "price": 100.00000000000000000001}"#, vec!["/price"]),
            (r#"{"name": {"a": [1e999]}, "price": 1, "x": 1e-99999999999999999999}"#, vec!["/name", "/x"]),
            (r#"{"name": "a\u0000b", "price": 1}"#, vec!["/name"]),
            (r#"{"name": "a\nb", "price": 1}"#, vec!["/name"]),
            (r#"{"name": 7, "price": "7"}"#, vec!["/name", "/price"]),
            (r#"{"name": null, "price": null}"#, vec!["/name", "/price"]),
            (r#"{"name": "x", "price": -1}"#, vec!["/price"]),
            (r#"{"name": "x", "price": 1.5}"#, vec!["/price"]),
            (r#"{"name": "x", "price": 9223372036854775808}"#, vec!["/price"]),
            (r#"{"name": "x", "price": 1, "currency": "YEN"}"#, vec!["/currency"]),
            (r#"{"name": "x", "price": 1, "currency": null}"#, vec!["/currency"]),
            (r#"{"name": "x", "price": 1, "description": "\u0007"}"#, vec!["/description"]),
            (r#"{"name": "x", "price": 1, "artisan_id": "7"}"#, vec!["/artisan_id"]),
            (r#"{"name": "x", "price": 1, "colour": "red"}"#, vec!["/colour"]),
            (r#"{"name": "x", "price": 1, "id": "1", "version": 2}"#, vec!["/id", "/version"]),
            (r#"{"name": "x", "price": 1, "price": 2}"#, vec!["/price"]),
            (
                r#"{"name": "", "price": -1, "colour": 1, "currency": "x"}"#,
                vec!["/colour", "/currency", "/name", "/price"],
            ),
            (r#"[]"#, vec![""]),
            (r#""text""#, vec![""]),
            (r#"null"#, vec![""]),
            ("1e999", vec![""]),
            (long_price.as_str(), vec!["/price"]),
            (long_name.as_str(), vec!["/name"]),
            (long_description.as_str(), vec!["/description"]),
        ] {
            let response =
                service.client().send(Method::POST, "/v1/products", &[JSON], body.to_owned()).await;
            assert_eq!(response.faults(422), faults, "{body}");
        }
        assert_eq!(service.count_products().await, 0);
    });
}

#[test]
fn a_price_is_an_integer_however_it_is_written() {
    service(async |service| {
        for (written, price) in [
            ("100.0", 100_i64),
            ("1e2", 100),
            ("-0", 0),
            ("0e999", 0),
            ("9007199254740993.0", 9_007_199_254_740_993),
            ("9223372036854775807", i64::MAX),
        ] {
            let body = format!(r#"{{"name": "x", "price": {written}}}"#);
            let send = async |key: &str, body: String| {
                let headers = [JSON, ("idempotency-key", key)];
                service.client().send(Method::POST, "/v1/products", &headers, body).await
            };
            let created = send(written, body).await.expect(201);
            assert!(created.body.contains(&format!("\"price\":{price},")), "{written}: {}", created.body);
            let read = service.client().get(created.header("location")).await.expect(200);
            assert_eq!(read.body, created.body);
            // A number in another spelling makes the same request.
            let again = send(written, json!({"name": "x", "price": price}).to_string()).await.expect(201);
            assert_eq!(again.header("idempotency-replayed"), "true");
        }
    });
}

#[test]
fn a_body_that_is_not_json_is_400() {
    service(async |service| {
        for body in [
            "",
            "{",
            "{\"name\": \"x\", \"price\": 1,}",
            "{'name': 'x'}",
            "[1,",
            "{\"name\": \"\\ud800\"}",
            "\u{feff}{}",
            "{\"name\": [\"\\ud800\"]}",
            "{\"price\": 1e}",
            "{\"price\": 1e999",
            "{\"price\": +1}",
            "{\"price\": NaN}",
            "{\"price\": 0x10}",
        ] {
            service.client().send(Method::POST, "/v1/products", &[JSON], body).await.problem(400);
        }
        let not_utf8: &[u8] = b"{\"name\": \"\xff\xfe\", \"price\": 1}";
        service.client().send(Method::POST, "/v1/products", &[JSON], not_utf8).await.problem(400);
        let deep = format!("{{\"name\": {}", "[".repeat(20_000));
        service.client().send(Method::POST, "/v1/products", &[JSON], deep).await.problem(400);
        assert_eq!(service.count_products().await, 0);
    });
}

#[test]
fn a_body_of_another_media_type_is_415_and_says_which_is_accepted() {
    service(async |service| {
        let body = r#"{"name": "x", "price": 1}"#;
        for headers in [
            vec![],
            vec![("content-type", "text/plain")],
            vec![("content-type", "application/x-www-form-urlencoded")],
            vec![("content-type", "application/json, application/json")],
            vec![("content-type", "application/json"), ("content-type", "text/plain")],
            vec![("content-type", "application/merge-patch+json")],
        ] {
            let response = service.client().send(Method::POST, "/v1/products", &headers, body).await;
            assert_eq!(response.header("accept-post"), "application/json", "{headers:?}");
            response.problem(415);
        }
        let path = format!("/v1/products/{}", uuid::Uuid::now_v7());
        let json_patch = [("content-type", "application/json-patch+json")];
        let response = service.client().send(Method::PATCH, &path, &json_patch, "[]").await;
        assert!(response.header("accept-patch").contains("application/merge-patch+json"));
        response.problem(415);
        assert_eq!(service.count_products().await, 0);
    });
}

#[test]
fn parameters_of_the_media_type_mean_nothing() {
    service(async |service| {
        let product = service.create_product(json!({"name": "x", "price": 1})).await;
        let path = harness::product_path(&product);
        for parameters in
            ["; charset=utf8", ";charset=us-ascii", "; charset=", "; charset=shift_jis", ";", "; q"]
        {
            let json = format!("application/json{parameters}");
            let merge_patch = format!("application/merge-patch+json{parameters}");
            let send = async |method, path: &str, content_type: &str, body: &'static [u8]| {
                service.client().send(method, path, &[("content-type", content_type)], body).await
            };
            let body = "{\"name\": \"器\", \"price\": 1}".as_bytes();
            let created = send(Method::POST, "/v1/products", &json, body).await.expect(201);
            assert_eq!(created.json()["name"], "器", "{json}");
            send(Method::PATCH, &path, &json, b"{\"price\": 2}").await.expect(200);
            send(Method::PATCH, &path, &merge_patch, b"{\"price\": 3}").await.expect(200);
            // 湯呑 in Shift_JIS.
            let not_utf8 = b"{\"name\": \"\x93\x92\x93\xdb\", \"price\": 1}";
            send(Method::POST, "/v1/products", &json, not_utf8).await.problem(400);
        }
    });
}

#[test]
fn many_faults_have_a_short_answer() {
    service(async |service| {
        let path = harness::product_path(&service.create_product(json!({"name": "x", "price": 1})).await);
        let fill = |member: &dyn Fn(usize) -> String| {
            let mut body = String::from("{");
            for index in 0.. {
                let member = member(index);
                if body.len() + member.len() + 2 > 64 * 1024 {
                    break;
                }
                body.push_str(if index == 0 { "" } else { "," });
                body.push_str(&member);
            }
            body + "}"
        };
        for body in [
            fill(&|_| "\"a\":1".to_owned()),
            fill(&|_| "\"name\":1".to_owned()),
            fill(&|index| format!("\"{index}\":1")),
            fill(&|index| format!("\"{}\":1", index / 2)),
            fill(&|index| format!("\"{index}{}\":1", "~".repeat(600))),
            fill(&|index| format!("\"{index}{}\":1", "~".repeat(150))),
            format!("{{\"{}\":1}}", "~".repeat(65_000)),
            format!("{{\"{0}\":1,\"{0}\":1}}", "\\u0001".repeat(5_000)),
        ] {
            for (method, path) in [(Method::POST, "/v1/products"), (Method::PATCH, path.as_str())] {
                let answer = service.client().send(method, path, &[JSON], body.clone()).await;
                let bytes = answer.body.len();
                assert!(bytes < 64 * 1024, "{bytes} bytes for {:.60}", body);
                let problem = answer.problem(422);
                let errors = problem["errors"].as_array().expect("errors");
                assert!(!errors.is_empty() && errors.len() <= 100, "{}", errors.len());
            }
        }
        let query: Vec<_> = (0..1_000).map(|index| format!("a{index}=1")).collect();
        let answer = service.client().get(&format!("/v1/products?{}", query.join("&"))).await.problem(400);
        assert_eq!(answer["errors"].as_array().map(Vec::len), Some(100));
        assert_eq!(answer["detail"], "See `errors` for the first 100 errors. There are 900 more.");
    });
}

#[test]
fn a_body_over_64_kib_is_413() {
    service(async |service| {
        for bytes in [64 * 1024 + 1, 1024 * 1024] {
            let body = json!({"name": "x", "price": 1, "description": ""}).to_string();
            let body = body.replace("\"\"", &format!("\"{}\"", "x".repeat(bytes)));
            service.client().send(Method::POST, "/v1/products", &[JSON], body).await.problem(413);
        }
        assert_eq!(service.count_products().await, 0);
    });
}

#[test]
fn bad_parameters_are_400_with_every_fault() {
    service(async |service| {
        let cursor = a_cursor(service, "/v1/products?limit=1").await;
        for (path, faults) in [
            ("/v1/products?limit=-1".to_owned(), vec!["limit"]),
            ("/v1/products?limit=0".to_owned(), vec!["limit"]),
            ("/v1/products?limit=".to_owned(), vec!["limit"]),
            ("/v1/products?limit=ten&sort=colour&min_price=x".to_owned(), vec!["limit", "min_price", "sort"]),
            ("/v1/products?limit=1&limit=2".to_owned(), vec!["limit"]),
            (
                "/v1/products?max_price=-1&currency=yen&artisan_id=7".to_owned(),
                vec!["artisan_id", "currency", "max_price"],
            ),
            ("/v1/products?name=".to_owned(), vec!["name"]),
            ("/v1/products?name=a%00b".to_owned(), vec!["name"]),
            ("/v1/products?colour=red".to_owned(), vec!["colour"]),
            ("/v1/products?cursor=x".to_owned(), vec!["cursor"]),
            ("/v1/products?cursor=".to_owned(), vec!["cursor"]),
            (format!("/v1/products?cursor={cursor}A"), vec!["cursor"]),
            (format!("/v1/products?cursor=B{}", &cursor[1..]), vec!["cursor"]),
            (format!("/v1/products?cursor={cursor}&sort=name"), vec!["cursor"]),
            (format!("/v1/products?cursor={cursor}&currency=JPY"), vec!["cursor"]),
            (format!("/v1/products/search?q=x&cursor={cursor}"), vec!["cursor"]),
            ("/v1/products/search".to_owned(), vec!["q"]),
            ("/v1/products/search?q=".to_owned(), vec!["q"]),
            ("/v1/products/search?q=%20%20".to_owned(), vec!["q"]),
            ("/v1/products/search?q=%00".to_owned(), vec!["q"]),
            (format!("/v1/products/search?q={}", "x".repeat(65)), vec!["q"]),
        ] {
            assert_eq!(service.client().get(&path).await.faults(400), faults, "{path}");
        }
        service.client().get(&format!("/v1/products?limit=1&cursor={cursor}")).await.expect(200);
        service.client().get(&format!("/v1/products?limit=5&cursor={cursor}")).await.expect(200);
    });
}

#[test]
fn a_bad_id_is_400() {
    let routes = Routes::new().expect("routes");
    let with_route = |sample: &'static Sample| (sample, routes.find(sample).expect("a route").route.path);
    let samples = SAMPLES.iter().filter(|sample| sample.method != Method::HEAD).map(with_route);
    let samples: Vec<_> = samples.filter(|(_, route)| route.contains('{')).collect();
    assert!(samples.len() >= 9, "{samples:?}");
    service(async |service| {
        for id in [
            "7",
            "not-a-uuid",
            "0190d6b80000700080000000000000000",
            "%7B0190d6b8-0000-7000-8000-000000000000%7D",
            "%00",
        ] {
            for (sample, route) in &samples {
                let path = route.split('/').map(|part| if part.starts_with('{') { id } else { part });
                let sample = Sample { target: path.collect::<Vec<_>>().join("/"), ..(*sample).clone() };
                let answer = events::send(service.client(), &sample, sample.method.clone(), &[]).await;
                let parameters =
                    route.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
                let expected: Vec<_> = parameters.take(1).collect();
                assert_eq!(answer.faults(400), expected, "{} {id}", sample.name);
            }
        }
    });
}

/// A cursor after the first of two products.
async fn a_cursor(service: &Service, path: &str) -> String {
    for name in ["Cup", "Dish"] {
        service.client().post("/v1/products", &json!({"name": name, "price": 1})).await.expect(201);
    }
    let page = service.client().get(path).await.expect(200).json();
    page["next_cursor"].as_str().expect("a cursor").to_owned()
}
