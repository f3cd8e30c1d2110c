//! CORS: what the gateway allows in response to a preflight, and what pages may read of a response, whether the
//! function or the gateway made it.

use harness::{Response, Setup, service_with};
use http::Method;
use local::gateway;
use serde_json::json;

const STORE: &str = "https://store.example";

fn store() -> Setup {
    let allowed_origins = "https://store.example, http://localhost:5173".parse().expect("origins");
    Setup { gateway: gateway::Options { allowed_origins, ..gateway::Options::default() }, ..Setup::default() }
}

/// Every CORS header of a response, as `name: value`, sorted.
fn cors_headers(response: &Response) -> Vec<String> {
    let headers = response.headers.iter().filter(|(name, _)| name.as_str().starts_with("access-control-"));
    let mut lines: Vec<_> =
        headers.map(|(name, value)| format!("{name}: {}", value.to_str().expect("text"))).collect();
    lines.sort();
    lines
}

#[test]
fn a_preflight_is_answered_with_the_methods_of_its_path() {
    service_with(store(), async |service| {
        let id = uuid::Uuid::now_v7();
        for (path, methods) in [
            ("/v1/products".to_owned(), "GET, HEAD, POST, OPTIONS"),
            ("/v1/products/".to_owned(), "GET, HEAD, POST, OPTIONS"),
            ("/v1/products/search".to_owned(), "GET, HEAD, OPTIONS"),
            (format!("/misbehave/{id}"), "GET, HEAD, POST, OPTIONS"),
        ] {
            for origin in [STORE, "http://localhost:5173"] {
                let headers = [
                    ("origin", origin),
                    ("access-control-request-method", "POST"),
                    ("access-control-request-headers", "content-type,idempotency-key"),
                ];
                let response = service.client().send(Method::OPTIONS, &path, &headers, "").await.expect(204);
                assert_eq!(response.header("access-control-allow-origin"), origin, "{path}");
                assert_eq!(response.header("access-control-allow-methods"), methods, "{path}");
                assert_eq!(response.header("access-control-max-age"), "7200");
                assert_eq!(response.header("vary"), "Origin");
                assert!(response.headers.contains_key("x-amzn-requestid"));
                assert_eq!(response.body, "");
            }
        }
        assert!(service.functions().environments("list-products").is_empty(), "no function was invoked");
    });
}

#[test]
fn a_preflight_allows_every_header_of_the_contract() {
    service_with(store(), async |service| {
        let headers = [("origin", STORE), ("access-control-request-method", "PATCH")];
        let response = service.client().send(Method::OPTIONS, "/v1/products", &headers, "").await;
        let allowed = response.header("access-control-allow-headers").to_lowercase();
        let allowed: Vec<_> = allowed.split(", ").collect();
        for name in [
            "amz-sdk-invocation-id",
            "amz-sdk-request",
            "authorization",
            "baggage",
            "cache-control",
            "content-type",
            "idempotency-key",
            "if-match",
            "if-modified-since",
            "if-none-match",
            "if-unmodified-since",
            "pragma",
            "sentry-trace",
            "traceparent",
            "tracestate",
            "x-amz-content-sha256",
            "x-amz-date",
            "x-amz-security-token",
            "x-amz-user-agent",
            "x-amzn-trace-id",
            "x-api-key",
            "x-audit-reason",
            "x-correlation-id",
        ] {
            assert!(allowed.contains(&name), "{name} is not in {allowed:?}");
        }
        assert!(!allowed.contains(&"x-store") && !allowed.contains(&"*"), "{allowed:?}");
    });
}

#[test]
fn headers_can_be_added_to_those_that_pages_may_send() {
    let mut setup = store();
    setup.gateway.allowed_headers = "X-Store, X-Till".parse().expect("headers");
    service_with(setup, async |service| {
        let headers = [("origin", STORE), ("access-control-request-method", "GET")];
        for path in ["/v1/products", "/v1/artisans/search"] {
            let response = service.client().send(Method::OPTIONS, path, &headers, "").await.expect(204);
            let allowed = response.header("access-control-allow-headers").to_lowercase();
            for name in ["x-store", "x-till", "if-match", "traceparent"] {
                assert!(allowed.split(", ").any(|allowed| allowed == name), "{name} is not in {allowed}");
            }
        }
    });
}

