//! Conditional requests (RFC 9110, section 13), for products and artisans alike.

use harness::{Response, Service, Setup, artisan_path, product_path, service, service_with};
use http::Method;
use serde_json::{Value, json};

use crate::events::{self, SAMPLES};

/// A resource with bodies that replace and change it.
struct Subject {
    path: String,
    methods: Vec<(Method, Value)>,
}

async fn subjects(service: &Service) -> Vec<Subject> {
    let product = service.create_product(json!({"name": "Cup", "price": 1})).await;
    let artisan = service.create_artisan(json!({"given_name": "Hanako", "family_name": "Sato"})).await;
    vec![
        Subject {
            path: product_path(&product),
            methods: vec![
                (Method::PATCH, json!({"price": 2})),
                (Method::PUT, json!({"name": "Mug", "price": 3})),
                (Method::DELETE, json!(null)),
            ],
        },
        Subject {
            path: artisan_path(&artisan),
            methods: vec![(Method::PATCH, json!({"given_name": "Aoi"})), (Method::DELETE, json!(null))],
        },
    ]
}

async fn send(
    service: &Service,
    method: &Method,
    path: &str,
    condition: (&str, &str),
    body: &Value,
) -> Response {
    let headers = [("content-type", "application/json"), condition];
    service.client().send(method.clone(), path, &headers, body.to_string()).await
}

async fn get(service: &Service, path: &str, headers: &[(&str, &str)]) -> Response {
    service.client().send(Method::GET, path, headers, "").await
}

#[test]
fn a_change_needs_the_tag_of_what_it_changes() {
    service(async |service| {
        for Subject { path, methods } in subjects(service).await {
            for (method, body) in methods {
                let tag = service.client().get(&path).await.expect(200).header("etag").to_owned();
                let weak = format!("W/{tag}");
                let other_version = tag.replacen('.', ".99", 1);
                for refused in ["\"x\"", weak.as_str(), other_version.as_str(), "\"a\", \"b\""] {
                    let response = send(service, &method, &path, ("if-match", refused), &body).await;
                    assert_eq!(response.header("etag"), tag, "{method} {path} {refused}");
                    response.problem(412);
                }
                let listed = format!("\"x\", W/\"y\" ,{tag}");
                let response = send(service, &method, &path, ("if-match", &listed), &body).await;
                let response = response.expect(if method == Method::DELETE { 204 } else { 200 });
                assert_ne!(response.header("etag"), tag);
                if method != Method::DELETE {
                    let now = service.client().get(&path).await.expect(200);
                    assert_eq!(now.header("etag"), response.header("etag"));
                    send(service, &method, &path, ("if-match", &tag), &body).await.problem(412);
                    send(service, &method, &path, ("if-match", "*"), &body).await.expect(200);
                }
            }
            // A 404 takes precedence over a condition: RFC 9110, section 13.2.1.
            send(service, &Method::PATCH, &path, ("if-match", "\"x\""), &json!({})).await.problem(404);
            send(service, &Method::DELETE, &path, ("if-match", "*"), &json!(null)).await.problem(404);
        }
    });
}

#[test]
fn dates_and_none_match_hold_writes_back() {
    service(async |service| {
        for Subject { path, methods } in subjects(service).await {
            let read = service.client().get(&path).await.expect(200);
            let (tag, modified) = (read.header("etag").to_owned(), read.header("last-modified").to_owned());
            for (method, body) in &methods {
                for (header, value) in [
                    ("if-unmodified-since", "Sat, 01 Jan 2000 00:00:00 GMT"),
                    ("if-none-match", tag.as_str()),
                    ("if-none-match", format!("W/{tag}").as_str()),
                    ("if-none-match", "*"),
                ] {
                    send(service, method, &path, (header, value), body).await.problem(412);
                }
                assert_eq!(service.client().get(&path).await.header("etag"), tag, "nothing was written");
            }
            let (method, body) = &methods[0];
            // If-Match takes precedence over If-Unmodified-Since, which is then ignored.
            let headers = [
                ("content-type", "application/json"),
                ("if-match", tag.as_str()),
                ("if-unmodified-since", "Sat, 01 Jan 2000 00:00:00 GMT"),
            ];
            service.client().send(method.clone(), &path, &headers, body.to_string()).await.expect(200);
            send(service, method, &path, ("if-none-match", &tag), body).await.expect(200);
            send(service, method, &path, ("if-unmodified-since", "not a date"), body).await.expect(200);
            send(service, method, &path, ("if-unmodified-since", "Fri, 31 Dec 2100 00:00:00 GMT"), body)
                .await
                .expect(200);
            assert!(!modified.is_empty());
        }
    });
}

