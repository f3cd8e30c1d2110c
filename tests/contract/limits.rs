//! The gateway's limits: addresses, API keys, rates and quotas, with a clock that the tests control.

use std::sync::{Arc, Mutex};

use harness::{Response, Service, Setup, service_with};
use http::Method;
use jiff::{SignedDuration, Timestamp};
use local::gateway::{self, AccessLine};
use serde_json::{Value, json};

/// A clock that advances only on request, and the access log.
#[derive(Clone)]
struct Watch {
    now: Arc<Mutex<Timestamp>>,
    lines: Arc<Mutex<Vec<AccessLine>>>,
}

impl Watch {
    fn pass(&self, time: SignedDuration) {
        *self.now.lock().expect("no panic") += time;
    }

    fn last_line(&self) -> AccessLine {
        self.lines.lock().expect("no panic").last().expect("a line").clone()
    }
}

/// An API with `limits`, started at half an hour before midnight.
fn limited(limits: Value) -> (Setup, Watch) {
    let now: Timestamp = "2026-11-21T23:30:00Z".parse().expect("a time");
    let watch = Watch { now: Arc::new(Mutex::new(now)), lines: Arc::default() };
    let (clock, log) = (Arc::clone(&watch.now), Arc::clone(&watch.lines));
    let gateway = gateway::Options {
        limits: serde_json::from_value(limits).expect("limits"),
        clock: Arc::new(move || *clock.lock().expect("no panic")),
        access_log: Some(Arc::new(move |line| log.lock().expect("no panic").push(line))),
        ..gateway::Options::default()
    };
    (Setup { gateway, ..Setup::default() }, watch)
}

#[track_caller]
fn assert_refused(response: Response, status: u16, error_type: &str, detail: &str) {
    assert_eq!(response.header("x-amzn-errortype"), error_type, "{}", response.body);
    assert_eq!(response.problem(status)["detail"], detail);
}

#[track_caller]
fn assert_throttled(response: Response, retry_after_seconds: &str) {
    assert_eq!(response.header("retry-after"), retry_after_seconds);
    assert_refused(response, 429, "TooManyRequestsException", "Too Many Requests");
}

async fn with_key(service: &Service, key: &str) -> Response {
    service.client().send(Method::GET, "/v1/products", &[("x-api-key", key)], "").await
}

#[test]
fn the_stage_throttle_is_for_all_methods_together() {
    let (setup, watch) = limited(json!({"throttle": {"rate": 0.5, "burst": 2}}));
    service_with(setup, async |service| {
        let client = service.client();
        client.get("/v1/products").await.expect(200);
        client.post("/v1/products", &json!({"name": "Cup", "price": 1})).await.expect(201);
        assert_throttled(client.get("/v1/products").await, "2");
        assert_eq!(watch.last_line().error.as_deref(), Some("the stage's throttle"));
        // Refused requests do not reach a function, and unknown paths do not count for the stage.
        client.get("/v1/nothing").await.problem(403);
        watch.pass(SignedDuration::from_secs(1));
        assert_throttled(client.post("/v1/products", &json!({"name": "Dish", "price": 1})).await, "1");
        assert_eq!(service.count_products().await, 1);
        watch.pass(SignedDuration::from_secs(1));
        client.get("/v1/products").await.expect(200);
        assert_throttled(client.get("/v1/products").await, "2");
    });
}

#[test]
fn a_method_throttle_is_for_that_method_of_that_resource() {
    let limit = json!({"method": "GET", "path": "/v1/products/{id}", "throttle": {"rate": 1.0, "burst": 1}});
    let (setup, watch) = limited(json!({"methods": [limit]}));
    service_with(setup, async |service| {
        let client = service.client();
        let paths = [(); 2].map(|()| format!("/v1/products/{}", uuid::Uuid::now_v7()));
        client.get(&paths[0]).await.problem(404);
        assert_throttled(client.get(&paths[1]).await, "1");
        for _ in 0..3 {
            client.delete(&paths[0]).await.problem(404);
            client.get("/v1/products").await.expect(200);
        }
        watch.pass(SignedDuration::from_secs(1));
        client.get(&paths[1]).await.problem(404);
    });
}

