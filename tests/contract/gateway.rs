//! The gateway's own errors in front of real functions: status, type and message are API Gateway's, the form is that of
//! every other problem.

use std::time::Duration;

use harness::{Response, Setup, service, service_with};
use http::Method;
use local::gateway;

#[track_caller]
fn assert_answered(response: Response, status: u16, error_type: &str, detail: &str) {
    assert_eq!(response.header("x-amzn-errortype"), error_type, "{}", response.body);
    assert!(response.header("x-amzn-trace-id").starts_with("Root=1-"));
    let request_id = response.header("x-amzn-requestid").to_owned();
    let problem = response.problem(status);
    assert_eq!((&problem["detail"], &problem["request_id"]), (&detail.into(), &request_id.into()));
}

#[test]
fn unknown_paths_and_methods_are_alike() {
    service(async |service| {
        for (method, path) in [
            (Method::GET, "/"),
            (Method::GET, "/v1"),
            (Method::GET, "/v1/nothing"),
            (Method::GET, "/v1/products/7/8"),
            (Method::GET, "/local/v1/products"),
            (Method::DELETE, "/v1/products"),
            (Method::PUT, "/v1/products"),
            (Method::TRACE, "/v1/products"),
            (Method::OPTIONS, "/v1/products"),
            (Method::POST, "/v1/products/search"),
        ] {
            let response = service.client().send(method, path, &[], "").await;
            let detail = "Missing Authentication Token";
            assert_answered(response, 403, "MissingAuthenticationTokenException", detail);
        }
    });
}

#[test]
fn what_is_too_large_for_the_gateway_reaches_no_function() {
    service(async |service| {
        for megabytes in [7, 11] {
            let body = vec![b' '; megabytes * 1024 * 1024];
            let json = [("content-type", "application/json")];
            let response = service.client().send(Method::POST, "/v1/products", &json, body).await;
            assert_answered(response, 413, "RequestTooLargeException", "Request Too Long");
        }
        assert!(service.functions().environments("create-product").iter().all(|it| it.invocations == 0));
    });
}

#[test]
fn a_function_that_takes_too_long_is_504() {
    let options =
        gateway::Options { integration_timeout: Duration::from_millis(500), ..gateway::Options::default() };
    service_with(Setup { gateway: options, ..Setup::default() }, async |service| {
        let response = service.client().get("/misbehave/stall").await;
        assert_answered(response, 504, "EndpointRequestTimedOutException", "Endpoint request timed out");
    });
}

#[test]
fn an_answer_bears_the_gateways_identifiers() {
    service(async |service| {
        let trace = "Root=1-67891233-abcdef012345678912345678";
        let headers = [("x-amzn-trace-id", trace)];
        let response = service.client().send(Method::GET, "/v1/products", &headers, "").await.expect(200);
        assert_eq!(response.header("x-amzn-trace-id"), trace);
        assert!(uuid::Uuid::parse_str(response.header("x-amzn-requestid")).is_ok());
        assert_eq!(response.header("x-correlation-id"), response.header("x-amzn-requestid"));
        for name in ["x-amzn-requestid", "x-amzn-trace-id", "x-amz-apigw-id", "date", "content-type"] {
            assert_eq!(response.headers.get_all(name).iter().count(), 1, "{name}");
        }
    });
}
