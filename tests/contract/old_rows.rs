//! Rows that the service would not write, from an older release, an import, or a manual repair. No value of a column
//! may fail a read of its row, or of a list that contains it.

use std::collections::BTreeSet;

use harness::{Service, Setup, empty_database, product_path, service, service_with};
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Times as PostgreSQL writes them, and as clients read them: the nearest time that `jiff` and RFC 3339 support.
const TIMES: [(&str, &str); 9] = [
    ("-infinity", "0001-01-01T00:00:00Z"),
    ("4714-11-24 00:00:00+00 BC", "0001-01-01T00:00:00Z"),
    ("0001-01-01 00:00:00+00", "0001-01-01T00:00:00Z"),
    ("1900-01-01 00:00:00+00", "1900-01-01T00:00:00Z"),
    ("1969-12-31 23:59:59.5+00", "1969-12-31T23:59:59.5Z"),
    ("9999-12-30 00:00:00+00", "9999-12-30T00:00:00Z"),
    ("10000-01-01 00:00:00+00", "9999-12-30T22:00:00Z"),
    ("294276-12-31 23:59:59.999999+00", "9999-12-30T22:00:00Z"),
    ("infinity", "9999-12-30T22:00:00Z"),
];

/// Every kind of value that a row could have without constraints.
const FILL: &str = r#"
    alter table history alter column principal drop not null;

    create temporary table times (at timestamptz);
    create temporary table texts (text text);
    insert into texts values
      (''), (' '), (E'\x01\x02\x1f\x7f'), (E'line\nbreak\ttab\rreturn'), (E'\u0085\u2028\u2029\ufeff\u202e\u00ad\u3164'),
      (E'e\u0301 not in NFC'), (E'\U0010ffff\U0001f9d1\u200d\U0001f33e'), ('"\ </script>'), (repeat('long ', 500));
    insert into texts select string_agg(md5(n::text), '') from generate_series(1, 35) n;
    create temporary table numbers (number bigint);
    insert into numbers values (0), (-1), (9007199254740993), (9223372036854775807), (-9223372036854775808);"#;

const ROWS: &str = "
    insert into artisans (id, given_name, given_key, family_name, family_key, biography, version, created_at, updated_at)
    select gen_random_uuid(), t.text, t.text, t.text, t.text, t.text, 1, now(), now() from texts t
    union all
    select gen_random_uuid(), 'old', 'old', 'old', 'old', '', 1, t.at, t.at from times t
    union all
    select gen_random_uuid(), 'old', 'old', 'old', 'old', '', n.number, now(), now() from numbers n;
    insert into products (id, name, search_key, description, price, currency, version, created_at, updated_at)
    select gen_random_uuid(), t.text, t.text, t.text, 1, t.text, 1, now(), now() from texts t where length(t.text) < 100
    union all
    select gen_random_uuid(), t.text, t.text, t.text, 1, 'DEM', 1, now(), now() from texts t
    union all
    select gen_random_uuid(), 'old', 'old', '', 1, 'JPY', 1, t.at, t.at from times t
    union all
    select gen_random_uuid(), 'old', 'old', '', n.number, 'JPY', 1, now(), now() from numbers n
    union all
    select gen_random_uuid(), 'old', 'old', '', 1, 'JPY', n.number, now(), now() from numbers n;
    update products set artisan_id = (select id from artisans where given_name = 'old' limit 1);
    insert into history (resource, resource_id, version, operation, principal, at, request_id, reason)
    select 'product', p.id, row_number() over (partition by p.id), t.text, t.text, '-infinity', t.text, t.text
    from products p, texts t where p.name = '';
    insert into history (resource, resource_id, version, operation, principal, at, request_id, reason)
    select 'artisan', a.id, row_number() over (partition by a.id), '', null, t.at, '', null
    from artisans a, times t where a.given_name = '';";

async fn fill(service: &Service) {
    let owner = service.database().await;
    owner.batch_execute(harness::DROP_CHECKS).await.expect("no constraints");
    owner.batch_execute(FILL).await.expect("tables of values");
    for (time, _) in TIMES {
        let insert = format!("insert into times values ('{time}')");
        owner.batch_execute(&insert).await.expect("a time");
    }
    owner.batch_execute(ROWS).await.expect("rows");
}

async fn ids(service: &Service, sql: &str) -> BTreeSet<String> {
    let rows = service.database().await.query(sql, &[]).await.expect("ids");
    rows.iter().map(|row| row.get(0)).collect()
}

/// The ids of all items of a list, each of which must appear once.
async fn walked(service: &Service, list: &str) -> BTreeSet<String> {
    let items = service.walk(list).await;
    let ids: BTreeSet<_> = items.iter().map(|item| harness::id(item).to_owned()).collect();
    assert_eq!(ids.len(), items.len(), "{list} shows an item twice");
    ids
}

