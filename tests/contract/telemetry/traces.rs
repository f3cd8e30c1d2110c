//! X-Ray subsegments, as the daemon receives them.

use std::{
    collections::BTreeSet,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use harness::{
    Authority, Response, Service, Setup, XrayDaemon, product_path, provided_by_test, schema_faults,
    service_with,
};
use http::Method;
use serde_json::{Value, json};

use super::variables;

const ROOT: &str = "1-5759e988-bd862e3fe1be46a994272793";
const PARENT: &str = "53995c3f42cd8ad8";

fn setup(daemon: &XrayDaemon) -> Setup {
    Setup { environment: vec![daemon.variable()], ..Setup::default() }
}

async fn get(service: &Service, path: &str, is_sampled: bool) -> Response {
    let header = format!("Root={ROOT};Parent={PARENT};Sampled={}", u8::from(is_sampled));
    service.client().send(Method::GET, path, &[("x-amzn-trace-id", &header)], "").await
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64()
}

fn parse(documents: &[String]) -> Vec<Value> {
    documents.iter().map(|document| serde_json::from_str(document).expect("JSON")).collect()
}

#[test]
fn a_sampled_request_has_a_subsegment_for_each_statement_before_its_answer() {
    let daemon = harness::block_on(XrayDaemon::start());
    service_with(setup(&daemon), async |service| {
        let path = product_path(&service.create_product(json!({"name": "Cup", "price": 1})).await);
        let mut ids = BTreeSet::new();
        for _ in 0..3 {
            let before = now();
            get(service, &path, true).await.expect(200);
            let after = now();
            let received = daemon.received();
            assert_eq!(schema_faults("segment.json", &received).await, Vec::<String>::new());
            let received = parse(&received);
            let statements: Vec<_> = received
                .iter()
                .filter(|segment| segment["sql"]["sanitized_query"] == "get-product read")
                .collect();
            assert_eq!(statements.len(), 1, "{received:?}");
            for segment in &received {
                assert_eq!((&segment["trace_id"], &segment["parent_id"]), (&json!(ROOT), &json!(PARENT)));
                assert_eq!(
                    (&segment["name"], &segment["namespace"]),
                    (&json!("PostgreSQL"), &json!("remote"))
                );
                assert_eq!(segment["annotations"]["operation"], "get-product");
                assert_eq!(segment["fault"], Value::Null);
                let (start, end) = (segment["start_time"].as_f64(), segment["end_time"].as_f64());
                // Clock readings are rounded to the microsecond.
                assert!(Some(before - 1e-6) <= start && start <= end && end <= Some(after), "{segment}");
                assert!(ids.insert(segment["id"].to_string()), "a unique id: {segment}");
            }
        }
    });
}

#[test]
fn every_attempt_and_every_statement_has_its_own() {
    let daemon = harness::block_on(XrayDaemon::start());
    service_with(setup(&daemon), async |service| {
        let artisan = service.create_artisan(json!({"given_name": "A", "family_name": "B"})).await;
        let path = format!("{}/products", harness::artisan_path(&artisan));
        get(service, &path, true).await.expect(200);
        get(service, "/misbehave/write", true).await.expect(500);
        let received = parse(&daemon.received());
        let names = |segments: &[Value]| -> Vec<String> {
            segments
                .iter()
                .filter_map(|segment| segment["sql"]["sanitized_query"].as_str().map(str::to_owned))
                .filter(|name| name != "connecting to the database")
                .collect()
        };
        assert_eq!(
            names(&received),
            ["list-artisan-products read", "list-artisan-products read 2", "misbehave write"]
        );
        let failed: Vec<_> = received.iter().filter(|segment| segment["fault"] == true).collect();
        assert_eq!(failed.len(), 1, "{received:?}");
        assert_eq!(failed[0]["annotations"]["step"], "misbehave write");
    });
}

#[test]
fn connections_and_secrets_that_a_request_waits_for_are_traced() {
    let daemon = harness::block_on(XrayDaemon::start());
    let authority = Authority::new();
    let (endpoint, mut questions) = harness::block_on(provided_by_test());
    let mut setup = setup(&daemon);
    setup.environment.extend([("AWS_ENDPOINT_URL_SECRETS_MANAGER".to_owned(), endpoint), authority.trust()]);
    setup.database_access = Some(Box::new(|_, _| variables(&[("DB_SECRET_ARN", "reader")])));
    service_with(setup, async |service| {
        let answering = tokio::spawn(async move {
            while let Some((_, reply)) = questions.recv().await {
                let _ = reply.send(Some("sesame".to_owned()));
            }
        });
        // The environment's first attempt at its start belongs to no request; the second request makes one.
        get(service, "/v1/products", true).await.expect(503);
        daemon.received();
        get(service, "/v1/products", true).await.expect(503);
        let received = daemon.received();
        assert_eq!(schema_faults("segment.json", &received).await, Vec::<String>::new());
        let steps: Vec<_> = parse(&received)
            .iter()
            .map(|segment| (segment["name"].clone(), segment["annotations"]["step"].clone()))
            .collect();
        assert_eq!(
            steps,
            [
                (json!("SecretsManager"), json!("fetching the database's secret")),
                (json!("PostgreSQL"), json!("connecting to the database")),
            ]
        );
        answering.abort();
    });
}

#[test]
fn nothing_is_sent_for_what_is_not_sampled() {
    let daemon = harness::block_on(XrayDaemon::start());
    service_with(setup(&daemon), async |service| {
        get(service, "/v1/products", false).await.expect(200);
        service.client().get("/v1/products").await.expect(200);
        let header = [("x-amzn-trace-id", "Root=sesame;Sampled=1")];
        service.client().send(Method::GET, "/v1/products", &header, "").await.expect(200);
        assert_eq!(daemon.received(), Vec::<String>::new());
        assert!(!service.log().iter().any(|line| line.contains("sesame")));
    });
}

#[test]
fn active_tracing_samples_what_the_client_has_not_decided() {
    let daemon = harness::block_on(XrayDaemon::start());
    let mut setup = setup(&daemon);
    setup.gateway.is_traced = true;
    service_with(setup, async |service| {
        let answer = service.client().get("/v1/products").await.expect(200);
        let root = answer.header("x-amzn-trace-id").strip_prefix("Root=").expect("a root").to_owned();
        let received = parse(&daemon.received());
        assert!(!received.is_empty() && received.iter().all(|segment| segment["trace_id"] == root.as_str()));
        get(service, "/v1/products", false).await.expect(200);
        assert_eq!(daemon.received(), Vec::<String>::new());
    });
}

#[test]
fn a_daemon_that_is_not_there_costs_nothing() {
    // Bound and dropped, so that nothing listens on the port.
    let gone = harness::block_on(async { XrayDaemon::start().await.variable() });
    let setup = Setup { environment: vec![gone], ..Setup::default() };
    service_with(setup, async |service| {
        get(service, "/v1/products", true).await.expect(200);
        let time = async |is_sampled: bool| {
            let mut best = f64::MAX;
            for _ in 0..100 {
                let asked = Instant::now();
                get(service, "/v1/products", is_sampled).await.expect(200);
                best = best.min(asked.elapsed().as_secs_f64());
            }
            best * 1e3
        };
        let (untraced, traced) = (time(false).await, time(true).await);
        eprintln!("best of 100: {untraced:.3} ms, traced to a closed port {traced:.3} ms");
        assert!(traced < untraced + 2.0, "{untraced} {traced}");
        let log = service.log();
        assert!(!log.iter().any(|line| line.contains("WARN") || line.contains("ERROR")), "{log:?}");
    });
    for nonsense in ["sesame", "127.0.0.1"] {
        let setup =
            Setup { environment: variables(&[("AWS_XRAY_DAEMON_ADDRESS", nonsense)]), ..Setup::default() };
        service_with(setup, async |service| {
            get(service, "/v1/products", true).await.expect(200);
            service.logged("tracing is disabled").await;
        });
    }
}