/// Such as .NET's `DateTimeOffset.MinValue`, which some clients send to prevent any overwriting.
#[test]
fn dates_before_1970_are_dates() {
    service(async |service| {
        let dates = [
            "Wed, 31 Dec 1969 23:59:59 GMT",
            "Mon, 01 Jan 1900 00:00:00 GMT",
            "Mon, 01 Jan 0001 00:00:00 GMT",
            "Wednesday, 31-Dec-69 23:59:59 GMT",
            "Wed Dec 31 23:59:59 1969",
        ];
        for Subject { path, methods } in subjects(service).await {
            for date in dates {
                for (method, body) in &methods {
                    send(service, method, &path, ("if-unmodified-since", date), body).await.problem(412);
                }
                get(service, &path, &[("if-unmodified-since", date)]).await.problem(412);
                get(service, &path, &[("if-modified-since", date)]).await.expect(200);
            }
            let last = ("if-unmodified-since", "Fri, 31 Dec 9999 23:59:59 GMT");
            for (method, body) in &methods {
                let status = if method == Method::DELETE { 204 } else { 200 };
                send(service, method, &path, last, body).await.expect(status);
            }
        }
    });
}

#[test]
fn a_read_that_has_it_already_is_304() {
    service(async |service| {
        for Subject { path, .. } in subjects(service).await {
            let read = service.client().get(&path).await.expect(200);
            let (tag, modified) = (read.header("etag"), read.header("last-modified"));
            let weak = format!("W/{tag}");
            let listed = format!("\"x\", {tag}");
            let long_ago = "Sat, 01 Jan 2000 00:00:00 GMT";
            for (headers, status) in [
                (vec![("if-none-match", tag)], 304),
                (vec![("if-none-match", weak.as_str())], 304),
                (vec![("if-none-match", listed.as_str())], 304),
                (vec![("if-none-match", "\"x\""), ("if-none-match", tag)], 304),
                (vec![("if-none-match", "*")], 304),
                (vec![("if-none-match", "\"x\"")], 200),
                (vec![("if-modified-since", modified)], 304),
                (vec![("if-modified-since", long_ago)], 200),
                (vec![("if-modified-since", "yesterday")], 200),
                (vec![("if-none-match", "\"x\""), ("if-modified-since", modified)], 200),
                (vec![("if-none-match", tag), ("if-modified-since", long_ago)], 304),
                (vec![("if-match", tag)], 200),
                (vec![("if-match", weak.as_str())], 412),
                (vec![("if-match", "\"x\"")], 412),
                (vec![("if-match", "*"), ("if-none-match", tag)], 304),
                (vec![("if-match", "\"x\""), ("if-none-match", tag)], 412),
                (vec![("if-unmodified-since", long_ago)], 412),
                (vec![("if-unmodified-since", modified)], 200),
                (vec![("if-none-match", "unquoted")], 400),
                (vec![("if-match", "\"a\" \"b\"")], 400),
                (vec![("if-match", "*, \"a\"")], 400),
            ] {
                for method in [Method::GET, Method::HEAD] {
                    let response = service.client().send(method.clone(), &path, &headers, "").await;
                    let response = response.expect(status);
                    if status == 304 {
                        assert_eq!(response.body, "");
                        assert_eq!(response.header("etag"), tag);
                        assert_eq!(response.header("cache-control"), "private, no-cache");
                    }
                }
            }
        }
    });
}

#[test]
fn lists_and_searches_have_a_tag_that_changes_with_any_item() {
    service(async |service| {
        let product = service.create_product(json!({"name": "Cup", "price": 1})).await;
        let artisan = service.create_artisan(json!({"given_name": "Cuppo", "family_name": "Sato"})).await;
        let of_artisan = format!("{}/products", artisan_path(&artisan));
        let product = service
            .client()
            .patch(&product_path(&product), &json!({"artisan_id": artisan["id"]}))
            .await
            .json();
        for (list, changed, patch) in [
            ("/v1/products", product_path(&product), json!({"price": 2})),
            ("/v1/products/search?q=cup", product_path(&product), json!({"price": 3})),
            (of_artisan.as_str(), product_path(&product), json!({"price": 4})),
            ("/v1/artisans", artisan_path(&artisan), json!({"biography": "a"})),
            ("/v1/artisans/search?q=cup", artisan_path(&artisan), json!({"biography": "b"})),
        ] {
            let tag = service.client().get(list).await.expect(200).header("etag").to_owned();
            assert!(tag.starts_with('"') && tag.ends_with('"'), "{list}: {tag}");
            let response = get(service, list, &[("if-none-match", &tag)]).await.expect(304);
            assert_eq!((response.body.as_str(), response.header("etag")), ("", tag.as_str()));
            service.client().patch(&changed, &patch).await.expect(200);
            let response = get(service, list, &[("if-none-match", &tag)]).await.expect(200);
            assert_ne!(response.header("etag"), tag);
        }
    });
}