#[test]
fn a_key_is_needed_where_there_are_keys() {
    let (setup, watch) = limited(json!({"api_keys": [{"id": "store", "value": "sesame-sesame-sesame"}]}));
    service_with(setup, async |service| {
        assert_refused(service.client().get("/v1/products").await, 403, "ForbiddenException", "Forbidden");
        assert_eq!(watch.last_line().error.as_deref(), Some("the API key is missing"));
        for key in ["", "store", "SESAME-SESAME-SESAME", "sesame-sesame-sesame2"] {
            assert_refused(with_key(service, key).await, 403, "ForbiddenException", "Forbidden");
        }
        with_key(service, "sesame-sesame-sesame").await.expect(200);
        let line = watch.last_line();
        assert_eq!(line.api_key_id.as_deref(), Some("store"));
        assert!(!line.to_json().contains("sesame"), "the key itself is a secret");
    });
}

#[test]
fn each_key_has_its_own_throttle() {
    let throttle = json!({"rate": 1.0, "burst": 2});
    let (setup, watch) = limited(json!({"api_keys": [
        {"id": "store", "value": "one", "throttle": throttle},
        {"id": "fair", "value": "two", "throttle": throttle},
        {"id": "house", "value": "three"},
    ]}));
    service_with(setup, async |service| {
        for key in ["one", "one", "two", "two", "three", "three", "three"] {
            with_key(service, key).await.expect(200);
        }
        assert_throttled(with_key(service, "one").await, "1");
        assert_eq!(watch.last_line().api_key_id.as_deref(), Some("store"));
        assert_throttled(with_key(service, "two").await, "1");
        with_key(service, "three").await.expect(200);
        watch.pass(SignedDuration::from_secs(1));
        with_key(service, "one").await.expect(200);
        assert_throttled(with_key(service, "one").await, "1");
    });
}

#[test]
fn a_quota_is_for_a_day_and_not_used_up_by_what_is_throttled() {
    let (setup, watch) = limited(json!({"api_keys": [
        {"id": "store", "value": "one", "quota_per_day": 3, "throttle": {"rate": 1.0, "burst": 1}},
        {"id": "fair", "value": "two", "quota_per_day": 1},
    ]}));
    service_with(setup, async |service| {
        for _ in 0..3 {
            with_key(service, "one").await.expect(200);
            assert_eq!(with_key(service, "one").await.status, 429);
            watch.pass(SignedDuration::from_secs(60));
        }
        let response = with_key(service, "one").await;
        assert!(!response.headers.contains_key("retry-after"), "as deployed: {:?}", response.headers);
        assert_refused(response, 429, "LimitExceededException", "Limit Exceeded");
        with_key(service, "two").await.expect(200);
        assert_eq!(with_key(service, "two").await.status, 429);

        watch.pass(SignedDuration::from_mins(27));
        with_key(service, "one").await.expect(200);
        with_key(service, "two").await.expect(200);
    });
}

#[test]
fn only_addresses_of_the_list_may_call() {
    for (ranges, is_allowed) in [
        (json!([]), true),
        (json!(["127.0.0.1/32"]), true),
        (json!(["192.0.2.0/24", "127.0.0.0/8"]), true),
        (json!(["0.0.0.0/0"]), true),
        (json!(["192.0.2.0/24"]), false),
        (json!(["127.0.0.2/32"]), false),
        (json!(["::1/128"]), false),
        (json!(["::/0"]), false),
    ] {
        let (mut setup, watch) = limited(json!({"source_ips": ranges}));
        setup.gateway.allowed_origins = "https://store.example".parse().expect("an origin");
        service_with(setup, async |service| {
            let response = service.client().get("/v1/products?limit=1").await;
            if is_allowed {
                response.expect(200);
                return;
            }
            let detail = "User: anonymous is not authorized to perform: execute-api:Invoke on resource: \
                          arn:aws:execute-api:us-east-1:********0000:atelier/local/GET/v1/products \
                          with an explicit deny";
            assert_refused(response, 403, "AccessDeniedException", detail);
            assert!(watch.last_line().error.expect("a cause").contains("127.0.0.1"));
            // The response does not reveal what exists or what is allowed.
            for (method, path) in [(Method::GET, "/v1/nothing"), (Method::OPTIONS, "/v1/products")] {
                let response =
                    service.client().send(method, path, &[("x-forwarded-for", "127.0.0.1")], "").await;
                assert_eq!(response.header("x-amzn-errortype"), "AccessDeniedException");
                response.problem(403);
            }
        });
    }
}
