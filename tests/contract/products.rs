//! The product operations: what a client relies on.

use harness::{Service, product_path, service, texts};
use http::Method;
use serde_json::json;

async fn walk_names(service: &Service, first: &str) -> Vec<String> {
    texts(&service.walk(first).await, "name")
}

#[test]
fn a_name_and_a_price_make_a_product() {
    service(async |service| {
        let response =
            service.client().post("/v1/products", &json!({"name": "Apple", "price": 100})).await.expect(201);
        let product = response.json();
        assert_eq!(response.header("location"), product_path(&product));
        for (member, value) in [
            ("artisan_id", json!(null)),
            ("name", json!("Apple")),
            ("description", json!("")),
            ("price", json!(100)),
            ("currency", json!("JPY")),
            ("version", json!(1)),
        ] {
            assert_eq!(product[member], value, "{member}");
        }
        assert_eq!(product["created_at"], product["updated_at"]);
        assert_eq!(product["id"].as_str().map(|id| id.as_bytes()[14]), Some(b'7'), "a UUIDv7");
        assert_eq!(service.client().get(&product_path(&product)).await.expect(200).json(), product);
    });
}

#[test]
fn text_is_stored_trimmed_and_in_nfc() {
    service(async |service| {
        let body =
            json!({"name": " か\u{3099}らす ", "description": "a\r\nb\tc", "price": 1, "currency": "EUR"});
        let product = service.create_product(body).await;
        assert_eq!(product["name"], "がらす");
        assert_eq!(product["description"], "a\nb\tc");
        assert_eq!(product["currency"], "EUR");
    });
}

#[test]
fn an_unknown_product_is_404() {
    service(async |service| {
        let path = format!("/v1/products/{}", uuid::Uuid::now_v7());
        assert_eq!(service.client().get(&path).await.problem(404)["instance"], path);
        service.client().delete(&path).await.problem(404);
        service.client().patch(&path, &json!({"price": 1})).await.problem(404);
    });
}

#[test]
fn a_deleted_product_is_gone() {
    service(async |service| {
        let path = product_path(&service.create_product(json!({"name": "Apple", "price": 100})).await);
        let response = service.client().delete(&path).await.expect(204);
        assert_eq!(response.body, "");
        service.client().get(&path).await.problem(404);
        service.client().delete(&path).await.problem(404);
    });
}

#[test]
fn a_patch_changes_what_it_names_and_counts_the_version_up() {
    service(async |service| {
        let product =
            service.create_product(json!({"name": "Cup", "price": 100, "description": "Blue"})).await;
        let patched = service
            .client()
            .patch(&product_path(&product), &json!({"price": 200, "name": "Mug"}))
            .await
            .expect(200)
            .json();
        assert_eq!((&patched["name"], &patched["price"]), (&json!("Mug"), &json!(200)));
        assert_eq!((&patched["description"], &patched["version"]), (&json!("Blue"), &json!(2)));
        assert_eq!(patched["created_at"], product["created_at"]);
        assert!(patched["updated_at"].as_str() > product["updated_at"].as_str());
        assert_eq!(service.client().get(&product_path(&product)).await.expect(200).json(), patched);
        let found = service.client().get("/v1/products/search?q=mug").await.expect(200).json();
        assert_eq!(
            texts(found["items"].as_array().expect("items"), "name"),
            ["Mug"],
            "the search finds the new name"
        );
    });
}

#[test]
fn a_patch_that_changes_nothing_keeps_the_version() {
    service(async |service| {
        let product = service.create_product(json!({"name": "Cup", "price": 100})).await;
        for body in [json!({}), json!({"price": 100}), json!({"name": " Cup "}), json!({"artisan_id": null})]
        {
            let patched = service.client().patch(&product_path(&product), &body).await.expect(200).json();
            assert_eq!(patched, product, "{body}");
        }
    });
}

#[test]
fn null_in_a_patch_removes_what_can_be_removed() {
    service(async |service| {
        let product = service
            .create_product(json!({"name": "Cup", "price": 1, "description": "Blue", "currency": "EUR"}))
            .await;
        let body = json!({"description": null, "currency": null});
        let patched = service.client().patch(&product_path(&product), &body).await.expect(200).json();
        assert_eq!((&patched["description"], &patched["currency"]), (&json!(""), &json!("JPY")));
        let faults = service
            .client()
            .patch(&product_path(&product), &json!({"name": null, "price": null}))
            .await
            .faults(422);
        assert_eq!(faults, ["/name", "/price"]);
    });
}

