//! AWS_IAM: which requests are accepted or refused, and what the functions and the logs see of the caller.

mod changes;
mod clients;
pub mod signing;

use std::{
    sync::{Arc, Mutex},
    time::SystemTime,
};

use harness::{Response, Setup, service_with};
use local::gateway::{
    self, AccessLine, Auth,
    iam::{Iam, Principal},
};
use serde_json::json;

use signing::Call;

const PRODUCT: &str = r#"{"name": "Apple", "price": 100}"#;

/// The default principals, and one with temporary credentials and all permissions.
fn principals() -> Vec<Principal> {
    let mut principals = Principal::defaults();
    principals.push(Principal {
        arn: "arn:aws:sts::111122223333:assumed-role/store/session".to_owned(),
        access_key_id: "ASIASESSION000000000".to_owned(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        session_token: Some(
            "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22+wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqw==".to_owned(),
        ),
        allow: vec!["GET/*".to_owned(), "*/v1/products*".to_owned()],
    });
    principals
}

/// The principal whose ARN ends with `name`.
pub fn principal(name: &str) -> Principal {
    let found = principals().into_iter().find(|principal| principal.arn.ends_with(&format!("/{name}")));
    found.expect("a principal")
}

/// An API that requires signatures.
pub fn signed_setup() -> Setup {
    let auth = Auth::Iam(Iam::new(principals()));
    Setup { gateway: gateway::Options { auth, ..gateway::Options::default() }, ..Setup::default() }
}

/// The error type and the detail of a refusal, which must be a problem.
#[track_caller]
fn refusal(answer: Response) -> (String, String) {
    let error_type = answer.header("x-amzn-errortype").to_owned();
    let problem = answer.problem(403);
    (error_type, problem["detail"].as_str().expect("a detail").to_owned())
}

#[test]
fn each_principal_calls_what_it_may_and_nothing_else() {
    service_with(signed_setup(), async |service| {
        let url = service.client().url();
        let path = "/v1/products/01936b5e-7c00-7000-8000-000000000001";
        let now = SystemTime::now();
        for (name, method, target, body, status) in [
            ("reader", "GET", "/v1/products", "", 200),
            ("reader", "HEAD", path, "", 404),
            ("reader", "HEAD", "/v1/products", "", 200),
            ("reader", "HEAD", "/v1/artisans", "", 200),
            ("reader", "HEAD", "/health", "", 200),
            ("reader", "POST", "/v1/products", PRODUCT, 403),
            ("reader", "PATCH", path, "{}", 403),
            ("reader", "DELETE", path, "", 403),
            ("editor", "GET", path, "", 404),
            ("editor", "PATCH", path, "{}", 404),
            ("editor", "DELETE", path, "", 403),
            ("admin", "DELETE", path, "", 404),
            ("session", "DELETE", path, "", 404),
            ("session", "GET", "/v1/artisans", "", 200),
            ("session", "POST", "/v1/artisans", PRODUCT, 403),
        ] {
            let call = Call::new(url, method, target, body).signed(&principal(name), now);
            let answer = call.send(url).await.expect(status);
            if status == 403 {
                let (error_type, detail) = refusal(answer);
                assert_eq!(error_type, "AccessDeniedException");
                let resource =
                    format!("arn:aws:execute-api:us-east-1:********0000:atelier/local/{method}{target}");
                assert_eq!(
                    detail,
                    format!(
                        "User: {} is not authorized to perform: execute-api:Invoke on resource: {resource}",
                        principal(name).arn
                    )
                );
            }
        }
        assert_eq!(service.count_products().await, 0);
        Call::new(url, "POST", "/v1/products", PRODUCT)
            .signed(&principal("editor"), now)
            .send(url)
            .await
            .expect(201);
        assert_eq!(service.count_products().await, 1);
    });
}

#[test]
fn says_why_it_refuses_in_the_words_of_api_gateway() {
    service_with(signed_setup(), async |service| {
        let url = service.client().url();
        let (admin, now) = (principal("admin"), SystemTime::now());
        let get = || Call::new(url, "GET", "/v1/products", "");
        let unknown = Principal { access_key_id: "AKIANOBODY0000000000".to_owned(), ..admin.clone() };
        let wrong = Principal { secret_access_key: "another secret".to_owned(), ..admin.clone() };
        let without_token = Principal { session_token: None, ..principal("session") };
        let other_token = Principal { session_token: Some("another".to_owned()), ..principal("session") };
        let mut bearer = get();
        bearer.headers.push(("authorization".to_owned(), "Bearer abc.def.ghi".to_owned()));
        let mut half = get();
        half.headers.push(("authorization".to_owned(), "AWS4-HMAC-SHA256 Credential=x".to_owned()));
        let missing = ("MissingAuthenticationTokenException", "Missing Authentication Token");
        let unrecognized =
            ("UnrecognizedClientException", "The security token included in the request is invalid.");
        for (call, (error_type, detail)) in [
            (get(), missing),
            (Call::new(url, "GET", "/v1/nothing", "").signed(&admin, now), missing),
            (Call::new(url, "PUT", "/v1/products", "").signed(&admin, now), missing),
            (bearer, ("IncompleteSignatureException", "Invalid key=value pair (missing equal-sign)")),
            (
                half,
                ("IncompleteSignatureException", "Authorization header requires 'Credential', 'Signature'"),
            ),
            (get().signed(&unknown, now), unrecognized),
            (get().presigned(&unknown, now), unrecognized),
            (get().signed(&without_token, now), unrecognized),
            (get().signed(&other_token, now), unrecognized),
            (get().presigned(&other_token, now), unrecognized),
            (
                get().signed(&wrong, now),
                (
                    "InvalidSignatureException",
                    "The request signature we calculated does not match the signature you provided. Check your \
                     AWS Secret Access Key and signing method.",
                ),
            ),
        ] {
            let answer = refusal(call.send(url).await);
            assert_eq!(answer.0, error_type, "{}", call.target);
            assert!(answer.1.starts_with(detail), "{}", answer.1);
        }
        assert!(service.functions().environments("list-products").is_empty(), "no function was invoked");
    });
}

#[test]
fn the_functions_log_who_calls_and_no_log_has_a_secret() {
    let access = Arc::new(Mutex::new(Vec::<AccessLine>::new()));
    let lines = access.clone();
    let mut setup = signed_setup();
    setup.gateway.access_log = Some(Arc::new(move |line| lines.lock().expect("lines").push(line)));
    setup.environment.push(("AWS_LAMBDA_LOG_LEVEL".to_owned(), "TRACE".to_owned()));
    service_with(setup, async |service| {
        let url = service.client().url();
        let now = SystemTime::now();
        let mut bodies = String::new();
        for name in ["reader", "editor", "admin", "session"] {
            let get = || Call::new(url, "GET", "/v1/products", "");
            get().signed(&principal(name), now).send(url).await.expect(200);
            get().presigned(&principal(name), now).send(url).await.expect(200);
            let mut changed = get().signed(&principal(name), now);
            changed.target.push_str("?limit=1");
            bodies += &changed.send(url).await.expect(403).body;
            let mut changed = get().presigned(&principal(name), now);
            changed.target.push_str("&limit=1");
            bodies += &changed.send(url).await.expect(403).body;
            let logged = service.log().join("\n");
            let caller = format!(r#""caller":{}"#, json!(principal(name).arn));
            assert_eq!(logged.matches(&caller).count(), 2, "{logged}");
        }
        let access = format!("{:?}", access.lock().expect("lines"));
        assert!(access.contains("the signature does not match the request"), "{access}");
        let written = [service.log().join("\n"), access, bodies].concat();
        for principal in principals() {
            assert!(!written.contains(&principal.secret_access_key), "{} is in {written}", principal.arn);
            if let Some(token) = principal.session_token {
                assert!(!written.contains(&token[..20]), "the session token is in {written}");
            }
        }
    });
}
