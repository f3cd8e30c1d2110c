//! Outages, and what a client sees of them.

use std::time::{Duration, Instant};

use harness::{Setup, service, service_with};
use serde_json::json;

#[test]
fn an_answer_comes_within_3_s_while_postgresql_is_away_and_recovers_by_itself() {
    service_with(Setup { own_server: Some(Vec::new()), ..Setup::default() }, async |service| {
        let product = service
            .client()
            .post("/v1/products", &json!({"name": "Cup", "price": 1}))
            .await
            .expect(201)
            .json();
        let path = format!("/v1/products/{}", product["id"].as_str().expect("an id"));
        service.client().get(&path).await.expect(200);

        let health = service.client().get("/health").await.expect(200);
        assert_eq!(health.header("cache-control"), "no-store");
        assert_eq!(
            (&health.json()["status"], &health.json()["checks"]["database"]["status"]),
            (&json!("ok"), &json!("ok"))
        );
        assert!(health.json()["checks"]["database"]["latency_ms"].as_f64() > Some(0.0));

        service.server().lock().await.halt().await.expect("PostgreSQL stops");
        let health = service.client().get("/health").await.problem(503);
        assert_eq!(health["checks"]["database"]["status"], "unavailable");
        for _ in 0..3 {
            let asked = Instant::now();
            let response = service.client().get(&path).await;
            assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
            assert_eq!(response.header("retry-after"), "5");
            let problem = response.problem(503);
            assert!(!problem.to_string().contains("connect"), "no internal details: {problem}");
        }
        service.client().post("/v1/products", &json!({"name": "Dish", "price": 1})).await.problem(503);

        service.server().lock().await.resume().await.expect("PostgreSQL starts");
        assert_eq!(service.client().get(&path).await.expect(200).json(), product);
        service.client().get("/health").await.expect(200);
        service.client().post("/v1/products", &json!({"name": "Dish", "price": 1})).await.expect(201);
        assert_eq!(service.functions().environments("get-product").len(), 1, "the process lived on");
        assert!(
            service.log().iter().any(|line| line.contains("cannot connect to the database")),
            "the log has the cause"
        );
    });
}

#[test]
fn a_function_that_is_killed_during_a_request_is_502_and_replaced() {
    service(async |service| {
        let stalled = tokio::spawn({
            let client = service.client().clone();
            async move { client.get("/misbehave/stall").await }
        });
        service.logged("stalling").await;
        let pid = service.functions().environments("misbehave")[0].pid;
        let killed = tokio::process::Command::new("kill").args(["-9", &pid.to_string()]).status().await;
        assert!(killed.expect("kill runs").success());
        stalled.await.expect("an answer").problem(502);
        service.client().get("/misbehave/not").await.expect(204);
    });
}

#[test]
fn a_panic_is_an_opaque_500_and_the_process_lives_on() {
    service(async |service| {
        let response = service.client().get("/misbehave/panic").await;
        let request_id = response.header("x-correlation-id").to_owned();
        let problem = response.problem(500);
        assert!(!problem.to_string().contains("sesame"), "{problem}");
        assert_eq!(problem["request_id"], json!(request_id));
        let processes = service.functions().environments("misbehave");
        service.client().get("/misbehave/not").await.expect(204);
        let after = service.functions().environments("misbehave");
        assert_eq!(
            after.iter().map(|it| it.pid).collect::<Vec<_>>(),
            processes.iter().map(|it| it.pid).collect::<Vec<_>>()
        );
        let log = service.log();
        assert!(log.iter().any(|line| line.contains("sesame") && line.contains("backtrace")), "{log:?}");
        assert!(log.iter().any(|line| line.contains("sesame") && line.contains(&request_id)), "{log:?}");
    });
}

#[test]
fn a_reader_cannot_write() {
    service(async |service| {
        service.client().post("/v1/products", &json!({"name": "Cup", "price": 1})).await.expect(201);
        service.client().get("/misbehave/write").await.problem(500);
        assert_eq!(service.count_products().await, 1);
        assert!(service.log().iter().any(|line| line.contains("permission denied for table products")));
    });
}

#[test]
fn every_request_leaves_one_log_line_and_one_set_of_metrics() {
    service(async |service| {
        for _ in 0..2 {
            service.client().get("/v1/products").await.expect(200);
        }
        let lines: Vec<serde_json::Value> = service
            .log()
            .iter()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
            .collect();
        let requests: Vec<_> = lines.iter().filter(|line| line["message"] == "request").collect();
        assert_eq!(requests.len(), 2, "{lines:?}");
        assert_eq!(requests[0]["operation"], "list-products");
        assert_eq!((&requests[0]["cold_start"], &requests[1]["cold_start"]), (&json!(true), &json!(false)));
        assert_eq!(requests[0]["status"], 200);
        let metrics: Vec<_> = lines.iter().filter(|line| line["_aws"].is_object()).collect();
        assert_eq!(metrics.len(), 2, "{lines:?}");
        assert_eq!((&metrics[0]["RequestCount"], &metrics[0]["ColdStart"]), (&json!(1), &json!(1)));
        assert_eq!((&metrics[1]["RequestCount"], &metrics[1]["ColdStart"]), (&json!(1), &json!(null)));
        assert!(metrics[0]["Latency"][0].as_f64() > Some(0.0), "{metrics:?}");
    });
}
