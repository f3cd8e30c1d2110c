//! Search keys of an earlier release are found, and are updated while the API serves.

use harness::{id, product_path, service};
use migrate::migrate;
use serde_json::{Value, json};
use tokio_postgres::Client;

/// The statement of a release before versions.
const OLD_INSERT: &str =
    "insert into products (id, name, search_key, price, currency, created_at, updated_at)
    values (gen_random_uuid(), 'ガラス鉢', 'ガラス鉢', 1, 'JPY', now(), now())";

/// The search key of the product `name`, and the key's version.
async fn key(database: &Client, name: &str) -> (String, i32) {
    let sql = "select search_key, search_version from products where name = $1";
    let row = database.query_one(sql, &[&name]).await.expect("a row");
    (row.get(0), row.get(1))
}

#[test]
fn rows_of_an_earlier_release_are_found_by_their_own_folding_until_they_have_keys_of_this_one() {
    service(async |service| {
        let database = service.database().await;
        service.create_product(json!({"name": "ガラス皿", "price": 2})).await;
        database.batch_execute(OLD_INSERT).await.expect("a row");
        assert_eq!(key(&database, "ガラス皿").await, ("がらす皿".to_owned(), 2));
        assert_eq!(key(&database, "ガラス鉢").await, ("ガラス鉢".to_owned(), 1));
        let both = ["ガラス皿", "ガラス鉢"];
        for sort in ["relevance", "name", "price"] {
            let path =
                format!("/v1/products/search?limit=1&q=%EF%BD%B6%EF%BE%9E%EF%BE%97%EF%BD%BD&sort={sort}");
            let mut found = service.names(&path).await;
            found.sort();
            assert_eq!(found, both, "{sort}");
        }
        let hiragana = "/v1/products/search?q=%E3%81%8C%E3%82%89%E3%81%99";
        assert_eq!(service.names(hiragana).await, ["ガラス皿"]);

        let versions = "select id::text || version || updated_at from products order by id";
        let before: Vec<String> = texts(&database, versions).await;
        assert_eq!(migrate(&service.database_url()).await.expect("a migration"), ["search keys of 1 rows"]);
        assert_eq!(service.names(hiragana).await, both);
        assert_eq!(key(&database, "ガラス鉢").await, ("がらす鉢".to_owned(), 2));
        assert_eq!(texts(&database, versions).await, before, "no client sees a change");
        assert!(migrate(&service.database_url()).await.expect("a migration").is_empty());
    });
}

async fn texts(database: &Client, sql: &str) -> Vec<String> {
    database.query(sql, &[]).await.expect("rows").iter().map(|row| row.get(0)).collect()
}

/// While functions of two releases serve, the earlier release changes rows that the later one has written.
#[test]
fn what_an_earlier_release_writes_is_known_as_its_own() {
    service(async |service| {
        let database = service.database().await;
        service.create_product(json!({"name": "カップ", "price": 2})).await;
        let old_update = "update products set name = 'ガラス', search_key = 'ガラス', version = version + 1";
        database.batch_execute(old_update).await.expect("a change");
        assert_eq!(key(&database, "ガラス").await, ("ガラス".to_owned(), 1));
        let search = "/v1/products/search?q=%EF%BD%B6%EF%BE%9E%EF%BE%97%EF%BD%BD";
        let found = service.walk(search).await;
        assert_eq!(found.len(), 1);

        // A change that does not affect the name leaves its key, whatever its version.
        let path = product_path(&found[0]);
        service.client().patch(&path, &json!({"price": 3})).await.expect(200);
        assert_eq!(key(&database, "ガラス").await, ("ガラス".to_owned(), 1));
        service.client().patch(&path, &json!({"name": "ガラス器"})).await.expect(200);
        assert_eq!(key(&database, "ガラス器").await, ("がらす器".to_owned(), 2));
        database.batch_execute("update products set price = 9").await.expect("a change by hand");
        assert_eq!(key(&database, "ガラス器").await.1, 2);
    });
}

