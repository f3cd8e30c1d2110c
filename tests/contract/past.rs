//! What each version was: read again as it was answered, and told by what was changed between two of them.

use harness::{Response, Service, artisan_path, product_path, service};
use http::Method;
use serde_json::{Map, Value, json};
use shared::resource::laws::rfc_7396;

use crate::history::{PRODUCT, send};

/// A representation without members that are null, which a merge patch cannot tell from missing ones.
fn without_nulls(mut value: Value) -> Value {
    if let Value::Object(members) = &mut value {
        members.retain(|_, value| !value.is_null());
    }
    value
}

/// Creates a resource, changes it by `writes` and returns its path and each version as it was answered.
async fn versions(
    service: &Service,
    collection: &str,
    first: Value,
    writes: &[(Method, Value)],
) -> (String, Vec<Response>) {
    let client = service.client();
    let created = client.post(collection, &first).await.expect(201);
    let path = created.header("location").to_owned();
    let mut answers = vec![created];
    for (method, body) in writes {
        answers.push(send(service, method.clone(), &path, &[], body).await.expect(200));
    }
    (path, answers)
}

async fn every_kind_of_resource(service: &Service) -> [(String, Vec<Response>); 2] {
    let maker = service.create_artisan(json!({"given_name": "Hanako", "family_name": "Sato"})).await;
    let of_product = [
        (Method::PATCH, json!({"price": 2, "artisan_id": maker["id"]})),
        (Method::PATCH, json!({"description": "茶碗\n\"\\\u{1f9d1}", "artisan_id": null})),
        (Method::PATCH, json!({"price": i64::MAX})),
        (Method::PUT, json!({"name": "Mug", "price": 0, "currency": "EUR"})),
    ];
    let of_artisan = [
        (Method::PATCH, json!({"family_name": "Abe"})),
        (Method::PATCH, json!({"biography": "First line\nand another", "given_name": "Aoi"})),
    ];
    let cup = json!({"name": "Cup", "price": 1});
    let sato = json!({"given_name": "Hanako", "family_name": "Sato"});
    [
        versions(service, "/v1/products", cup, &of_product).await,
        versions(service, "/v1/artisans", sato, &of_artisan).await,
    ]
}

/// Every version, by its number, is what was answered when it was made.
async fn are_readable(service: &Service, path: &str, answers: &[Response]) {
    for (version, answer) in (1..).zip(answers) {
        let past = service.client().get(&format!("{path}?version={version}")).await.expect(200);
        assert_eq!(past.body, answer.body, "{path} {version}");
        for header in ["etag", "last-modified"] {
            assert_eq!(past.header(header), answer.header(header), "{path} {version}");
        }
        let tag = [("if-none-match", answer.header("etag"))];
        let known = format!("{path}?version={version}");
        service.client().send(Method::GET, &known, &tag, "").await.expect(304);
    }
}

#[test]
fn every_version_reads_as_it_was_answered_also_after_the_deletion() {
    service(async |service| {
        for (path, answers) in every_kind_of_resource(service).await {
            let client = service.client();
            let latest = answers.len();
            are_readable(service, &path, &answers).await;
            client.get(&format!("{path}?version={}", latest + 1)).await.problem(404);
            client.delete(&path).await.expect(204);
            are_readable(service, &path, &answers).await;
            client.get(&path).await.problem(404);
            for version in [latest + 1, latest + 2] {
                client.get(&format!("{path}?version={version}")).await.problem(404);
            }
        }
    });
}

#[test]
fn a_version_is_a_whole_number_and_other_parameters_are_ignored() {
    service(async |service| {
        let path = product_path(&service.create_product(json!({"name": "Cup", "price": 1})).await);
        for wrong in ["0", "-1", "1.0", "x", "", "9223372036854775808", "1&version=1"] {
            let faults = service.client().get(&format!("{path}?version={wrong}")).await.faults(400);
            assert_eq!(faults, ["version"], "{wrong}");
        }
        service.client().get(&format!("{path}?version=9223372036854775807")).await.problem(404);
        service.client().get(&format!("{path}?_=1")).await.expect(200);
        let nobody = format!("/v1/products/{}?version=1", uuid::Uuid::now_v7());
        service.client().get(&nobody).await.problem(404);
    });
}