#[test]
fn no_value_fails_a_list_and_a_walk_sees_each_row_once() {
    service(async |service| {
        fill(service).await;
        let products = ids(service, "select id::text from products").await;
        let artisans = ids(service, "select id::text from artisans").await;
        let old = ids(service, "select id::text from artisans where given_name = 'old'").await;
        for sort in ["-created_at", "created_at", "name", "price", "-price"] {
            assert_eq!(
                walked(service, &format!("/v1/products?limit=1&sort={sort}")).await,
                products,
                "{sort}"
            );
        }
        for sort in ["-created_at", "created_at", "name"] {
            assert_eq!(
                walked(service, &format!("/v1/artisans?limit=1&sort={sort}")).await,
                artisans,
                "{sort}"
            );
        }
        assert_eq!(walked(service, "/v1/artisans/search?q=old&limit=1").await, old);
        let named = ids(service, "select id::text from products where name like '%l%'").await;
        assert_eq!(walked(service, "/v1/products/search?q=l&limit=1").await, named);
        let owner = ids(service, "select distinct artisan_id::text from products").await;
        let owner = owner.first().expect("an artisan");
        assert_eq!(walked(service, &format!("/v1/artisans/{owner}/products?limit=1")).await, products);
        for (resource, count) in [("products", 10), ("artisans", 9)] {
            let told = format!(
                "select distinct resource_id::text from history where resource = '{}'",
                &resource[..7]
            );
            for id in ids(service, &told).await {
                let entries = service.walk(&format!("/v1/{resource}/{id}/history?limit=1")).await;
                assert_eq!(entries.len(), count);
            }
        }
    });
}

#[test]
fn no_value_fails_a_read_with_a_cache_or_without() {
    for cache in [None, Some(Vec::new())] {
        service_with(Setup { cache, ..Setup::default() }, async |service| {
            fill(service).await;
            for (resource, table) in [("products", "products"), ("artisans", "artisans")] {
                for id in ids(service, &format!("select id::text from {table}")).await {
                    let path = format!("/v1/{resource}/{id}");
                    let first = service.client().get(&path).await.expect(200);
                    for _ in 0..2 {
                        let again = service.client().get(&path).await.expect(200);
                        assert_eq!(again.json(), first.json());
                        for header in ["etag", "last-modified"] {
                            assert_ne!(first.header(header), "", "{path}");
                            assert_eq!(again.header(header), first.header(header), "{path}");
                        }
                    }
                    service.client().send(Method::HEAD, &path, &[], "").await.expect(200);
                    let condition = [("if-none-match", first.header("etag"))];
                    service.client().send(Method::GET, &path, &condition, "").await.expect(304);
                    let condition = [("if-modified-since", first.header("last-modified"))];
                    service.client().send(Method::GET, &path, &condition, "").await.expect(304);
                    let condition = [("if-unmodified-since", first.header("last-modified"))];
                    service.client().send(Method::GET, &path, &condition, "").await.expect(200);
                }
            }
        });
    }
}

#[test]
fn a_time_beyond_the_calendar_is_read_as_its_first_or_last_moment() {
    service(async |service| {
        fill(service).await;
        let query = "select id::text from products where updated_at = $1::text::timestamptz";
        for (time, read) in TIMES {
            let owner = service.database().await;
            let id: String = owner.query_one(query, &[&time]).await.expect("one row").get(0);
            let product = service.client().get(&format!("/v1/products/{id}")).await.expect(200);
            let (body, read) = (product.json(), read.parse::<Timestamp>().expect("a time"));
            for member in ["created_at", "updated_at"] {
                let text = body[member].as_str().expect("a text");
                assert_eq!((text.len() <= 27, text.parse().ok()), (true, Some(read)), "{time}: {text}");
            }
            let name: Value = json!({"name": "Renamed"});
            service.client().patch(&product_path(&body), &name).await.expect(200);
        }
    });
}

#[test]
fn times_beyond_the_calendar_are_refused() {
    service(async |service| {
        service.create_product(json!({"name": "Cup", "price": 1})).await;
        service.create_artisan(json!({"given_name": "Hanako", "family_name": "Sato"})).await;
        let owner = service.database().await;
        for table in ["products", "artisans"] {
            for column in ["created_at", "updated_at"] {
                for (time, _) in TIMES.iter().filter(|(time, read)| !read.starts_with(&time[..4])) {
                    let update = format!("update {table} set {column} = '{time}'");
                    let error = owner.batch_execute(&update).await.expect_err(&update);
                    let name =
                        error.as_db_error().and_then(|error| error.constraint().map(ToOwned::to_owned));
                    assert_eq!(name, Some(format!("{table}_{column}_check")), "{update}");
                }
            }
        }
    });
}

/// Rows from before the constraints existed, in a database that is migrated afterwards.
#[test]
fn times_beyond_the_calendar_are_repaired() {
    empty_database(async |url| {
        let is_before = |migration: &&migrate::Migration| migration.version() < 8;
        let before: Vec<_> = migrate::embedded().iter().filter(is_before).cloned().collect();
        assert_eq!(migrate::migrate_by(url, &before).await.expect("a schema of before").len(), 7);
        let owner = local::postgres::connect(url).await.expect("a connection");
        let rows = "
            insert into products (id, name, search_key, price, currency, created_at, updated_at)
            values (gen_random_uuid(), 'Cup', 'cup', 1, 'JPY', 'infinity', '-infinity');
            insert into artisans (id, given_name, given_key, family_name, family_key, created_at, updated_at)
            values (gen_random_uuid(), 'Hanako', 'hanako', 'Sato', 'sato', '-infinity', 'infinity')";
        owner.batch_execute(rows).await.expect("old rows");
        assert!(migrate::migrate(url).await.expect("migrations").len() >= 4);
        let repaired = "
            select count(*) from (select created_at, updated_at from products
              union all select created_at, updated_at from artisans) all_rows
            where created_at > now() - interval '1 min' and updated_at > now() - interval '1 min'
              and greatest(created_at, updated_at) <= now()";
        let repaired: i64 = owner.query_one(repaired, &[]).await.expect("a count").get(0);
        assert_eq!(repaired, 2);
    });
}
