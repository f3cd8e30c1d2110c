//! What a function sees of its caller with AWS_IAM, and what the gateway removes.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use jiff::Timestamp;
use local::{
    gateway::{
        Auth, Gateway, Options, Route,
        iam::{self, Iam, Principal},
    },
    lambda::{Functions, REGION},
};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{PATIENCE, function};

/// The event of a request with `headers` that `caller` has signed.
async fn event_of(caller: Principal, headers: &[(&'static str, &'static str)], query: &str) -> Value {
    let functions = Functions::new(vec![function("f", &[])], Arc::new(|_| ()));
    let auth = Auth::Iam(Iam::new(vec![caller.clone()]));
    let route = Route {
        method: Method::GET,
        path: "/v1/products".to_owned(),
        function: "f".to_owned(),
        is_open: false,
    };
    let options = Options { auth, ..Options::default() };
    let gateway = Gateway::start(options, vec![route], functions.clone()).await.unwrap();

    let mut request =
        Request::get(format!("{}/v1/products?{query}", gateway.url())).body(Bytes::new()).unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    iam::sign(&mut request, &caller, REGION, Timestamp::now()).unwrap();
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = timeout(PATIENCE, client.request(request.map(Full::new))).await.unwrap().unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    gateway.stop().await;
    functions.shutdown().await;
    serde_json::from_slice(&body).unwrap()
}

/// Status and body of an unsigned request, to a gateway that requires signatures and API keys.
async fn answer_of(target: &str, headers: &[(&'static str, &'static str)]) -> (u16, Value) {
    let functions = Functions::new(vec![function("f", &[])], Arc::new(|_| ()));
    let route = |path: &str, is_open| Route {
        method: Method::GET,
        path: path.to_owned(),
        function: "f".to_owned(),
        is_open,
    };
    let limits = json!({"api_keys": [{"id": "store", "value": "sesame-sesame-sesame"}]});
    let options = Options {
        auth: Auth::Iam(Iam::new(vec![admin()])),
        limits: serde_json::from_value(limits).unwrap(),
        ..Options::default()
    };
    let routes = vec![route("/docs", true), route("/v1/products", false)];
    let gateway = Gateway::start(options, routes, functions.clone()).await.unwrap();
    let mut request =
        Request::get(format!("{}{target}", gateway.url())).body(Full::new(Bytes::new())).unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = timeout(PATIENCE, client.request(request)).await.unwrap().unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    gateway.stop().await;
    functions.shutdown().await;
    (status, serde_json::from_slice(&body).unwrap())
}

fn admin() -> Principal {
    Principal::defaults().pop().unwrap()
}

#[tokio::test]
async fn a_function_learns_who_calls() {
    let event = event_of(admin(), &[], "").await;
    let mut identity = event["requestContext"]["identity"].clone();
    assert_eq!(identity["sourceIp"].take(), "127.0.0.1");
    assert_eq!(
        identity,
        json!({
            "accessKey": "AKIALOCALADMIN000000",
            "accountId": "000000000000",
            "caller": "AIDALOCALADMIN000000",
            "cognitoAuthenticationProvider": null,
            "cognitoAuthenticationType": null,
            "cognitoIdentityId": null,
            "cognitoIdentityPoolId": null,
            "principalOrgId": null,
            "sourceIp": null,
            "user": "AIDALOCALADMIN000000",
            "userAgent": null,
            "userArn": "arn:aws:iam::000000000000:user/admin",
        })
    );
}

#[tokio::test]
async fn a_function_sees_no_credentials() {
    let caller = Principal { session_token: Some("a token".to_owned()), ..admin() };
    let query = "limit=1&X-Amz-Security-Token=a%20token&X-Amz-Signature=00&X-Amz-Credential=x";
    let event = event_of(caller, &[("user-agent", "tests")], query).await;
    let names: Vec<_> = event["headers"].as_object().unwrap().keys().collect();
    let forwarded = ["X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto"];
    assert_eq!(names, [&["Host", "User-Agent", "X-Amz-Date", "X-Amzn-Trace-Id"][..], &forwarded].concat());
    assert_eq!(event["multiValueHeaders"].as_object().unwrap().len(), names.len());
    assert_eq!(event["queryStringParameters"], json!({"limit": "1"}));
    assert_eq!(event["multiValueQueryStringParameters"], json!({"limit": ["1"]}));
    assert!(!event.to_string().contains("a token"), "{event}");
}

#[tokio::test]
async fn everybody_may_call_an_open_route() {
    let wrong = "AWS4-HMAC-SHA256 Credential=AKIANOBODY/20260101/us-east-1/execute-api/aws4_request, \
                 SignedHeaders=host, Signature=00";
    for authorization in [None, Some(wrong), Some("Bearer abc.def.ghi"), Some("x")] {
        let headers: Vec<_> =
            authorization.map(|value| (header::AUTHORIZATION.as_str(), value)).into_iter().collect();
        let (status, event) = answer_of("/docs?X-Amz-Signature=00", &headers).await;
        assert_eq!(status, 200, "{event}");
        // Credentials are not read, and so not removed.
        assert_eq!(event["headers"]["Authorization"], json!(authorization), "{event}");
        assert_eq!(event["queryStringParameters"], json!({"X-Amz-Signature": "00"}));
        let identity = &event["requestContext"]["identity"];
        assert!(identity["userArn"].is_null() && identity["caller"].is_null(), "{identity}");

        let (status, problem) = answer_of("/v1/products", &headers).await;
        assert_eq!(status, 403, "an open route opens no other: {problem}");
    }
}