#[test]
fn history_says_what_was_changed_and_what_takes_it_back() {
    service(async |service| {
        for (path, answers) in every_kind_of_resource(service).await {
            service.client().delete(&path).await.expect(204);
            let mut entries = service.walk(&format!("{path}/history?limit=2")).await;
            let deletion = entries.remove(0);
            entries.reverse();
            assert_eq!(entries.len(), answers.len());
            let mut before = Value::Null;
            for (entry, answer) in entries.iter().zip(&answers) {
                let after = answer.json();
                let (changes, inverse) = (&entry["changes"], &entry["inverse"]);
                let patched = rfc_7396(before.clone(), changes);
                assert_eq!(without_nulls(patched), without_nulls(after.clone()), "{path}");
                if before.is_null() {
                    assert_eq!((changes, inverse), (&after, &Value::Null), "{path}");
                } else {
                    assert_eq!(
                        without_nulls(rfc_7396(after.clone(), inverse)),
                        without_nulls(before.clone()),
                        "{path}"
                    );
                    let differs = |name: &&String| before[name.as_str()] != after[name.as_str()];
                    let members = after.as_object().map(Map::keys).expect("an object");
                    let changed: Vec<_> = members.filter(differs).collect();
                    for patch in [changes, inverse] {
                        let mut named: Vec<_> = patch.as_object().map(Map::keys).expect("a patch").collect();
                        named.sort();
                        let mut changed = changed.clone();
                        changed.sort();
                        assert_eq!(named, changed, "{path}: nothing but what differs");
                    }
                }
                before = after;
            }
            assert_eq!((&deletion["changes"], &deletion["inverse"]), (&Value::Null, &before), "{path}");
        }
    });
}

/// As after an update from a release that kept none.
#[test]
fn versions_before_one_without_contents_are_not_known_and_those_after_it_are() {
    service(async |service| {
        for (path, answers) in every_kind_of_resource(service).await {
            let id = answers[0].json()["id"].as_str().expect("an id").parse::<uuid::Uuid>().expect("an id");
            let forget =
                "update history set changes = null, inverse = null where resource_id = $1 and version = 2";
            assert_eq!(service.database().await.execute(forget, &[&id]).await.expect("an update"), 1);
            let client = service.client();
            for (version, answer) in (1..).zip(&answers) {
                let past = client.get(&format!("{path}?version={version}")).await;
                if version == 1 {
                    past.problem(404);
                } else {
                    assert_eq!(past.expect(200).body, answer.body, "{path} {version}");
                }
            }
            let entries = service.walk(&format!("{path}/history")).await;
            let of_second = &entries[entries.len() - 2];
            assert_eq!((&of_second["changes"], &of_second["inverse"]), (&Value::Null, &Value::Null));
        }
    });
}

#[test]
fn only_the_owner_can_forget_contents_and_who_did_what_stays() {
    service(async |service| {
        let artisan = service.create_artisan(json!({"given_name": "Hanako", "family_name": "Sato"})).await;
        let (path, client) = (artisan_path(&artisan), service.client());
        client.patch(&path, &json!({"family_name": "Abe"})).await.expect(200);
        client.delete(&path).await.expect(204);
        let id = artisan["id"].as_str().expect("an id");
        let forget = format!("select forget_contents('artisan', '{id}')");
        for role in [shared::Role::Reader, shared::Role::Writer] {
            let error = service.database_as(role).await.query_one(&forget, &[]).await.expect_err("refused");
            assert_eq!(error.code().map(|code| code.code()), Some("42501"), "{role:?}");
        }
        let owner = service.database().await;
        let count = async || owner.query_one(&forget, &[]).await.expect("a count").get::<_, i64>(0);
        assert_eq!((count().await, count().await), (3, 0));
        let entries = service.walk(&format!("{path}/history")).await;
        assert_eq!(entries.len(), 3);
        assert!(entries.iter().all(|entry| entry["changes"].is_null() && entry["inverse"].is_null()));
        for version in [1, 2] {
            client.get(&format!("{path}?version={version}")).await.problem(404);
        }
    });
}

/// By hand, from a backup: the versions before and after its deletion are told apart.
#[test]
fn versions_of_a_restored_row_are_those_of_both_its_lives() {
    service(async |service| {
        let client = service.client();
        let owner = service.database().await;
        let first = client.post("/v1/products", &json!({"name": "Cup", "price": 1})).await.expect(201);
        let path = first.header("location").to_owned();
        let back_up = format!("create table backup as select {PRODUCT} from products");
        owner.batch_execute(&back_up).await.expect("a backup");
        let second = client.patch(&path, &json!({"price": 2})).await.expect(200);
        client.delete(&path).await.expect(204);
        let restore = format!("insert into products ({PRODUCT}) select {PRODUCT} from backup");
        owner.batch_execute(&restore).await.expect("a row");
        let fourth = client.patch(&path, &json!({"name": "Mug"})).await.expect(200);
        assert_eq!(fourth.json()["version"], 4);
        for (version, answer) in [(1, &first), (2, &second), (4, &fourth)] {
            let past = client.get(&format!("{path}?version={version}")).await.expect(200);
            assert_eq!(past.body, answer.body, "{version}");
        }
        client.get(&format!("{path}?version=3")).await.problem(404);
    });
}
