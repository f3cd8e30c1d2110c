//! Metrics, as CloudWatch reads them.

use harness::{Setup, cloudwatch, product_path, schema_faults, service, service_with};
use serde_json::{Value, json};

use super::{Written, documents, variables};

fn sums(metrics: &Value) -> Value {
    let metrics = metrics.as_object().expect("metrics");
    let sums = metrics.iter().filter(|(name, _)| *name != "Latency");
    Value::Object(sums.map(|(name, metric)| (name.clone(), metric["sum"].clone())).collect())
}

#[test]
fn cloudwatch_counts_what_clients_have_seen() {
    service(async |service| {
        let client = service.client();
        let product = service.create_product(json!({"name": "Cup", "price": 1})).await;
        let path = product_path(&product);
        let etag = client.get(&path).await.expect(200).header("etag").to_owned();
        client.send(http::Method::GET, &path, &[("if-none-match", &etag)], "").await.expect(304);
        client.get("/v1/products/none").await.expect(400);
        client.get("/misbehave/not").await.expect(204);
        client.get("/misbehave/panic").await.expect(500);
        client.get("/misbehave/fail").await.expect(500);

        // A terminated session causes one retry of the next statement.
        let database = service.database().await;
        let sql = "select pg_terminate_backend(pid, 5000) from pg_stat_activity
            where application_name = 'get-product' and datname = current_database()";
        client.get(&path).await.expect(200);
        let terminated = database.query(sql, &[]).await.expect("terminations").len();
        client.get(&path).await.expect(200);

        let written = Written::by(service);
        let documents = documents(&written.metrics());
        assert_eq!(schema_faults("emf.json", &documents).await, Vec::<String>::new());
        assert_eq!(documents.len(), written.access().len(), "one line for each request");
        let read = cloudwatch(&documents).await;
        let of = |operation: &str| sums(&read["Atelier"][format!("service=atelier,operation={operation}")]);
        assert_eq!(of("create-product"), json!({"RequestCount": 1, "Success": 1, "ColdStart": 1}));
        let mut reads = of("get-product");
        let retries = reads.as_object_mut().expect("sums").remove("DbRetry");
        assert_eq!(reads, json!({"RequestCount": 5, "Success": 4, "ClientError": 1, "ColdStart": 1}));
        // If the pool has already noticed the lost session, nothing has to be repeated.
        assert!(terminated == 1 && retries.is_none_or(|retries| retries == 1));
        assert_eq!(of("misbehave"), json!({"RequestCount": 3, "Success": 1, "Failure": 2, "ColdStart": 1}));
        let latency = &read["Atelier"]["service=atelier,operation=get-product"]["Latency"];
        assert_eq!((&latency["count"], &latency["unit"]), (&json!(5), &json!("Milliseconds")));
        let logged: f64 = written
            .access()
            .iter()
            .filter(|line| line["operation"] == "get-product")
            .filter_map(|line| line["duration_ms"].as_f64())
            .sum();
        assert!((latency["sum"].as_f64().expect("a sum") - logged).abs() < 0.01, "{latency} {logged}");
    });
}

#[test]
fn a_statement_that_is_sent_again_is_a_retry() {
    let setup = Setup { is_proxied: true, ..Setup::default() };
    service_with(setup, async |service| {
        let path = product_path(&service.create_product(json!({"name": "Cup", "price": 1})).await);
        service.client().get(&path).await.expect(200);
        // The session is terminated while the statement waits for a lock: it was sent, and its result is lost.
        let database = service.database().await;
        database
            .batch_execute("begin; lock table products in access exclusive mode")
            .await
            .expect("the lock");
        let waiting = tokio::spawn({
            let (client, path) = (service.client().clone(), path.clone());
            async move { client.get(&path).await.expect(200) }
        });
        let observer = service.database().await;
        let sql = "select pg_terminate_backend(pid) from pg_stat_activity
            where application_name = 'get-product' and wait_event_type = 'Lock' and datname = current_database()";
        while observer.query(sql, &[]).await.expect("terminations").is_empty() {
            tokio::task::yield_now().await;
        }
        database.batch_execute("commit").await.expect("the lock goes");
        waiting.await.expect("an answer");
        let read = cloudwatch(&documents(&Written::by(service).metrics())).await;
        let retries = &read["Atelier"]["service=atelier,operation=get-product"]["DbRetry"];
        assert_eq!((&retries["sum"], &retries["unit"]), (&json!(1), &json!("Count")));
    });
}

/// Lambda drops lines below its log level, and treats lines without a level or a time as INFO.
#[test]
fn metrics_pass_lambdas_own_filter() {
    for level in ["WARN", "ERROR"] {
        let environment = variables(&[
            ("AWS_LAMBDA_LOG_LEVEL", level),
            ("POWERTOOLS_SERVICE_NAME", "store"),
            ("POWERTOOLS_METRICS_NAMESPACE", "Store"),
        ]);
        service_with(Setup { environment, ..Setup::default() }, async |service| {
            service.client().get("/v1/products").await.expect(200);
            let written = Written::by(service);
            let [metrics] = written.metrics()[..] else { panic!("one line of metrics") };
            assert_eq!(metrics["level"], level);
            metrics["timestamp"].as_str().expect("a time").parse::<jiff::Timestamp>().expect("RFC 3339");
            assert_eq!(schema_faults("emf.json", &documents(&[metrics])).await, Vec::<String>::new());
            let read = cloudwatch(&documents(&[metrics])).await;
            assert_eq!(read["Store"]["service=store,operation=list-products"]["RequestCount"]["sum"], 1);
        });
    }
}
