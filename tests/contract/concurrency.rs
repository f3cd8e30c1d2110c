//! Many requests at once.

use std::collections::HashSet;

use harness::atelier;
use serde_json::json;
use tokio::task::JoinSet;

#[test]
fn two_hundred_creates_at_once_make_two_hundred_products() {
    atelier(async |atelier| {
        let mut requests = JoinSet::new();
        for number in 0..200 {
            let client = atelier.client().clone();
            requests.spawn(async move {
                let body = json!({"name": format!("Bowl {number}"), "price": number});
                client.post("/v1/products", &body).await.expect(201).json()["id"].to_string()
            });
        }
        let ids: HashSet<_> = requests.join_all().await.into_iter().collect();
        assert_eq!(ids.len(), 200);
        assert_eq!(atelier.count_products().await, 200);
        let processes = atelier.functions().environments("create-product").len();
        assert!((1..=10).contains(&processes), "{processes} processes");
    });
}

#[test]
fn patches_at_once_all_count() {
    atelier(async |atelier| {
        let product = atelier
            .client()
            .post("/v1/products", &json!({"name": "Cup", "price": 0}))
            .await
            .expect(201)
            .json();
        let path = format!("/v1/products/{}", product["id"].as_str().expect("an id"));
        let mut requests = JoinSet::new();
        for number in 1..=40 {
            let (client, path) = (atelier.client().clone(), path.clone());
            requests.spawn(async move {
                client.patch(&path, &json!({"price": number})).await.expect(200).json()["version"].to_string()
            });
        }
        let versions: HashSet<_> = requests.join_all().await.into_iter().collect();
        assert_eq!(versions.len(), 40, "each change has a version of its own");
        assert_eq!(atelier.client().get(&path).await.expect(200).json()["version"], 41);
    });
}
