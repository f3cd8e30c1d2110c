//! Panics, errors, timeouts and crashes: how they show in the log, the metrics and the response.

use std::time::Instant;

use harness::{Response, Service, Setup, cloudwatch, service, service_with};
use serde_json::{Value, json};

use super::{Written, documents};

/// The failures of `operation` in the metrics.
async fn failures(service: &Service, operation: &str) -> Value {
    let read = cloudwatch(&documents(&Written::by(service).metrics())).await;
    read["Atelier"][format!("service=atelier,operation={operation}")]["Failure"]["sum"].clone()
}

/// Asserts that the response is opaque. Returns its id, under which the log has the details.
fn opaque(answer: Response, status: u16) -> String {
    let id = answer.header("x-correlation-id").to_owned();
    let gateway_id = answer.header("x-amzn-requestid").to_owned();
    let problem = answer.problem(status);
    assert_eq!((&problem["request_id"], &id), (&json!(gateway_id), &gateway_id));
    for inside in ["sesame", "kiln", "panic", "statement", "database", "stall"] {
        let told = [&problem["title"], &problem["detail"], &problem["type"]];
        assert!(!told.iter().any(|text| text.to_string().contains(inside)), "{problem}");
    }
    id
}

async fn works(service: &Service) {
    service.client().get("/misbehave/not").await.expect(204);
}

fn pids(service: &Service) -> Vec<u32> {
    service.functions().environments("misbehave").iter().map(|it| it.pid).collect()
}

#[test]
fn a_panic_is_logged_with_its_cause_and_backtrace_and_counted() {
    service(async |service| {
        works(service).await;
        let before = pids(service);
        let id = opaque(service.client().get("/misbehave/panic").await, 500);
        let written = Written::by(service);
        let [panic, access] = written.of(&id)[..] else { panic!("two lines of {id}") };
        assert_eq!((&panic["level"], &panic["exception"]), (&json!("ERROR"), &json!("sesame")));
        assert!(panic["backtrace"].as_str().expect("text").contains("misbehave"), "{panic}");
        assert_eq!((&access["status"], &access["cause"]), (&json!(500), &json!("panicked: sesame")));
        assert_eq!(failures(service, "misbehave").await, 1);
        works(service).await;
        assert_eq!(pids(service), before, "the process lives on");
    });
}

#[test]
fn a_panic_beside_a_request_is_logged_under_it() {
    service(async |service| {
        let answer = service.client().get("/misbehave/panic-aside").await.expect(204);
        let written = Written::by(service);
        let lines = written.of(answer.header("x-correlation-id"));
        assert!(lines.iter().any(|line| line["exception"] == "sesame"), "{lines:?}");
    });
}

#[test]
fn an_error_is_logged_with_its_cause_and_counted() {
    service(async |service| {
        let id = opaque(service.client().get("/misbehave/fail").await, 500);
        let written = Written::by(service);
        let [access] = written.of(&id)[..] else { panic!("one line of {id}") };
        assert_eq!((&access["level"], &access["cause"]), (&json!("ERROR"), &json!("the kiln is cold")));
        assert_eq!(failures(service, "misbehave").await, 1);
        works(service).await;
    });
}

#[test]
fn a_request_without_an_end_is_503_in_time_logged_and_counted() {
    service(async |service| {
        let before = Instant::now();
        let (stall, query) = tokio::join!(
            service.client().get("/misbehave/stall"),
            service.client().get("/misbehave/query-for-ever"),
        );
        assert!(before.elapsed().as_secs_f64() < 12.0, "{:?}", before.elapsed());
        let (stall, query) = (opaque(stall, 503), opaque(query, 503));
        let written = Written::by(service);
        for (id, doing, causes) in [
            (stall, "no measured step", &["took too long"][..]),
            (
                query,
                "misbehave read",
                &["the database did not answer in time", "took too long: misbehave read"],
            ),
        ] {
            let lines = written.of(&id);
            let warnings: Vec<_> = lines.iter().filter(|line| line["level"] == "WARN").collect();
            let [warning] = warnings[..] else { panic!("one warning among {lines:?}") };
            assert_eq!(
                (&warning["message"], &warning["doing"]),
                (&json!("less than a tenth of the time is left"), &json!(doing))
            );
            let remaining = warning["remaining_ms"].as_f64().expect("a number");
            assert!((0.0..=980.0).contains(&remaining), "{warning}");
            let access = lines.iter().find(|line| line["status"] == 503).expect("an access line");
            let cause = access["cause"].as_str().expect("a cause");
            assert!(causes.iter().any(|known| cause.contains(known)), "{cause}");
        }
        assert_eq!(failures(service, "misbehave").await, 2);
        works(service).await;
    });
}

#[test]
fn a_crash_is_502_and_the_next_request_works() {
    service(async |service| {
        works(service).await;
        let before = pids(service);
        let answer = service.client().get("/misbehave/abort").await;
        let id = answer.header("x-amzn-requestid").to_owned();
        let problem = answer.problem(502);
        assert_eq!(problem["request_id"], json!(id));
        works(service).await;
        assert_ne!(pids(service), before);
        // The new process is a cold start, and the lines of the old one are in the log.
        let read = cloudwatch(&documents(&Written::by(service).metrics())).await;
        let metrics = &read["Atelier"]["service=atelier,operation=misbehave"];
        assert_eq!((&metrics["ColdStart"]["sum"], &metrics["RequestCount"]["sum"]), (&json!(2), &json!(2)));
    });
}

#[test]
fn an_event_that_nobody_can_read_is_logged_and_counted() {
    service(async |service| {
        let event = bytes::Bytes::from_static(br#"{"Records": ["sesame"]}"#);
        let wait = std::time::Duration::from_secs(10);
        service.functions().invoke("get-product", event, "", wait).await.expect_err("an error");
        let written = Written::by(service);
        let access = written.access();
        let [line] = access[..] else { panic!("one access line") };
        assert_eq!((&line["level"], &line["status"]), (&json!("ERROR"), &json!(500)));
        assert!(line["cause"].as_str().expect("text").contains("not an API Gateway proxy event"), "{line}");
        assert_eq!(failures(service, "get-product").await, 1);
    });
}

#[test]
fn lines_from_below_belong_to_the_request_that_caused_them() {
    let setup = Setup { own_server: Some(Vec::new()), ..Setup::default() };
    service_with(setup, async |service| {
        service.client().get("/v1/products").await.expect(200);
        let database = service.database().await;
        let sql = "select pg_terminate_backend(pid, 5000) from pg_stat_activity
            where application_name = 'list-products'";
        database.query(sql, &[]).await.expect("terminations");
        service.server().lock().await.halt().await.expect("PostgreSQL stops");
        let answer = service.client().get("/v1/products").await.expect(503);
        let written = Written::by(service);
        let lines = written.of(answer.header("x-correlation-id"));
        let access = lines.iter().find(|line| line["status"] == 503).expect("an access line");
        assert!(access["cause"].as_str().expect("text").contains("cannot connect"), "{access}");
        service.server().lock().await.resume().await.expect("PostgreSQL starts");
    });
}
