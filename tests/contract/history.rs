//! The history: one row for every write with who, when and why, none for writes that did not happen, and no way for
//! functions to change it.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use harness::{Response, Service, Setup, artisan_path, id, product_path, service, service_with};
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use shared::Role;
use tokio::{task::JoinSet, time::timeout};

use crate::{
    events::{self, SAMPLES, again},
    iam::{principal, signed_setup, signing::Call},
};

/// The columns of a product that are not generated, for a row that is put back by hand.
pub(crate) const PRODUCT: &str = "id, artisan_id, name, search_key, description, price, currency, version, created_at, \
    updated_at, changed_by_request";

/// The number of rows in the history.
async fn count(service: &Service) -> i64 {
    service.database().await.query_one("select count(*) from history", &[]).await.expect("a count").get(0)
}

async fn history(service: &Service, path: &str) -> Vec<Value> {
    service.walk(&format!("{path}/history?limit=3")).await
}

fn versions(entries: &[Value]) -> Vec<i64> {
    entries.iter().map(|entry| entry["version"].as_i64().expect("a version")).collect()
}

/// A write of every kind, beginning with a creation.
fn every_write<'a>(of_product: &'a str, of_artisan: &'a str) -> [(Method, &'a str, Value); 7] {
    let names = json!({"given_name": "Aoi", "family_name": "Abe"});
    [
        (Method::POST, "/v1/products", json!({"name": "Dish", "price": 1})),
        (Method::PATCH, of_product, json!({"price": 2})),
        (Method::PUT, of_product, json!({"name": "Mug", "price": 2})),
        (Method::DELETE, of_product, json!(null)),
        (Method::POST, "/v1/artisans", names.clone()),
        (Method::PATCH, of_artisan, names),
        (Method::DELETE, of_artisan, json!(null)),
    ]
}

/// Sends a request with a JSON body and additional headers.
pub(crate) async fn send(
    service: &Service,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &Value,
) -> Response {
    let headers = [headers, &[("content-type", "application/json")]].concat();
    service.client().send(method, path, &headers, body.to_string()).await
}

