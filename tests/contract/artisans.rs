//! The artisan operations: what a client relies on.

use harness::{artisan_path, id, product_path, service, texts};
use http::Method;
use serde_json::json;

#[test]
fn two_names_make_an_artisan() {
    service(async |service| {
        let body = json!({"given_name": " 花子 ", "family_name": "佐藤"});
        let response = service.client().post("/v1/artisans", &body).await.expect(201);
        let artisan = response.json();
        assert_eq!(response.header("location"), artisan_path(&artisan));
        assert_eq!((&artisan["given_name"], &artisan["family_name"]), (&json!("花子"), &json!("佐藤")));
        assert_eq!((&artisan["biography"], &artisan["version"]), (&json!(""), &json!(1)));
        assert_eq!(service.client().get(&artisan_path(&artisan)).await.expect(200).json(), artisan);
    });
}

#[test]
fn every_fault_of_an_artisan_is_named() {
    service(async |service| {
        let body = json!({"given_name": "", "biography": 7, "age": 50, "version": 1});
        let faults = service.client().post("/v1/artisans", &body).await.faults(422);
        assert_eq!(faults, ["/age", "/biography", "/family_name", "/given_name", "/version"]);
        let long = json!({"given_name": "x".repeat(101), "family_name": "y"});
        assert_eq!(service.client().post("/v1/artisans", &long).await.faults(422), ["/given_name"]);
        assert_eq!(service.client().get("/v1/artisans/7").await.faults(400), ["id"]);
        let unknown = format!("/v1/artisans/{}", uuid::Uuid::now_v7());
        service.client().get(&unknown).await.problem(404);
        service.client().patch(&unknown, &json!({})).await.problem(404);
        service.client().delete(&unknown).await.problem(404);
        service.client().get(&format!("{unknown}/products")).await.problem(404);
        let faults = service.client().get("/v1/artisans?sort=price&price=1").await.faults(400);
        assert_eq!(faults, ["price", "sort"]);
    });
}

#[test]
fn a_patch_changes_an_artisan_and_what_the_search_finds() {
    service(async |service| {
        let artisan = service.create_artisan(json!({"given_name": "Hanako", "family_name": "Satō"})).await;
        let path = artisan_path(&artisan);
        let unchanged =
            service.client().patch(&path, &json!({"given_name": "Hanako", "biography": null})).await;
        assert_eq!(unchanged.expect(200).json(), artisan);
        let patched =
            service.client().patch(&path, &json!({"family_name": "Suzuki"})).await.expect(200).json();
        assert_eq!((&patched["family_name"], &patched["version"]), (&json!("Suzuki"), &json!(2)));
        for (query, count) in [
            ("suzuki", 1),
            ("hanako%20suzuki", 1),
            ("suzukihanako", 1),
            ("sato", 0),
            ("hanako%20s", 1),
            ("%25", 0),
        ] {
            assert_eq!(service.walk(&format!("/v1/artisans/search?q={query}")).await.len(), count, "{query}");
        }
        assert_eq!(
            service.client().patch(&path, &json!({"given_name": null})).await.faults(422),
            ["/given_name"]
        );
    });
}

#[test]
fn artisans_are_listed_sorted_and_filtered() {
    service(async |service| {
        for (given, family) in [("Hanako", "Sato"), ("Taro", "Abe"), ("Aoi", "Sato")] {
            service.create_artisan(json!({"given_name": given, "family_name": family})).await;
        }
        for (query, given) in [
            ("limit=1", vec!["Aoi", "Taro", "Hanako"]),
            ("limit=2&sort=created_at", vec!["Hanako", "Taro", "Aoi"]),
            ("limit=1&sort=name", vec!["Taro", "Aoi", "Hanako"]),
            ("limit=1&family_name=Sato", vec!["Aoi", "Hanako"]),
            ("given_name=Taro", vec!["Taro"]),
        ] {
            let artisans = service.walk(&format!("/v1/artisans?{query}")).await;
            assert_eq!(texts(&artisans, "given_name"), given, "{query}");
        }
    });
}

#[test]
fn an_artisans_products_are_listed_and_keep_the_artisan() {
    service(async |service| {
        let artisan = service.create_artisan(json!({"given_name": "Hanako", "family_name": "Sato"})).await;
        let other = service.create_artisan(json!({"given_name": "Taro", "family_name": "Abe"})).await;
        let path = artisan_path(&artisan);
        let list = format!("{path}/products");
        assert_eq!(service.client().get(&list).await.expect(200).json()["items"], json!([]));
        for (name, price, by) in [("Cup", 2, &artisan), ("Dish", 1, &artisan), ("Vase", 3, &other)] {
            service.create_product(json!({"name": name, "price": price, "artisan_id": by["id"]})).await;
        }
        assert_eq!(texts(&service.walk(&format!("{list}?limit=1")).await, "name"), ["Dish", "Cup"]);
        assert_eq!(
            texts(&service.walk(&format!("{list}?limit=1&sort=-price")).await, "name"),
            ["Cup", "Dish"]
        );
        assert_eq!(texts(&service.walk(&format!("{list}?min_price=2")).await, "name"), ["Cup"]);
        assert_eq!(service.walk(&format!("/v1/products?artisan_id={}", id(&other))).await.len(), 1);
        let cursor = service.client().get(&format!("{list}?limit=1")).await.json()["next_cursor"].clone();
        let foreign =
            format!("{}/products?cursor={}", artisan_path(&other), cursor.as_str().expect("a cursor"));
        assert_eq!(service.client().get(&foreign).await.faults(400), ["cursor"]);

        service.client().delete(&path).await.problem(409);
        service.client().get(&path).await.expect(200);
        for product in service.walk(&list).await {
            service.client().delete(&product_path(&product)).await.expect(204);
        }
        service.client().delete(&path).await.expect(204);
        service.client().get(&path).await.problem(404);
    });
}

#[test]
fn head_has_the_headers_of_get_and_no_body() {
    service(async |service| {
        let artisan = service.create_artisan(json!({"given_name": "Hanako", "family_name": "Sato"})).await;
        let product = service.create_product(json!({"name": "Cup", "price": 1})).await;
        for path in [artisan_path(&artisan), product_path(&product)] {
            let get = service.client().get(&path).await.expect(200);
            let head = service.client().send(Method::HEAD, &path, &[], "").await.expect(200);
            assert_eq!(head.body, "");
            for header in ["etag", "last-modified", "content-type", "cache-control"] {
                assert!(!get.header(header).is_empty(), "{header}");
                assert_eq!(head.header(header), get.header(header), "{header}");
            }
        }
        let unknown = format!("/v1/products/{}", uuid::Uuid::now_v7());
        assert_eq!(service.client().send(Method::HEAD, &unknown, &[], "").await.expect(404).body, "");
    });
}
