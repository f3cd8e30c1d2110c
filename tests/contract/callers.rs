//! The caller's identity in every kind of event: it scopes idempotency keys, and appears in the history and the log.
//! Events that the local gateway can make come through it; the others are passed to the function directly.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use harness::{Service, Setup, id, service, service_with};
use http::Method;
use local::{
    gateway::{
        self, Auth,
        cognito::{Grant, UserPool},
        iam::{Iam, Principal},
    },
    stack::checkout,
};
use serde_json::{Value, json};

use crate::iam::signing::Call;

const BODY: &str = r#"{"name": "Cup", "price": 1}"#;

/// Callers, each with events that identify it. `callers.json` is also used by the unit tests.
fn callers() -> Vec<Value> {
    let file = fs::read_to_string(checkout().join("tests/contract/callers.json")).expect("the table");
    serde_json::from_str(&file).expect("JSON")
}

/// The event of a POST with an idempotency key, whose context has the members of `caller`.
fn event(caller: &Value) -> Value {
    if caller["payload"] == "2.0" {
        return json!({
            "version": "2.0", "routeKey": "POST /v1/products", "rawPath": "/v1/products", "rawQueryString": "",
            "headers": {"content-type": "application/json", "idempotency-key": "k"},
            "requestContext": {
                "http": {"method": "POST", "path": "/v1/products"}, "requestId": "r", "timeEpoch": 0,
                "authorizer": caller["authorizer"], "authentication": caller["authentication"],
            },
            "body": BODY, "isBase64Encoded": false,
        });
    }
    json!({
        "resource": "/v1/products", "path": "/v1/products", "httpMethod": "POST",
        "headers": {"Content-Type": "application/json", "Idempotency-Key": "k"},
        "multiValueHeaders": {"Content-Type": ["application/json"], "Idempotency-Key": ["k"]},
        "requestContext": {
            "httpMethod": "POST", "path": "/v1/products", "requestId": "r",
            "identity": caller["identity"], "authorizer": caller["authorizer"],
        },
        "body": BODY, "isBase64Encoded": false,
    })
}

/// Sends `event`. Returns the id of the product in the response, and whether the response is a replay.
async fn post(service: &Service, event: &Value) -> (String, bool) {
    let event = Bytes::from(event.to_string());
    let answer = service.functions().invoke("create-product", event, "", Duration::from_secs(10)).await;
    let answer: Value = serde_json::from_slice(&answer.expect("an answer")).expect("JSON");
    assert_eq!(answer["statusCode"], 201, "{answer}");
    let product: Value =
        serde_json::from_str(answer["body"].as_str().expect("a body")).expect("a product in JSON");
    let headers =
        [&answer["multiValueHeaders"]["idempotency-replayed"][0], &answer["headers"]["idempotency-replayed"]];
    (id(&product).to_owned(), headers.contains(&&json!("true")))
}

async fn principal_of(service: &Service, product: &str) -> Value {
    let history = service.client().get(&format!("/v1/products/{product}/history")).await.expect(200).json();
    history["items"][0]["principal"].clone()
}