/// If one of two names is changed, the row still has to be updated, since its other key is old.
#[test]
fn a_row_with_keys_of_two_versions_is_made_again() {
    service(async |service| {
        let database = service.database().await;
        let names = json!({"given_name": "アオイ", "family_name": "サトウ"});
        let artisan = service.create_artisan(names).await;
        let old = "update artisans set given_key = 'アオイ', family_key = 'サトウ'";
        database.batch_execute(old).await.expect("old keys");
        let path = format!("/v1/artisans/{}", id(&artisan));
        service.client().patch(&path, &json!({"given_name": "ミドリ"})).await.expect(200);
        let version = "select search_version::text from artisans";
        assert_eq!(texts(&database, version).await, ["1"]);
        assert_eq!(migrate(&service.database_url()).await.expect("a migration"), ["search keys of 1 rows"]);
        assert_eq!(texts(&database, version).await, ["2"]);
        let search = "/v1/artisans/search?q=%E3%81%95%E3%81%A8%E3%81%86%20%E3%81%BF%E3%81%A9%E3%82%8A";
        let found: Vec<Value> = service.walk(search).await;
        assert_eq!(found.len(), 1, "さとう みどり");

        service.client().patch(&path, &json!({"family_name": "タナカ"})).await.expect(200);
        assert_eq!(texts(&database, version).await, ["2"]);
    });
}

/// More rows than a batch, some of which are locked by a write meanwhile.
#[test]
fn keys_are_made_again_while_writes_go_on() {
    service(async |service| {
        let database = service.database().await;
        let fill = "insert into products (id, name, search_key, price, currency, created_at, updated_at)
            select gen_random_uuid(), 'カップ ' || n, 'カップ ' || n, 1, 'JPY', now(), now() from generate_series(1, 1200) n";
        database.batch_execute(fill).await.expect("rows");
        let writes = async {
            for number in 1..=60 {
                let sql = "select id::text from products where name = $1";
                let row = database.query_one(sql, &[&format!("カップ {number}")]).await.expect("a row");
                let path = format!("/v1/products/{}", row.get::<_, String>(0));
                service.client().patch(&path, &json!({"price": number})).await.expect(200);
            }
        };
        let url = service.database_url();
        let (done, ()) = tokio::join!(migrate(&url), writes);
        assert_eq!(done.expect("a migration"), ["search keys of 1200 rows"]);
        let left = "select name from products where search_version <> 2 or search_key <> 'かっぷ ' || split_part(name, ' ', 2)";
        assert_eq!(texts(&database, left).await, Vec::<String>::new());
        let prices = "select count(*)::text from products where price = 1";
        assert_eq!(texts(&database, prices).await, ["1141"], "no write is lost");
    });
}

/// A write and a batch record the same leads of names, and each waits for a row that the other has locked.
#[test]
fn keys_are_made_again_after_a_deadlock() {
    service(async |service| {
        let database = service.database().await;
        let fill = "insert into products (id, name, search_key, price, currency, created_at, updated_at)
            select lpad(n::text, 32, '0')::uuid, name, name, 1, 'JPY', now(), now()
            from unnest(array['アクア', 'イルカ']) with ordinality names (name, n)";
        database.batch_execute(fill).await.expect("rows");
        let mut writer = service.database().await;
        let writer = writer.transaction().await.expect("a transaction");
        let note = "insert into products_leads (gram, lead) values ($1, $2) on conflict do nothing";
        writer.execute(note, &[&"い", &"イ"]).await.expect("a lead");
        let url = service.database_url();
        let write = async {
            let waiting = "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
            while database.query_opt(waiting, &[]).await.expect("an answer").is_none() {
                tokio::task::yield_now().await;
            }
            // One of the two fails: the one that detects the deadlock first.
            let _ = writer.execute(note, &[&"あ", &"ア"]).await;
            let _ = writer.commit().await;
        };
        let (done, ()) = tokio::join!(migrate(&url), write);
        assert_eq!(done.expect("a migration"), ["search keys of 2 rows"]);
        assert_eq!(key(&database, "イルカ").await, ("いるか".to_owned(), 2));
    });
}