#[test]
fn every_write_leaves_one_row_that_says_who_when_and_why() {
    service_with(signed_setup(), async |service| {
        let url = service.client().url();
        let call = async |name: &str, method: &str, path: &str, body: &str, reason: Option<&str>| {
            let mut call = Call::new(url, method, path, body);
            call.headers.extend(reason.map(|reason| ("x-audit-reason".to_owned(), reason.to_owned())));
            call.signed(&principal(name), SystemTime::now()).send(url).await
        };
        let clock = async || {
            let database = service.database().await;
            database.query_one("select clock_timestamp()", &[]).await.expect("a time").get::<_, Timestamp>(0)
        };
        let start = clock().await;
        let names = r#"{"given_name": "Hanako", "family_name": "Sato"}"#;
        let artisan = call("editor", "POST", "/v1/artisans", names, Some("A new kiln")).await.expect(201);
        let cup = r#"{"name": "Cup", "price": 1}"#;
        let product = call("session", "POST", "/v1/products", cup, None).await.expect(201);
        let (of_artisan, of_product) = (artisan.header("location"), product.header("location"));
        let mut written = vec![
            (of_artisan, "createArtisan", 1, "editor", Some("A new kiln"), &artisan),
            (of_product, "createProduct", 1, "session", None, &product),
        ];
        let mug = r#"{"name": "Mug", "price": 2}"#;
        let calls = [
            (
                of_artisan,
                "patchArtisan",
                "PATCH",
                2,
                "admin",
                Some("Married"),
                r#"{"family_name": "Abe"}"#,
                200,
            ),
            (of_product, "replaceProduct", "PUT", 2, "editor", Some("  Recount  "), mug, 200),
            (
                of_product,
                "patchProduct",
                "PATCH",
                3,
                "session",
                Some("It's \"50 %\" off"),
                r#"{"price": 1}"#,
                200,
            ),
            (of_product, "deleteProduct", "DELETE", 4, "session", Some("Sold out"), "", 204),
            (of_artisan, "deleteArtisan", "DELETE", 3, "admin", None, "", 204),
        ];
        let mut answers = Vec::new();
        for (path, _, method, _, name, reason, body, status) in calls {
            answers.push(call(name, method, path, body, reason).await.expect(status));
        }
        for ((path, operation, _, version, name, reason, ..), answer) in calls.into_iter().zip(&answers) {
            written.push((path, operation, version, name, reason, answer));
        }

        for path in [of_artisan, of_product] {
            let page = call("reader", "GET", &format!("{path}/history"), "", None).await.expect(200).json();
            let mut entries = page["items"].as_array().expect("items").clone();
            let mut times = vec![start];
            for entry in entries.iter_mut().rev() {
                times.push(entry["at"].take().as_str().expect("a time").parse().expect("a time"));
                // What they are is shown where past versions are.
                let members = entry.as_object_mut().expect("an object");
                assert!(["changes", "inverse"].map(|name| members.remove(name)).iter().all(Option::is_some));
            }
            times.push(clock().await);
            assert!(times.is_sorted(), "{times:?}");
            let expected = written.iter().rev().filter(|(written, ..)| *written == path);
            let expected = expected.map(|(_, operation, version, name, reason, answer)| {
                json!({
                    "resource": if path == of_artisan { "artisan" } else { "product" },
                    "id": path.rsplit('/').next(),
                    "version": version,
                    "operation": operation,
                    "principal": principal(name).arn,
                    "at": null,
                    "request_id": answer.header("x-amzn-requestid"),
                    "reason": reason.map(str::trim),
                })
            });
            assert_eq!(entries, expected.collect::<Vec<_>>());
        }
        assert_eq!(count(service).await, 7);
    });
}

/// The contents of every table that operations write, except the history itself.
async fn catalogue(service: &Service) -> Vec<(String, String)> {
    let database = service.database().await;
    let tables = "
        select table_name::text from information_schema.tables
        where table_schema = current_schema() and table_type = 'BASE TABLE'
            and table_name not in ('history', 'idempotency_keys', 'refinery_schema_history')
        order by table_name";
    let mut content = Vec::new();
    for row in database.query(tables, &[]).await.expect("the tables") {
        let table: String = row.get(0);
        let rows =
            format!("select coalesce(string_agg(it::text, ' ' order by it::text), '') from {table} it");
        content.push((table, database.query_one(&rows, &[]).await.expect("its rows").get(0)));
    }
    content
}

#[test]
fn whatever_changes_the_catalogue_leaves_a_row_that_names_its_operation() {
    service(async |service| {
        let mut changing = BTreeSet::new();
        for operation in api::OPERATIONS {
            for sample in SAMPLES.iter().filter(|sample| sample.operation() == operation.name) {
                again(service).await;
                let before = catalogue(service).await;
                let reason = [("x-audit-reason", sample.name.as_str())];
                let answer = events::send(service.client(), sample, sample.method.clone(), &reason).await;
                let is_changed = catalogue(service).await != before;
                let rows = "select operation, reason, request_id from history";
                let rows = service.database().await.query(rows, &[]).await.expect("the history");
                let rows: Vec<[String; 3]> = rows.iter().map(|row| [0, 1, 2].map(|at| row.get(at))).collect();
                let row = [operation.id, &sample.name, answer.header("x-amzn-requestid")].map(str::to_owned);
                assert_eq!(rows, if is_changed { vec![row] } else { vec![] }, "{}", sample.name);
                if is_changed {
                    assert_eq!(operation.role, Role::Writer, "{}", sample.name);
                    changing.insert(operation.name);
                }
            }
        }
        assert!(changing.len() >= 7, "{changing:?}");
    });
}

