//! A Cognito authoriser in front of real functions: which requests are accepted, and how others are refused. The unit
//! tests of the authoriser cover what makes a token valid.

use std::{
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use harness::{Response, Service, Setup, service_with};
use http::Method;
use jiff::Timestamp;
use local::gateway::{
    self, AccessLine, Auth,
    cognito::{Grant, UserPool},
};

static POOL: LazyLock<UserPool> = LazyLock::new(|| UserPool::generate().expect("a key"));

type Lines = Arc<Mutex<Vec<AccessLine>>>;

fn guarded() -> (Setup, Lines) {
    let lines = Lines::default();
    let log = Arc::clone(&lines);
    let gateway = gateway::Options {
        auth: Auth::Cognito(POOL.authoriser().expect("an authoriser")),
        access_log: Some(Arc::new(move |line| log.lock().expect("no panic").push(line))),
        allowed_origins: "https://store.example".parse().expect("an origin"),
        ..gateway::Options::default()
    };
    (Setup { gateway, ..Setup::default() }, lines)
}

fn token(scope: &str, lifetime: Duration) -> String {
    let grant = Grant { subject: "potter".to_owned(), scopes: vec![scope.to_owned()], lifetime };
    POOL.access_token(&grant, Timestamp::now()).expect("a token")
}

async fn create(service: &Service, authorization: &str) -> Response {
    let headers = [
        ("authorization", authorization),
        ("content-type", "application/json"),
        ("origin", "https://store.example"),
    ];
    service.client().send(Method::POST, "/v1/products", &headers, r#"{"name": "Cup", "price": 1}"#).await
}

#[test]
fn a_token_opens_the_methods_of_its_scope() {
    let hour = Duration::from_secs(3600);
    let (setup, _) = guarded();
    service_with(setup, async |service| {
        let (reads, writes) = (token("atelier/read", hour), token("atelier/write", hour));
        create(service, &writes).await.expect(201);
        create(service, &format!("Bearer {writes}")).await.expect(201);
        for (method, path, status) in [
            (Method::GET, "/v1/products", 200),
            (Method::GET, "/v1/products/search?q=cup", 200),
            (Method::GET, "/v1/products/7", 400),
        ] {
            let by = async |token: &str| {
                service.client().send(method.clone(), path, &[("authorization", token)], "").await
            };
            by(&reads).await.expect(status);
            let refused = by(&writes).await;
            assert_eq!(refused.header("x-amzn-errortype"), "AccessDeniedException", "{path}");
            assert_eq!(refused.problem(403)["detail"], "User is not authorized to access this resource");
        }
        let refused = create(service, &reads).await;
        assert_eq!(
            refused.header("access-control-allow-origin"),
            "https://store.example",
            "a page can read the reason"
        );
        refused.problem(403);
        assert_eq!(service.count_products().await, 2);
    });
}

#[test]
fn nothing_else_opens_anything() {
    let (setup, lines) = guarded();
    service_with(setup, async |service| {
        let stranger = UserPool::generate().expect("a key");
        let hour = Duration::from_secs(3600);
        let expired = token("atelier/write", Duration::ZERO);
        let good = token("atelier/write", hour);
        let forged = stranger.access_token(&Grant::default(), Timestamp::now()).expect("a token");
        for (authorization, detail, cause) in [
            ("", "Unauthorized", "the token is missing"),
            ("sesame", "Unauthorized", "the token: InvalidToken"),
            ("Basic cG90dGVyOnNlc2FtZQ==", "Unauthorized", "the token is missing"),
            (forged.as_str(), "Unauthorized", "a key that is not the pool's"),
            (&good[..good.len() - 4], "Unauthorized", "the token: "),
            (expired.as_str(), "The incoming token has expired", "The incoming token has expired"),
        ] {
            let refused = create(service, authorization).await;
            assert_eq!(refused.header("x-amzn-errortype"), "UnauthorizedException");
            assert_eq!(refused.problem(401)["detail"], detail);
            let line = lines.lock().expect("no panic").last().expect("a line").clone();
            assert!(line.error.as_deref().is_some_and(|error| error.contains(cause)), "{cause}: {line:?}");
            assert!(!line.to_json().contains("eyJ"), "no token in the log");
        }
        assert_eq!(service.count_products().await, 0);
        assert!(service.functions().environments("create-product").is_empty(), "no function was invoked");
    });
}

#[test]
fn the_bearer_is_the_caller_in_the_functions_log() {
    let (setup, _) = guarded();
    service_with(setup, async |service| {
        create(service, &token("atelier/write", Duration::from_secs(3600))).await.expect(201);
        let log = service.log();
        let line = log.iter().find(|line| line.contains("\"request\"")).expect("a request line");
        assert!(line.contains("potter"), "{line}");
        assert!(!log.iter().any(|line| line.contains("eyJ")), "no token in the log");
    });
}

#[test]
fn a_preflight_needs_no_token() {
    let (setup, _) = guarded();
    service_with(setup, async |service| {
        let headers = [("origin", "https://store.example"), ("access-control-request-method", "POST")];
        let preflight = service.client().send(Method::OPTIONS, "/v1/products", &headers, "").await;
        assert_eq!(preflight.expect(204).header("access-control-allow-origin"), "https://store.example");
    });
}