#[test]
fn if_match_can_be_demanded() {
    let setup =
        Setup { environment: vec![("REQUIRE_IF_MATCH".to_owned(), "true".to_owned())], ..Setup::default() };
    service_with(setup, async |service| {
        for Subject { path, methods } in subjects(service).await {
            for (method, body) in methods {
                let tag = service.client().get(&path).await.expect(200).header("etag").to_owned();
                let since = ("if-unmodified-since", "Fri, 31 Dec 2100 00:00:00 GMT");
                send(service, &method, &path, since, &body).await.problem(428);
                let status = if method == Method::DELETE { 204 } else { 200 };
                send(service, &method, &path, ("if-match", &tag), &body).await.expect(status);
            }
        }
    });
}

#[test]
fn a_replacement_sets_every_member() {
    service(async |service| {
        let body = json!({"name": "Cup", "price": 1, "description": "Blue", "currency": "EUR"});
        let product = service.create_product(body).await;
        let path = product_path(&product);
        let put = async |body: Value| send(service, &Method::PUT, &path, ("accept", "*/*"), &body).await;
        let replaced = put(json!({"name": "Mug", "price": 2})).await.expect(200).json();
        for (member, value) in [("name", "Mug"), ("description", ""), ("currency", "JPY")] {
            assert_eq!(replaced[member], value);
        }
        assert_eq!((&replaced["version"], &replaced["id"]), (&json!(2), &product["id"]));
        assert_eq!(
            put(json!({"name": "Mug", "price": 2})).await.expect(200).json(),
            replaced,
            "the same replacement again"
        );
        assert_eq!(put(json!({"name": "Mug"})).await.faults(422), ["/price"]);
        assert_eq!(put(json!({"name": "Mug", "price": 2, "version": 2})).await.faults(422), ["/version"]);
        let unknown = format!("/v1/products/{}", uuid::Uuid::now_v7());
        let body = json!({"name": "Mug", "price": 2});
        send(service, &Method::PUT, &unknown, ("accept", "*/*"), &body).await.problem(404);
    });
}

#[test]
fn a_malformed_condition_is_400_whatever_the_method() {
    service(async |service| {
        // Skip requests that have conditions already, which would be repeated.
        let samples = SAMPLES.iter().filter(|it| !it.headers.iter().any(|(name, _)| name.starts_with("If-")));
        let heads = samples.clone().filter(|it| it.method == Method::GET).map(|it| (Method::HEAD, it));
        for (method, sample) in samples.map(|it| (it.method.clone(), it)).chain(heads) {
            for condition in [
                ("if-match", "nonsense"),
                ("if-match", ""),
                ("if-match", "*, \"a\""),
                ("if-none-match", "nonsense"),
                ("if-none-match", "\"a\" \"b\""),
            ] {
                let response = events::send(service.client(), sample, method.clone(), &[condition]).await;
                match method == Method::HEAD {
                    true => drop(response.expect(400)),
                    false => {
                        assert_eq!(response.faults(400), [condition.0], "{} {condition:?}", sample.name);
                    }
                }
            }
        }
    });
}

#[test]
fn nothing_that_is_to_be_created_can_match_a_tag() {
    service(async |service| {
        for (path, body) in [
            ("/v1/products", json!({"name": "Cup", "price": 1})),
            ("/v1/artisans", json!({"given_name": "Hanako", "family_name": "Sato"})),
        ] {
            let list = service.client().get(path).await.expect(200);
            let tag = list.header("etag").to_owned();
            for (condition, status) in [
                (("if-match", "*"), 412),
                (("if-match", "\"x\""), 412),
                (("if-match", "W/\"x\""), 412),
                (("if-match", tag.as_str()), 412),
                (("if-none-match", "*"), 201),
                (("if-none-match", "\"x\""), 201),
                (("if-none-match", tag.as_str()), 201),
                (("if-unmodified-since", "Sat, 01 Jan 2000 00:00:00 GMT"), 201),
                (("if-unmodified-since", "yesterday"), 201),
                (("if-modified-since", "Fri, 31 Dec 2100 00:00:00 GMT"), 201),
            ] {
                let before = service.client().get(path).await.expect(200);
                let response = send(service, &Method::POST, path, condition, &body).await;
                let response = response.expect(status);
                let after = service.client().get(path).await.expect(200);
                assert_eq!(before.header("etag") == after.header("etag"), status == 412, "{condition:?}");
                if status == 412 {
                    assert_eq!(response.header("etag"), "", "there is no representation with a tag");
                    response.problem(412);
                }
            }
        }
        // With an idempotency key, too: the refused request has not used it.
        let keyed = |condition| [("content-type", "application/json"), ("idempotency-key", "cup"), condition];
        let send = async |condition| {
            let body = json!({"name": "Cup", "price": 1}).to_string();
            service.client().send(Method::POST, "/v1/products", &keyed(condition), body).await
        };
        send(("if-match", "*")).await.problem(412);
        assert_eq!(send(("if-none-match", "*")).await.expect(201).header("idempotency-replayed"), "");
        assert_eq!(send(("if-none-match", "*")).await.expect(201).header("idempotency-replayed"), "true");
    });
}