#[test]
fn another_origin_gets_no_cors_headers() {
    service_with(store(), async |service| {
        for origin in [
            Some("https://evil.example"),
            Some("http://store.example"),
            Some("https://store.example:8443"),
            Some("https://store.example.evil.example"),
            Some("null"),
            Some("*"),
            None,
        ] {
            let mut headers = vec![("access-control-request-method", "POST")];
            headers.extend(origin.map(|origin| ("origin", origin)));
            let preflight = service.client().send(Method::OPTIONS, "/v1/products", &headers, "").await;
            let answer = service.client().send(Method::GET, "/v1/products", &headers, "").await.expect(200);
            let refusal = service.client().send(Method::GET, "/v1/nothing", &headers, "").await.expect(403);
            for response in [preflight.expect(204), answer, refusal] {
                assert!(cors_headers(&response).is_empty(), "{origin:?}: {:?}", response.headers);
                assert_eq!(response.header("vary"), "Origin", "caches must know: {}", response.request);
            }
        }
    });
}

#[test]
fn answers_and_errors_of_functions_and_gateway_can_be_read_by_the_page() {
    service_with(store(), async |service| {
        let origin = ("origin", STORE);
        let json = [origin, ("content-type", "application/json")];
        let product = json!({"name": "Cup", "price": 1}).to_string();
        let send = async |method, path: &'static str, body: String| {
            service.client().send(method, path, &json, body).await
        };
        for response in [
            send(Method::POST, "/v1/products", product).await.expect(201),
            send(Method::GET, "/v1/products", String::new()).await.expect(200),
            send(Method::GET, "/v1/products/7", String::new()).await.expect(400),
            send(Method::POST, "/v1/products", "{}".to_owned()).await.expect(422),
            send(Method::GET, "/misbehave/panic", String::new()).await.expect(500),
            send(Method::GET, "/v1/nothing", String::new()).await.expect(403),
            send(Method::TRACE, "/v1/products", String::new()).await.expect(403),
            send(Method::POST, "/v1/products", "x".repeat(11 * 1024 * 1024)).await.expect(413),
        ] {
            let expected = format!("access-control-allow-origin: {STORE}");
            let headers = cors_headers(&response);
            assert!(headers.contains(&expected), "{}: {headers:?}", response.request);
            assert_eq!(headers.len(), 2, "the other one is Access-Control-Expose-Headers: {headers:?}");
            let exposed = response.header("access-control-expose-headers").to_lowercase();
            for name in ["etag", "link", "location", "retry-after", "x-correlation-id", "x-amzn-requestid"] {
                assert!(exposed.split(", ").any(|exposed| exposed == name), "{name}: {exposed}");
            }
            assert_eq!(response.header("vary"), "Origin");
        }
    });
}

#[test]
fn without_a_list_there_is_no_cors_and_no_options_method() {
    harness::service(async |service| {
        let headers = [("origin", STORE), ("access-control-request-method", "POST")];
        let preflight = service.client().send(Method::OPTIONS, "/v1/products", &headers, "").await;
        assert!(cors_headers(&preflight).is_empty());
        preflight.problem(403);
        let answer = service.client().send(Method::GET, "/v1/products", &headers, "").await.expect(200);
        assert!(cors_headers(&answer).is_empty());
        assert_eq!(answer.header("vary"), "");
    });
}

#[test]
fn an_unknown_path_has_no_preflight() {
    service_with(store(), async |service| {
        let headers = [("origin", STORE), ("access-control-request-method", "GET")];
        let response = service.client().send(Method::OPTIONS, "/v1/nothing", &headers, "").await;
        assert_eq!(response.header("access-control-allow-methods"), "");
        response.problem(403);
    });
}
