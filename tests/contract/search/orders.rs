//! A search has the same filters and orders as the list.

use harness::{Service, id, service};
use serde_json::json;

/// The names of the hits at `path`, in pages of two.
async fn found(service: &Service, path: &str) -> Vec<String> {
    service.names(&format!("{path}&limit=2")).await
}

#[test]
fn a_search_takes_every_filter_and_order_of_the_list() {
    service(async |service| {
        let artisan = service.create_artisan(json!({"given_name": "Aoi", "family_name": "Abe"})).await;
        for (name, price, currency, is_hers) in [
            ("ガラス皿", 900, "JPY", true),
            ("がらす", 300, "JPY", false),
            ("江戸ガラス", 500, "EUR", true),
            ("ｶﾞﾗｽの器", 700, "EUR", false),
            ("陶器", 100, "EUR", true),
        ] {
            let artisan = if is_hers { json!(id(&artisan)) } else { json!(null) };
            let product = json!({"name": name, "price": price, "currency": currency, "artisan_id": artisan});
            service.create_product(product).await;
        }
        let search = "/v1/products/search?q=%EF%BD%B6%EF%BE%9E%EF%BE%97%EF%BD%BD"; // ｶﾞﾗｽ
        let hers = format!("artisan_id={}", id(&artisan));
        for (query, names) in [
            ("", vec!["がらす", "ガラス皿", "ｶﾞﾗｽの器", "江戸ガラス"]),
            ("&sort=relevance", vec!["がらす", "ガラス皿", "ｶﾞﾗｽの器", "江戸ガラス"]),
            ("&sort=price", vec!["がらす", "江戸ガラス", "ｶﾞﾗｽの器", "ガラス皿"]),
            ("&sort=-price", vec!["ガラス皿", "ｶﾞﾗｽの器", "江戸ガラス", "がらす"]),
            ("&sort=name", vec!["がらす", "ガラス皿", "江戸ガラス", "ｶﾞﾗｽの器"]),
            ("&sort=created_at", vec!["ガラス皿", "がらす", "江戸ガラス", "ｶﾞﾗｽの器"]),
            ("&sort=-created_at", vec!["ｶﾞﾗｽの器", "江戸ガラス", "がらす", "ガラス皿"]),
            ("&currency=EUR", vec!["ｶﾞﾗｽの器", "江戸ガラス"]),
            ("&currency=EUR&sort=price", vec!["江戸ガラス", "ｶﾞﾗｽの器"]),
            ("&min_price=500&max_price=700", vec!["ｶﾞﾗｽの器", "江戸ガラス"]),
            (&format!("&{hers}&sort=-price"), vec!["ガラス皿", "江戸ガラス"]),
            (&format!("&{hers}&currency=JPY"), vec!["ガラス皿"]),
            ("&name=%E9%99%B6%E5%99%A8", vec![]), // 陶器
        ] {
            assert_eq!(found(service, &format!("{search}{query}")).await, names, "{query}");
        }
    });
}

/// A cursor is valid only with the term, the filters and the order that it was made for.
#[test]
fn a_cursor_of_another_search_is_refused() {
    service(async |service| {
        for name in ["Cup", "Cupboard", "Teacup"] {
            service.create_product(json!({"name": name, "price": 1})).await;
        }
        let search = "/v1/products/search?limit=1&q=cup";
        let page = service.client().get(search).await.expect(200).json();
        let cursor = page["next_cursor"].as_str().expect("a next page");
        service.client().get(&format!("{search}&cursor={cursor}")).await.expect(200);
        for other in ["&sort=name", "&sort=relevance", "&currency=JPY", "board"] {
            let path = format!("{search}{other}&cursor={cursor}");
            assert_eq!(service.client().get(&path).await.faults(400), ["cursor"], "{path}");
        }
    });
}

#[test]
fn all_faults_of_a_search_are_answered_at_once() {
    service(async |service| {
        let faults = async |query: &str| {
            service.client().get(&format!("/v1/products/search{query}")).await.faults(400)
        };
        assert_eq!(faults("").await, ["q"]);
        assert_eq!(faults("?q=cup&sort=best").await, ["sort"]);
        assert_eq!(faults("?min_price=x&sort=relevant&limit=0").await.len(), 4);
        let listed = service.client().get("/v1/products?sort=relevance").await;
        assert_eq!(listed.faults(400), ["sort"]);
    });
}