#[test]
fn a_patch_may_come_as_plain_json() {
    service(async |service| {
        let path = product_path(&service.create_product(json!({"name": "Cup", "price": 1})).await);
        let headers = [("content-type", "application/json; charset=utf-8")];
        let response =
            service.client().send(Method::PATCH, &path, &headers, r#"{"price": 2}"#).await.expect(200);
        assert_eq!(response.json()["price"], 2);
    });
}

#[test]
fn an_artisan_must_exist() {
    service(async |service| {
        let artisan = uuid::Uuid::now_v7().to_string();
        let body = json!({"name": "Cup", "price": 1, "artisan_id": artisan});
        assert_eq!(service.client().post("/v1/products", &body).await.faults(422), ["/artisan_id"]);
        assert_eq!(service.count_products().await, 0);

        let product = service.create_product(json!({"name": "Cup", "price": 1})).await;
        let patch = json!({"artisan_id": artisan});
        assert_eq!(
            service.client().patch(&product_path(&product), &patch).await.faults(422),
            ["/artisan_id"]
        );
        let insert = "insert into artisans (id, given_name, given_key, family_name, family_key, created_at, updated_at)
            values ($1::text::uuid, 'Hanako', 'hanako', 'Sato', 'sato', now(), now())";
        service.database().await.execute(insert, &[&artisan]).await.expect("an artisan");
        let patched = service.client().patch(&product_path(&product), &patch).await.expect(200).json();
        assert_eq!(patched["artisan_id"], json!(artisan));
    });
}

#[test]
fn a_list_is_newest_first_and_walks_every_product_once() {
    service(async |service| {
        for number in 1..=7 {
            service.create_product(json!({"name": format!("Bowl {number}"), "price": number % 3})).await;
        }
        let newest = ["Bowl 7", "Bowl 6", "Bowl 5", "Bowl 4", "Bowl 3", "Bowl 2", "Bowl 1"];
        assert_eq!(walk_names(service, "/v1/products").await, newest);
        for limit in [1, 2, 3, 7, 100, 1_000] {
            assert_eq!(
                walk_names(service, &format!("/v1/products?limit={limit}")).await,
                newest,
                "limit {limit}"
            );
        }
        let oldest: Vec<_> = newest.iter().rev().copied().collect();
        assert_eq!(walk_names(service, "/v1/products?limit=2&sort=created_at").await, oldest);
        assert_eq!(walk_names(service, "/v1/products?limit=2&sort=name").await, oldest);
        let cheapest = ["Bowl 3", "Bowl 6", "Bowl 1", "Bowl 4", "Bowl 7", "Bowl 2", "Bowl 5"];
        assert_eq!(walk_names(service, "/v1/products?limit=2&sort=price").await, cheapest);
        let dearest: Vec<_> = cheapest.iter().rev().copied().collect();
        assert_eq!(walk_names(service, "/v1/products?limit=3&sort=-price").await, dearest);
    });
}

#[test]
fn filters_combine() {
    service(async |service| {
        for (name, price, currency) in
            [("Cup", 100, "JPY"), ("Cup", 300, "JPY"), ("Cup", 300, "EUR"), ("Dish", 300, "JPY")]
        {
            service.create_product(json!({"name": name, "price": price, "currency": currency})).await;
        }
        for (query, count) in [
            ("name=Cup", 3),
            ("name=cup", 0),
            ("currency=EUR", 1),
            ("min_price=101", 3),
            ("max_price=100", 1),
            ("min_price=200&max_price=400&currency=JPY&name=Cup", 1),
            ("artisan_id=0190d6b8-0000-7000-8000-000000000000", 0),
        ] {
            let seen = walk_names(service, &format!("/v1/products?limit=1&{query}")).await;
            assert_eq!(seen.len(), count, "{query}");
        }
    });
}

#[test]
fn an_empty_list_is_a_list() {
    service(async |service| {
        let list = service.client().get("/v1/products").await.expect(200).json();
        assert_eq!(list, json!({"items": [], "next_cursor": null}));
    });
}

#[test]
fn a_search_finds_any_part_of_a_name_best_match_first() {
    service(async |service| {
        for name in
            ["Blue cup", "Cup", "Cupboard", "Café bowl", "備前焼 湯呑", "琉球ガラス カップ", "100% _linen_"]
        {
            service.create_product(json!({"name": name, "price": 1})).await;
        }
        for (query, expected) in [
            ("cup", vec!["Cup", "Cupboard", "Blue cup"]),
            ("CUP", vec!["Cup", "Cupboard", "Blue cup"]),
            ("cafe", vec!["Café bowl"]),
            ("%E6%B9%AF", vec!["備前焼 湯呑"]),
            ("%EF%BD%B6%EF%BD%AF%EF%BE%8C%EF%BE%9F", vec!["琉球ガラス カップ"]),
            ("100%25", vec!["100% _linen_"]),
            ("_", vec!["100% _linen_"]),
            ("nothing", vec![]),
        ] {
            assert_eq!(
                walk_names(service, &format!("/v1/products/search?q={query}&limit=2")).await,
                expected,
                "{query}"
            );
        }
    });
}

#[test]
fn every_answer_has_the_common_headers() {
    service(async |service| {
        for (path, status) in [("/v1/products", 200), ("/v1/products/x", 400)] {
            let headers = [("x-correlation-id", "order-7")];
            let response = service.client().send(Method::GET, path, &headers, "").await.expect(status);
            assert_eq!(response.header("x-correlation-id"), "order-7");
            assert_eq!(response.header("x-content-type-options"), "nosniff");
            assert_eq!(response.header("cache-control"), "private, no-cache");
        }
        let response = service.client().get("/v1/products").await.expect(200);
        assert!(!response.header("x-correlation-id").is_empty(), "the function generates one");
    });
}

#[test]
fn a_trailing_slash_is_accepted() {
    service(async |service| {
        let response =
            service.client().post("/v1/products/", &json!({"name": "Cup", "price": 1})).await.expect(201);
        let path = product_path(&response.json());
        assert_eq!(response.header("location"), path);
        service.client().get(&format!("{path}/")).await.expect(200);
        assert_eq!(walk_names(service, "/v1/products/?limit=1").await, ["Cup"]);
    });
}
