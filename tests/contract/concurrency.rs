//! Concurrent requests.

use std::{collections::HashSet, time::Duration};

use harness::{Client, Setup, product_path, service, service_with};
use http::Method;
use serde_json::json;
use tokio::task::JoinSet;

#[test]
fn two_hundred_creates_at_once_make_two_hundred_products() {
    service(async |service| {
        let mut requests = JoinSet::new();
        for number in 0..200 {
            let client = service.client().clone();
            requests.spawn(async move {
                let body = json!({"name": format!("Bowl {number}"), "price": number});
                client.post("/v1/products", &body).await.expect(201).json()["id"].to_string()
            });
        }
        let ids: HashSet<_> = requests.join_all().await.into_iter().collect();
        assert_eq!(ids.len(), 200);
        assert_eq!(service.count_products().await, 200);
        let processes = service.functions().environments("create-product").len();
        assert!((1..=10).contains(&processes), "{processes} processes");
    });
}

#[test]
fn patches_at_once_all_count() {
    service(async |service| {
        let product = service
            .client()
            .post("/v1/products", &json!({"name": "Cup", "price": 0}))
            .await
            .expect(201)
            .json();
        let path = format!("/v1/products/{}", product["id"].as_str().expect("an id"));
        let mut requests = JoinSet::new();
        for number in 1..=40 {
            let (client, path) = (service.client().clone(), path.clone());
            requests.spawn(async move {
                client.patch(&path, &json!({"price": number})).await.expect(200).json()["version"].to_string()
            });
        }
        let versions: HashSet<_> = requests.join_all().await.into_iter().collect();
        assert_eq!(versions.len(), 40, "each change has its own version");
        assert_eq!(service.client().get(&path).await.expect(200).json()["version"], 41);
    });
}

#[test]
fn a_patch_at_the_same_time_as_others_is_answered_with_what_it_set() {
    service(async |service| {
        let path = product_path(&service.create_product(json!({"name": "Cup", "price": 0})).await);
        let mut clients = JoinSet::new();
        for number in 0..8 {
            let (client, path) = (service.client().clone(), path.clone());
            clients.spawn(async move {
                for round in 0..60 {
                    let price = json!((number + round) % 2);
                    let patched = client.patch(&path, &json!({"price": price})).await.expect(200).json();
                    assert_eq!(patched["price"], price, "{patched}");
                }
            });
        }
        clients.join_all().await;
    });
}

/// Reads, adds one, and writes with the tag that it read, until no other change intervenes. It waits longer after each
/// failure, as clients should; `client_number` spreads the waits.
async fn increment(client: &Client, path: &str, client_number: u64) {
    for attempt in 1.. {
        let read = client.get(path).await.expect(200);
        let body = json!({"price": read.json()["price"].as_i64().expect("a price") + 1}).to_string();
        let headers = [("content-type", "application/json"), ("if-match", read.header("etag"))];
        match client.send(Method::PATCH, path, &headers, body).await {
            response if response.status == 412 => {
                let longest_ms = 10 << u64::min(attempt, 6);
                tokio::time::sleep(Duration::from_millis(
                    (client_number * 7_919 + attempt * 31) % longest_ms,
                ))
                .await;
            }
            response => {
                response.expect(200);
                return;
            }
        }
    }
}

#[test]
fn with_if_match_no_increment_is_lost() {
    service(async |service| {
        let path = product_path(&service.create_product(json!({"name": "Cup", "price": 0})).await);
        let mut clients = JoinSet::new();
        for number in 0..50 {
            let (client, path) = (service.client().clone(), path.clone());
            clients.spawn(async move {
                for _ in 0..20 {
                    increment(&client, &path, number).await;
                }
            });
        }
        clients.join_all().await;
        let product = service.client().get(&path).await.expect(200).json();
        assert_eq!((&product["price"], &product["version"]), (&json!(1_000), &json!(1_001)));
    });
}

#[test]
fn without_if_match_the_last_writer_wins() {
    service(async |service| {
        let path = product_path(&service.create_product(json!({"name": "Cup", "price": 0})).await);
        let price =
            async || service.client().get(&path).await.expect(200).json()["price"].as_i64().expect("a price");
        let (one, other) = (price().await, price().await);
        for seen in [one, other] {
            service.client().patch(&path, &json!({"price": seen + 1})).await.expect(200);
        }
        assert_eq!(price().await, 1, "one of the two increments is lost");
    });
}

#[test]
fn an_environment_has_one_connection_whatever_is_said_of_its_concurrency() {
    for said in ["8", "0", "many"] {
        let mut setup = Setup { max_environments: Some(1), ..Setup::default() };
        setup.environment.push(("AWS_LAMBDA_MAX_CONCURRENCY".to_owned(), said.to_owned()));
        service_with(setup, async |service| {
            // The first of them uses the connection that the environment opens at its start.
            let mut reads = JoinSet::new();
            for _ in 0..8 {
                let client = service.client().clone();
                reads.spawn(async move { client.get("/v1/products").await.expect(200) });
            }
            reads.join_all().await;
            let backends = "select count(*) from pg_stat_activity where application_name = 'list-products'";
            let backends = service.database().await.query_one(backends, &[]).await.expect("a count");
            assert_eq!(backends.get::<_, i64>(0), 1, "AWS_LAMBDA_MAX_CONCURRENCY={said}");
        });
    }
}