#[test]
fn one_caller_has_one_product_by_one_key_and_two_callers_have_two() {
    service(async |service| {
        let callers = callers();
        for caller in &callers {
            let name = &caller["caller"];
            let events = caller["events"].as_array().expect("events");
            let (product, is_replayed) = post(service, &event(&events[0])).await;
            assert!(!is_replayed, "{name} receives another caller's response");
            assert_eq!(principal_of(service, &product).await, events[0]["shown"], "{name}");
            for other in &events[1..] {
                assert_eq!(post(service, &event(other)).await, (product.clone(), true), "{name}: {other}");
            }
        }
        let products = i64::try_from(callers.len()).expect("a few");
        assert_eq!(service.count_products().await, products);
        let log = service.log().join("\n");
        let events = callers.iter().flat_map(|caller| caller["events"].as_array().expect("events"));
        for shown in events.map(|event| &event["shown"]).filter(|shown| !shown.is_null()) {
            assert!(log.contains(&format!(r#""caller":{shown},"#)), "{shown} is in no line of the log");
        }
        assert!(!log.contains("sesame"), "the log has an API key's value");
    });
}

#[test]
fn a_long_or_odd_name_is_a_name() {
    service(async |service| {
        let mut products = Vec::new();
        for name in ["a\u{0}b".to_owned(), "a\u{1}b".to_owned(), "湯呑".repeat(2_000), "湯呑".repeat(2_001)]
        {
            let caller = json!({"authorizer": {"principalId": name}});
            let (product, is_replayed) = post(service, &event(&caller)).await;
            assert!(!is_replayed, "{name} receives another caller's response");
            assert_eq!(post(service, &event(&caller)).await, (product.clone(), true));
            products.push(product);
        }
        assert_eq!(principal_of(service, &products[0]).await, "authorizer a\u{fffd}b");
    });
}

#[test]
fn workers_of_one_role_share_their_keys_and_users_do_not() {
    let arns = [
        "arn:aws:sts::111122223333:assumed-role/worker/one",
        "arn:aws:sts::111122223333:assumed-role/worker/two",
        "arn:aws:iam::111122223333:user/one",
        "arn:aws:iam::111122223333:user/two",
    ];
    let principals: Vec<_> = arns
        .iter()
        .enumerate()
        .map(|(index, arn)| Principal {
            arn: (*arn).to_owned(),
            access_key_id: format!("AKIACALLER00000000{index:02}"),
            secret_access_key: format!("secret-of-{index}"),
            session_token: None,
            allow: vec!["*".to_owned()],
        })
        .collect();
    let auth = Auth::Iam(Iam::new(principals.clone()));
    let setup =
        Setup { gateway: gateway::Options { auth, ..gateway::Options::default() }, ..Setup::default() };
    service_with(setup, async |service| {
        let url = service.client().url();
        let now = SystemTime::now();
        let mut products = Vec::new();
        for principal in &principals {
            let mut call = Call::new(url, "POST", "/v1/products", BODY);
            call.headers.push(("idempotency-key".to_owned(), "k".to_owned()));
            let answer = call.signed(principal, now).send(url).await.expect(201);
            products.push((id(&answer.json()).to_owned(), answer.header("idempotency-replayed").to_owned()));
        }
        let (first, again) = (&products[0], &products[1]);
        assert_eq!((first.0.as_str(), "true"), (again.0.as_str(), again.1.as_str()), "a repeated message");
        assert_eq!(service.count_products().await, 3);
        let get = format!("/v1/products/{}/history", first.0);
        let call = Call::new(url, "GET", &get, "").signed(&principals[2], now);
        let history = call.send(url).await.expect(200).json();
        assert_eq!(history["items"][0]["principal"], arns[0], "with its session");
    });
}

#[test]
fn holders_of_api_keys_do_not_share_theirs() {
    let keys = json!({"api_keys": [
        {"id": "north", "value": "sesame-of-the-north-store"}, {"id": "south", "value": "sesame-of-the-south-store"},
    ]});
    let limits = serde_json::from_value(keys).expect("limits");
    let setup =
        Setup { gateway: gateway::Options { limits, ..gateway::Options::default() }, ..Setup::default() };
    service_with(setup, async |service| {
        let call = async |method, path: &str, key: &str| {
            let headers =
                [("content-type", "application/json"), ("idempotency-key", "k"), ("x-api-key", key)];
            service.client().send(method, path, &headers, BODY).await
        };
        for (key, name) in
            [("sesame-of-the-north-store", "api-key north"), ("sesame-of-the-south-store", "api-key south")]
        {
            let created = call(Method::POST, "/v1/products", key).await.expect(201);
            assert_eq!(created.header("idempotency-replayed"), "");
            assert_eq!(call(Method::POST, "/v1/products", key).await.header("idempotency-replayed"), "true");
            let history = format!("{}/history", created.header("location"));
            let history = call(Method::GET, &history, key).await.expect(200).json();
            assert_eq!(history["items"][0]["principal"], name);
        }
        assert_eq!(service.count_products().await, 2);
        assert!(!service.log().iter().any(|line| line.contains("sesame")), "a key's value is in the log");
    });
}

#[test]
fn bearers_of_tokens_do_not_share_theirs() {
    let pool = UserPool::generate().expect("a key");
    let auth = Auth::Cognito(pool.authoriser().expect("an authoriser"));
    let setup =
        Setup { gateway: gateway::Options { auth, ..gateway::Options::default() }, ..Setup::default() };
    service_with(setup, async |service| {
        let mut products = Vec::new();
        for (subject, lifetime) in [("ann", 600), ("ann", 1_200), ("bob", 600)] {
            let scopes = vec!["atelier/write".to_owned()];
            let grant =
                Grant { subject: subject.to_owned(), scopes, lifetime: Duration::from_secs(lifetime) };
            let token = pool.access_token(&grant, jiff::Timestamp::now()).expect("a token");
            let headers = [
                ("content-type", "application/json"),
                ("idempotency-key", "k"),
                ("authorization", token.as_str()),
            ];
            let answer =
                service.client().send(Method::POST, "/v1/products", &headers, BODY).await.expect(201);
            products.push(id(&answer.json()).to_owned());
        }
        assert_eq!(products[0], products[1], "another token of the same bearer");
        assert_ne!(products[0], products[2]);
    });
}
