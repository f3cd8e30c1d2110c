//! `Idempotency-Key`: a repeated POST takes effect once and gets the same response.

use harness::{Response, Service, service};
use http::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

async fn post(service: &Service, path: &str, key: &str, body: &Value) -> Response {
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    service.client().send(Method::POST, path, &headers, body.to_string()).await
}

#[test]
fn the_first_answer_is_replayed() {
    service(async |service| {
        for (path, body, changed) in [
            ("/v1/products", json!({"name": "Cup", "price": 1}), json!({"name": "Cup", "price": 2})),
            (
                "/v1/artisans",
                json!({"given_name": "Hanako", "family_name": "Sato"}),
                json!({"given_name": "Hanako", "family_name": "Abe"}),
            ),
        ] {
            let first = post(service, path, path, &body).await.expect(201);
            assert_eq!(first.header("idempotency-replayed"), "");
            let created = first.json();
            let address = first.header("location");
            service.client().send(Method::DELETE, address, &[], "").await.expect(204);
            let again = post(service, path, path, &body).await.expect(201);
            assert_eq!(again.header("idempotency-replayed"), "true");
            assert_eq!(again.json(), created, "the original response, whatever has happened since");
            for header in ["location", "etag", "last-modified", "content-type"] {
                assert_eq!(again.header(header), first.header(header), "{header}");
            }
            service.client().get(address).await.problem(404);
            post(service, path, path, &changed).await.problem(422);
            post(service, path, &format!("another {path}"), &body).await.expect(201);
        }
        // A key identifies one request, whatever the operation.
        let artisan = json!({"given_name": "Hanako", "family_name": "Sato"});
        post(service, "/v1/artisans", "/v1/products", &artisan).await.problem(422);
    });
}

#[test]
fn a_refused_request_leaves_the_key_free() {
    service(async |service| {
        post(service, "/v1/products", "k", &json!({"name": "Cup"})).await.problem(422);
        let unknown = json!({"name": "Cup", "price": 1, "artisan_id": uuid::Uuid::now_v7().to_string()});
        post(service, "/v1/products", "k", &unknown).await.problem(422);
        post(service, "/v1/products", "k", &json!({"name": "Cup", "price": 1})).await.expect(201);
        assert_eq!(service.count_products().await, 1);
    });
}

#[test]
fn a_malformed_key_is_400() {
    service(async |service| {
        for key in ["", " ", "x".repeat(256).as_str(), "caf\u{e9}"] {
            let response = post(service, "/v1/products", key, &json!({"name": "Cup", "price": 1})).await;
            assert_eq!(response.faults(400), ["Idempotency-Key"], "{key:?}");
        }
        let longest = "x".repeat(255);
        post(service, "/v1/products", &longest, &json!({"name": "Cup", "price": 1})).await.expect(201);
    });
}

#[test]
fn a_key_is_forgotten_after_a_day_and_removed_by_the_next() {
    service(async |service| {
        let body = json!({"name": "Cup", "price": 1});
        for key in ["a", "b", "c"] {
            post(service, "/v1/products", key, &body).await.expect(201);
        }
        let database = service.database().await;
        let query =
            "select count(*) from idempotency_keys where expires_at between now() + interval '23 h 59 min'
            and now() + interval '24 h'";
        assert_eq!(database.query_one(query, &[]).await.expect("a count").get::<_, i64>(0), 3);
        database
            .execute("update idempotency_keys set expires_at = now() - interval '1 s'", &[])
            .await
            .expect("the keys expire");
        let again =
            post(service, "/v1/products", "a", &json!({"name": "Dish", "price": 2})).await.expect(201);
        assert_eq!(again.header("idempotency-replayed"), "");
        let left = database.query("select key from idempotency_keys", &[]).await.expect("keys");
        assert_eq!(left.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>(), ["a"]);
    });
}

/// A key must not preserve the name of a deleted artisan.
#[test]
fn nothing_of_what_was_created_is_kept_with_a_key() {
    service(async |service| {
        let artisan = json!({"given_name": "Hanako", "family_name": "Sato", "biography": "Potter in Bizen."});
        let created = post(service, "/v1/artisans", "k", &artisan).await.expect(201);
        let kept = service.database().await.query_one("select k::text from idempotency_keys k", &[]).await;
        let kept: String = kept.expect("one key").get(0);
        for text in ["Hanako", "Sato", "Potter"] {
            assert!(!kept.contains(text), "{kept}");
        }
        service.client().delete(created.header("location")).await.expect(204);
        assert_eq!(post(service, "/v1/artisans", "k", &artisan).await.expect(201).body, created.body);
    });
}

/// While traffic shifts, and after a rollback, two releases share the idempotency keys.
#[test]
fn a_key_of_the_release_before_is_replayed_and_none_is_used_twice() {
    service(async |service| {
        let body = json!({"name": "Cup", "price": 1});
        let first = post(service, "/v1/products", "k", &body).await.expect(201);
        let database = service.database().await;
        // The statements of the previous release that claim a key and store its response.
        let claim = "select is_new from claim_idempotency_key('', 'k',
            (select fingerprint from idempotency_keys where key = 'k'), $1, 86400)";
        let answer = json!({"status": 201, "headers": [["etag", first.header("etag")]], "body": first.body})
            .to_string();
        let held = database.query(claim, &[&answer]).await.expect("an answer");
        assert!(held.is_empty(), "a key of this release counts as held");

        let claim_old = "with old as (delete from idempotency_keys returning fingerprint)
            insert into idempotency_keys (caller, key, fingerprint, answer, expires_at)
            select '', 'k', fingerprint, $1, now() + interval '1 day' from old";
        database.execute(claim_old, &[&answer]).await.expect("a key of the release before");
        let again = post(service, "/v1/products", "k", &body).await.expect(201);
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!((&again.body, again.header("etag")), (&first.body, first.header("etag")));
        let own = database.query_one(claim, &[&answer]).await.expect("the release before knows its own");
        assert!(!own.get::<_, bool>(0));
        assert_eq!(service.count_products().await, 1);
    });
}

#[test]
fn a_hundred_posts_at_once_with_one_key_make_one_product() {
    service(async |service| {
        let mut posts = JoinSet::new();
        for _ in 0..100 {
            let client = service.client().clone();
            posts.spawn(async move {
                let headers = [("content-type", "application/json"), ("idempotency-key", "k")];
                let body = r#"{"name": "Cup", "price": 1}"#;
                loop {
                    let response = client.send(Method::POST, "/v1/products", &headers, body).await;
                    if response.status == 409 {
                        assert_eq!(response.header("retry-after"), "1");
                        continue;
                    }
                    break response.expect(201).body;
                }
            });
        }
        let mut answers = posts.join_all().await;
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert_eq!(service.count_products().await, 1);
    });
}