#[test]
fn what_does_not_happen_leaves_no_row() {
    service(async |service| {
        let artisan = service.create_artisan(json!({"given_name": "Hanako", "family_name": "Sato"})).await;
        let cup = json!({"name": "Cup", "price": 1, "artisan_id": artisan["id"]});
        let key = [("idempotency-key", "k")];
        let product = send(service, Method::POST, "/v1/products", &key, &cup).await.expect(201).json();
        let (of_artisan, of_product) = (artisan_path(&artisan), product_path(&product));
        let (artisans, products) = ("/v1/artisans", "/v1/products");
        let nowhere = format!("{products}/{}", uuid::Uuid::now_v7());
        let no_one = format!("{artisans}/{}", uuid::Uuid::now_v7());
        let stale = [("if-match", "\"x\"")];
        let unknown = json!({"name": "Cup", "price": 2, "artisan_id": uuid::Uuid::now_v7()});
        let (get, post, put) = (Method::GET, Method::POST, Method::PUT);
        let (patch, delete) = (Method::PATCH, Method::DELETE);
        for (method, path, headers, body, status) in [
            (&patch, &*of_product, &[][..], json!({}), 200),
            (&patch, &*of_product, &[], json!({"price": 1, "name": " Cup "}), 200),
            (&put, &*of_product, &[], cup.clone(), 200),
            (&patch, &*of_artisan, &[], json!({"given_name": "Hanako"}), 200),
            (&patch, &*of_product, &stale, json!({"price": 2}), 412),
            (&put, &*of_product, &stale, json!({"name": "Mug", "price": 2}), 412),
            (&delete, &*of_product, &stale, json!(null), 412),
            (&patch, &*of_artisan, &stale, json!({"given_name": "Aoi"}), 412),
            (&delete, &*of_artisan, &stale, json!(null), 412),
            (&delete, &*of_artisan, &[], json!(null), 409),
            (&post, products, &[], json!({"name": "", "price": 1}), 422),
            (&post, products, &[], unknown.clone(), 422),
            (&post, products, &key, cup.clone(), 201),
            (&post, products, &key, unknown.clone(), 422),
            (&put, &*of_product, &[], unknown, 422),
            (&post, artisans, &[], json!({}), 422),
            (&patch, &*nowhere, &[], json!({"price": 2}), 404),
            (&delete, &*nowhere, &[], json!(null), 404),
            (&patch, &*no_one, &[], json!({"given_name": "Aoi"}), 404),
            (&delete, &*no_one, &[], json!(null), 404),
            (&get, &*of_product, &[], json!(null), 200),
        ] {
            send(service, method.clone(), path, headers, &body).await.expect(status);
            assert_eq!(count(service).await, 2, "{method} {path} {headers:?} {body}");
        }
        let mut requests = JoinSet::new();
        for _ in 0..20 {
            let client = service.client().clone();
            requests.spawn(async move {
                let headers = [("content-type", "application/json"), ("idempotency-key", "at once")];
                client.send(Method::POST, "/v1/products", &headers, r#"{"name": "Dish", "price": 1}"#).await
            });
        }
        requests.join_all().await;
        assert_eq!(count(service).await, 3, "twenty requests with one key are one write");
    });
}

#[test]
fn a_reason_that_is_none_is_400_before_anything_is_written() {
    service(async |service| {
        let product = service.create_product(json!({"name": "Cup", "price": 1})).await;
        let artisan = service.create_artisan(json!({"given_name": "Hanako", "family_name": "Sato"})).await;
        let (of_product, of_artisan) = (product_path(&product), artisan_path(&artisan));
        let long = "x".repeat(501);
        for (method, path, body) in every_write(&of_product, &of_artisan) {
            for reasons in [
                &[&*long][..],
                &["  "],
                &[""],
                &["a\tb"],
                &["next\u{85}line"],
                &["\u{200b}"],
                &["a\u{202e}b"],
                &["UTF-8''%zz"],
                &["UTF-8''caf%E9"],
                &["one", "two"],
            ] {
                let headers: Vec<_> = reasons.iter().map(|reason| ("x-audit-reason", *reason)).collect();
                let faults = send(service, method.clone(), path, &headers, &body).await.faults(400);
                assert_eq!(faults, ["X-Audit-Reason"], "{method} {path} {reasons:?}");
            }
        }
        assert_eq!(count(service).await, 2);
        let longest = "棚".repeat(500);
        for (reason, kept) in [
            ("か\u{3099}らす", "がらす"),
            ("UTF-8''Caf%C3%A9%20ferm%C3%A9", "Café fermé"),
            ("utf-8'ja'%E6%A3%9A%E5%8D%B8%E3%81%97", "棚卸し"),
            (&*longest, &*longest),
        ] {
            let headers = [("x-audit-reason", reason)];
            let price = json!({"price": reason.len()});
            send(service, Method::PATCH, &of_product, &headers, &price).await.expect(200);
            assert_eq!(history(service, &of_product).await[0]["reason"], kept);
        }
    });
}

#[test]
fn a_history_outlives_its_resource() {
    service(async |service| {
        let client = service.client();
        let product = service.create_product(json!({"name": "Cup", "price": 1})).await;
        let artisan = service.create_artisan(json!({"given_name": "Hanako", "family_name": "Sato"})).await;
        for path in [product_path(&product), artisan_path(&artisan)] {
            client.delete(&path).await.expect(204);
            client.delete(&path).await.problem(404);
            client.get(&path).await.problem(404);
            let entries = history(service, &path).await;
            assert_eq!(versions(&entries), [2, 1]);
            assert_eq!(entries[0]["principal"], json!(null), "callers are not authenticated");
        }
        for resource in ["products", "artisans"] {
            client.get(&format!("/v1/{resource}/{}/history", uuid::Uuid::now_v7())).await.problem(404);
            assert_eq!(client.get(&format!("/v1/{resource}/7/history")).await.faults(400), ["id"]);
        }
        // Their histories are separate, although their ids are the same.
        client.get(&format!("/v1/artisans/{}/history", id(&product))).await.problem(404);
        let faults = client.get(&format!("{}/history?sort=at", product_path(&product))).await.faults(400);
        assert_eq!(faults, ["sort"]);
    });
}

/// A row restored by hand from a backup of any age can be changed and deleted as any other, its history continues, and
/// no version number is used for two states.
#[test]
fn a_restored_row_goes_on_after_its_deletion() {
    const ARTISAN: &str =
        "id, given_name, given_key, family_name, family_key, biography, version, created_at, updated_at,
        changed_by_request";
    service(async |service| {
        let client = service.client();
        let owner = service.database().await;
        let product = service.create_product(json!({"name": "Cup", "price": 1})).await;
        let artisan = service.create_artisan(json!({"given_name": "Hanako", "family_name": "Sato"})).await;
        let (price, name) = (|price| json!({"price": price}), |name| json!({"given_name": name}));
        for (path, table, columns, changes) in [
            (product_path(&product), "products", PRODUCT, [price(2), price(3), price(4), price(5)]),
            (
                artisan_path(&artisan),
                "artisans",
                ARTISAN,
                [name("Aoi"), name("Mei"), name("Rin"), name("Yui")],
            ),
        ] {
            let [second, third, fourth, fifth] = changes;
            let back_up = format!("create table {table}_backup as select {columns} from {table}");
            let restore = format!("insert into {table} ({columns}) select {columns} from {table}_backup");
            owner.batch_execute(&back_up).await.expect("a backup");
            let old_tag = client.get(&path).await.expect(200).header("etag").to_owned();
            let tag_of_second = client.patch(&path, &second).await.expect(200).header("etag").to_owned();
            client.patch(&path, &third).await.expect(200);
            client.delete(&path).await.expect(204);

            owner.batch_execute(&restore).await.expect("a row");
            let restored = client.get(&path).await.expect(200);
            assert_eq!(restored.header("etag"), old_tag, "the row is unchanged");
            let lost = [("if-match", tag_of_second.as_str())];
            send(service, Method::PATCH, &path, &lost, &fourth).await.problem(412);
            let mine = [("if-match", old_tag.as_str())];
            let changed = send(service, Method::PATCH, &path, &mine, &fourth).await.expect(200);
            assert_eq!(changed.json()["version"], 5);
            assert_eq!(client.patch(&path, &fifth).await.expect(200).json()["version"], 6);
            client.delete(&path).await.expect(204);
            assert_eq!(versions(&history(service, &path).await), [7, 6, 5, 4, 3, 2, 1]);

            owner.batch_execute(&restore).await.expect("a row");
            client.delete(&path).await.expect(204);
            client.delete(&path).await.problem(404);
            let entries = history(service, &path).await;
            assert_eq!(versions(&entries), [8, 7, 6, 5, 4, 3, 2, 1]);
        }
    });
}

#[test]
fn what_is_older_than_the_table_has_a_history_from_its_next_change_on() {
    service(async |service| {
        let product = service.create_product(json!({"name": "Cup", "price": 1})).await;
        let artisan = service.create_artisan(json!({"given_name": "Hanako", "family_name": "Sato"})).await;
        service.database().await.execute("delete from history", &[]).await.expect("the owner may");
        let changes = [
            (product_path(&product), json!({"price": 2})),
            (artisan_path(&artisan), json!({"given_name": "Aoi"})),
        ];
        for (path, change) in changes {
            let page = service.client().get(&format!("{path}/history")).await.expect(200);
            assert_eq!(page.json(), json!({"items": [], "next_cursor": null}));
            service.client().patch(&path, &change).await.expect(200);
            assert_eq!(versions(&history(service, &path).await), [2]);
        }
    });
}

#[test]
fn a_page_is_recognised_until_the_next_change() {
    service(async |service| {
        let client = service.client();
        let path = product_path(&service.create_product(json!({"name": "Cup", "price": 1})).await);
        let list = format!("{path}/history");
        let tag = client.get(&list).await.expect(200).header("etag").to_owned();
        let condition = [("if-none-match", tag.as_str())];
        client.send(Method::GET, &list, &condition, "").await.expect(304);
        client.patch(&path, &json!({"price": 2})).await.expect(200);
        client.send(Method::GET, &list, &condition, "").await.expect(200);
    });
}

#[test]
fn a_walk_sees_each_version_once_newest_first_whatever_is_written_meanwhile() {
    service(async |service| {
        let client = service.client();
        let path = product_path(&service.create_product(json!({"name": "Cup", "price": 0})).await);
        for price in 1..20 {
            client.patch(&path, &json!({"price": price})).await.expect(200);
        }
        let writer = tokio::spawn({
            let (client, path) = (client.clone(), path.clone());
            async move {
                for price in 20..120 {
                    client.patch(&path, &json!({"price": price})).await.expect(200);
                }
            }
        });
        let mut walks = 0;
        while !writer.is_finished() || walks == 0 {
            let seen = versions(&history(service, &path).await);
            assert_eq!(seen, (1..=seen[0]).rev().collect::<Vec<_>>());
            assert!(seen[0] >= 20);
            walks += 1;
        }
        writer.await.expect("the writer ends well");
        assert_eq!(versions(&history(service, &path).await), (1..=120).rev().collect::<Vec<_>>());
    });
}

#[test]
fn writers_that_race_leave_each_version_once_in_order() {
    service(async |service| {
        let path = product_path(&service.create_product(json!({"name": "Cup", "price": 0})).await);
        let mut writers = JoinSet::new();
        for number in 1..=50 {
            let (client, path) = (service.client().clone(), path.clone());
            writers.spawn(async move {
                let method = if number % 3 == 0 { Method::PUT } else { Method::PATCH };
                let reason = number.to_string();
                let headers = [("content-type", "application/json"), ("x-audit-reason", reason.as_str())];
                let body = json!({"name": "Cup", "price": number}).to_string();
                let answer = client.send(method, &path, &headers, body).await.expect(200);
                let version = answer.json()["version"].as_i64().expect("a version");
                (version, (reason, answer.header("x-amzn-requestid").to_owned()))
            });
        }
        let mut answered = writers.join_all().await;
        answered.sort_unstable();
        service.client().delete(&path).await.expect(204);
        let entries = history(service, &path).await;
        assert_eq!(versions(&entries), (1..=52).rev().collect::<Vec<_>>());
        let text = |entry: &Value, member: &str| entry[member].as_str().expect("a text").to_owned();
        let mut told = entries[1..51]
            .iter()
            .map(|entry| {
                let version = entry["version"].as_i64().expect("a version");
                (version, (text(entry, "reason"), text(entry, "request_id")))
            })
            .collect::<Vec<_>>();
        told.reverse();
        assert_eq!(told, answered, "each version is its own writer's");
        let times = entries.iter().map(|entry| text(entry, "at").parse::<Timestamp>().expect("a time"));
        assert!(times.is_sorted_by(|newer, older| newer >= older), "{entries:?}");
    });
}

/// The server commits without acknowledging it: the commit waits for a standby that does not exist, and meanwhile its
/// session is terminated. Then the functions repeat the statement.
#[test]
fn a_write_whose_answer_is_lost_is_told_once() {
    let settings = [("synchronous_commit", "local"), ("synchronous_standby_names", "nobody")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    service_with(Setup { own_server: Some(settings), ..Setup::default() }, async |service| {
        let client = service.client();
        let created = client.post("/v1/products", &json!({"name": "Cup", "price": 1})).await.expect(201);
        let (path, tag) = (created.header("location"), created.header("etag"));
        let artisan = service.create_artisan(json!({"given_name": "Hanako", "family_name": "Sato"})).await;
        let of_artisan = artisan_path(&artisan);
        let artisans_tag = client.get(&of_artisan).await.expect(200).header("etag").to_owned();
        let database = service.database().await;
        let writer = service.database_as(Role::Writer).await;
        let writer: String = writer.query_one("select current_user::text", &[]).await.expect("a name").get(0);
        // Applies to new sessions of the functions.
        let wait_for_standbys = async |level: &str| {
            let sql = format!("alter role {writer} set synchronous_commit = {level}");
            database.batch_execute(&sql).await.expect("the owner may");
        };
        let end_sessions = async |which: &str| -> i64 {
            let sql = format!("select count(pg_terminate_backend(pid)) from pg_stat_activity where {which}");
            database.query_one(&sql, &[]).await.expect("a count").get(0)
        };

        let dish = json!({"name": "Dish", "price": 1});
        for (method, path, tag, body, status) in [
            (Method::POST, "/v1/products", None, dish, 201),
            (Method::PATCH, path, Some(tag), json!({"price": 2}), 200),
            (Method::DELETE, path, None, json!(null), 204),
            (Method::PATCH, &of_artisan, Some(&*artisans_tag), json!({"given_name": "Aoi"}), 200),
            (Method::DELETE, &of_artisan, None, json!(null), 204),
            (Method::POST, "/v1/artisans", None, json!({"given_name": "Aoi", "family_name": "Abe"}), 201),
        ] {
            let before = count(service).await;
            wait_for_standbys("on").await;
            end_sessions(&format!("usename = '{writer}'")).await;
            let condition = tag.map(|tag| ("if-match", tag));
            let request = send(service, method, path, condition.as_slice(), &body);
            let lose = async {
                let is_waiting = async {
                    let sql = "select 1 from pg_stat_activity where wait_event = 'SyncRep'";
                    while database.query_opt(sql, &[]).await.expect("an answer").is_none() {}
                };
                timeout(Duration::from_secs(10), is_waiting).await.expect("a commit that waits");
                wait_for_standbys("local").await;
                assert_eq!(end_sessions("wait_event = 'SyncRep'").await, 1, "{path}");
            };
            tokio::join!(request, lose).0.expect(status);
            assert_eq!(count(service).await, before + 1, "{path}");
        }
        assert_eq!(versions(&history(service, path).await), [3, 2, 1]);
        assert_eq!(versions(&history(service, &of_artisan).await), [3, 2, 1]);
    });
}

#[test]
fn a_write_that_cannot_be_told_does_not_happen() {
    service(async |service| {
        let product = service.create_product(json!({"name": "Cup", "price": 1})).await;
        let artisan = service.create_artisan(json!({"given_name": "Hanako", "family_name": "Sato"})).await;
        let (of_product, of_artisan) = (product_path(&product), artisan_path(&artisan));
        let owner = service.database().await;
        let close = "alter table history add constraint history_closed check (false) not valid";
        owner.batch_execute(close).await.expect("a constraint");
        let key = [("idempotency-key", "k")];
        for (method, path, body) in every_write(&of_product, &of_artisan) {
            send(service, method, path, &key, &body).await.problem(500);
        }
        let client = service.client();
        for (list, item, there) in
            [("/v1/products", &of_product, &product), ("/v1/artisans", &of_artisan, &artisan)]
        {
            assert_eq!(client.get(item).await.expect(200).json(), *there);
            assert_eq!(client.get(list).await.expect(200).json()["items"], json!([there]));
        }
        owner.batch_execute("alter table history drop constraint history_closed").await.expect("an end");
        let [(method, path, body), ..] = every_write(&of_product, &of_artisan);
        let created = send(service, method, path, &key, &body).await.expect(201);
        assert_eq!(created.header("idempotency-replayed"), "", "the key was not used up");
    });
}

#[test]
fn nobody_but_the_owner_can_change_a_history() {
    service(async |service| {
        service.create_product(json!({"name": "Cup", "price": 1})).await;
        let writer = service.database_as(Role::Writer).await;
        let reader = service.database_as(Role::Reader).await;
        let add = "insert into history (resource, resource_id, version, operation, request_id)
            values ('product', gen_random_uuid(), 1, 'createProduct', 'r')";
        let add_then = "insert into history (resource, resource_id, version, operation, request_id, at)
            values ('product', gen_random_uuid(), 1, 'createProduct', 'r', 'yesterday')";
        let rewrite = format!("{add} on conflict on constraint history_pkey do update set reason = 'x'");
        let refused = [
            "update history set reason = 'x'",
            "update history set principal = null where version = 1",
            "delete from history",
            "truncate history",
            "drop table history",
            "alter table history disable trigger all",
            "alter table history add column x int",
            "create rule forget as on insert to history do instead nothing",
            "create trigger forget before insert on history execute function suppress_redundant_updates_trigger()",
            add_then,
            &rewrite,
        ];
        for (login, client) in [("writer", &writer), ("reader", &reader)] {
            for statement in refused {
                let error = client.batch_execute(statement).await.expect_err(statement);
                let code = error.code().map(|code| code.code());
                assert_eq!(code, Some("42501"), "{login}: {statement}: {error:?}");
            }
        }
        let error = reader.batch_execute(add).await.expect_err("a reader");
        assert_eq!(error.code().map(|code| code.code()), Some("42501"));
        for client in [&reader, &writer] {
            client.query_one("select * from history", &[]).await.expect("one row");
        }
        writer.batch_execute(add).await.expect("writers add");
        assert_eq!(count(service).await, 2);
    });
}
