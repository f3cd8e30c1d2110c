//! Tests of every resource, derived from its description: its table, and what clients can do with it.

use std::collections::{BTreeMap, BTreeSet};

use domain::Visitor;
use harness::{Service, encoded, service};
use http::Method;
use serde_json::{Value, json};
use shared::resource::{Resource, column_names, laws};
use tokio_postgres::error::SqlState;

/// The columns that every table has.
const COMMON: [&str; 5] = ["id", "version", "created_at", "updated_at", "changed_by_request"];

/// The columns of a table that statements write; the database generates the others.
async fn written(service: &Service, table: &str) -> BTreeSet<String> {
    let question = "select column_name::text from information_schema.columns
        where table_schema = 'public' and table_name = $1 and is_generated = 'NEVER'";
    let rows = service.database().await.query(question, &[&table]).await.expect("columns");
    rows.iter().map(|row| row.get(0)).collect()
}

/// The columns in every resource's description, plus those that every table has, by table.
#[derive(Default)]
struct Described(Vec<(&'static str, BTreeSet<String>)>);

impl Visitor for Described {
    fn visit<T: Resource>(&mut self) {
        let columns = column_names::<T>().into_iter().chain(COMMON).map(str::to_owned).collect();
        self.0.push((T::TABLE, columns));
    }
}

#[test]
fn every_column_of_a_table_is_described_and_there_are_no_others() {
    service(async |service| {
        let mut described = Described::default();
        domain::visit(&mut described);
        for (table, columns) in described.0 {
            assert_eq!(
                written(service, table).await,
                columns,
                "{table}: the columns and the described columns"
            );
        }
    });
}

/// A resource from a client's point of view.
struct Known {
    r#type: &'static str,
    name: &'static str,
    table: &'static str,
    example: Value,
    with_nulls: Value,
    patch: Value,
    /// The required members.
    required: Vec<&'static str>,
    orders: Vec<&'static str>,
    is_searched: bool,
}

#[derive(Default)]
struct All(Vec<Known>);

impl Visitor for All {
    fn visit<T: Resource>(&mut self) {
        let is_required = |field: &&shared::resource::Field| field.default.is_none() && !field.is_nullable;
        self.0.push(Known {
            r#type: T::TYPE,
            name: T::NAME,
            table: T::TABLE,
            example: T::example(),
            with_nulls: laws::with_nulls::<T>(),
            patch: T::patch_example(),
            required: T::FIELDS.iter().filter(is_required).map(|field| field.name).collect(),
            orders: T::ORDERS.iter().map(|order| order.word).collect(),
            is_searched: !T::MATCHES.is_empty(),
        });
    }
}

fn all() -> Vec<Known> {
    let mut all = All::default();
    domain::visit(&mut all);
    all.0
}

/// Whether the contract has `method` for a path below `/v1/<table>`.
fn has(contract: &Value, method: &str, table: &str, rest: &str) -> bool {
    contract["paths"][format!("/v1/{table}{rest}")][method].is_object()
}

/// Creates the resources that `body` refers to, and sets their ids in `body`.
async fn with_references(service: &Service, all: &[Known], mut body: Value) -> Value {
    for known in all {
        let member = format!("{}_id", known.name);
        if body[&member].is_string() {
            let example = Box::pin(with_references(service, all, known.example.clone())).await;
            body[&member] = create(service, known.table, &example).await["id"].clone();
        }
    }
    body
}

async fn create(service: &Service, table: &str, body: &Value) -> Value {
    let json = [("content-type", "application/json")];
    let created = service.client().send(Method::POST, &format!("/v1/{table}"), &json, body.to_string()).await;
    created.expect(201).json()
}

/// Asserts that `resource` has the members of `sent`.
fn assert_has(resource: &Value, sent: &Value) {
    for (name, value) in sent.as_object().expect("an object") {
        assert_eq!(resource[name], *value, "{name} of {resource}");
    }
}

#[test]
fn every_resource_is_created_read_changed_and_deleted_with_a_history() {
    service(async |service| {
        let (all, contract) = (all(), api::document::document().expect("the contract"));
        for known in &all {
            let table = known.table;
            let example = with_references(service, &all, known.example.clone()).await;
            let created = create(service, table, &example).await;
            assert_has(&created, &example);
            let path = format!("/v1/{table}/{}", harness::id(&created));
            let read = service.client().get(&path).await.expect(200);
            assert_eq!(read.json(), created);

            let patched = service.client().patch(&path, &known.patch).await.expect(200).json();
            assert_eq!(patched["version"], 2, "{patched}");
            let changed = known.patch.as_object().expect("an object");
            for (name, value) in changed.iter().filter(|(_, value)| !value.is_null()) {
                assert_eq!(patched[name], *value, "{name} of {patched}");
            }
            let again = service.client().patch(&path, &known.patch).await.expect(200).json();
            assert_eq!(again, patched, "a patch without a difference changes nothing");
            // Each member separately: a new version number alone does not show that the member was changed.
            let mut last = again;
            for (name, value) in example.as_object().expect("an object") {
                let changed = service.client().patch(&path, &json!({name: value})).await.expect(200).json();
                let is_other = last[name] != *value;
                assert_eq!(
                    changed["version"].as_i64(),
                    last["version"].as_i64().map(|it| it + i64::from(is_other))
                );
                assert_eq!(changed[name], *value, "{name} of {changed}");
                last = changed;
            }
            if has(&contract, "put", table, "/{id}") {
                let body = with_references(service, &all, known.with_nulls.clone()).await;
                let json = [("content-type", "application/json")];
                let replaced = service.client().send(Method::PUT, &path, &json, body.to_string()).await;
                assert_has(&replaced.expect(200).json(), &body);
            }
            for name in &known.required {
                let mut body = example.clone();
                body.as_object_mut().expect("an object").remove(*name);
                let json = [("content-type", "application/json")];
                let path = format!("/v1/{table}");
                let refused = service.client().send(Method::POST, &path, &json, body.to_string());
                assert_eq!(refused.await.faults(422), [format!("/{name}")]);
            }

            let history = service.walk(&format!("{path}/history?limit=1")).await;
            let current = service.client().get(&path).await.expect(200).json();
            assert_eq!(history[0]["version"], current["version"]);
            assert_eq!(json!(history.len()), current["version"], "an entry for each version");
            service.client().send(Method::DELETE, &path, &[], "").await.expect(204);
            service.client().get(&path).await.expect(404);
        }
    });
}

#[test]
fn every_order_of_every_list_shows_each_row_once_whatever_is_null() {
    service(async |service| {
        let all = all();
        for known in &all {
            let bodies =
                [&known.example, &known.with_nulls, &known.example, &known.with_nulls, &known.with_nulls];
            for body in bodies {
                let body = with_references(service, &all, body.clone()).await;
                create(service, known.table, &body).await;
            }
        }
        for Known { table, orders, is_searched, example, .. } in &all {
            let rows: i64 = {
                let count = format!("select count(*) from {table}");
                service.database().await.query_one(&count, &[]).await.expect("a count").get(0)
            };
            let mut by_order = BTreeMap::new();
            for order in orders {
                let walked = service.walk(&format!("/v1/{table}?limit=2&sort={order}")).await;
                let ids: Vec<_> = walked.iter().map(|item| harness::id(item).to_owned()).collect();
                let seen: BTreeSet<_> = ids.iter().cloned().collect();
                assert_eq!(
                    (ids.len(), seen.len()),
                    (usize::try_from(rows).unwrap(), ids.len()),
                    "{table} {order}"
                );
                by_order.insert(*order, ids);
            }
            for (order, ids) in &by_order {
                if let Some(ascending) = order.strip_prefix('-').and_then(|bare| by_order.get(bare)) {
                    assert!(ids.iter().eq(ascending.iter().rev()), "{table}: {order} is not the reverse");
                }
            }
            if *is_searched {
                let texts = example.as_object().expect("an object").values().filter_map(Value::as_str);
                let mut found = false;
                for text in texts.filter(|text| text.chars().count() <= 64) {
                    let path = format!("/v1/{table}/search?limit=1&q={}", encoded(text));
                    found |= !service.walk(&path).await.is_empty();
                }
                assert!(found, "{table}: no text of the example is found");
            }
        }
    });
}

/// Without these triggers, searches of the resource would not tolerate typos.
#[test]
fn every_searched_table_learns_the_words_that_are_written() {
    service(async |service| {
        let database = service.database().await;
        for Known { name, table, .. } in all().into_iter().filter(|known| known.is_searched) {
            let question = "select count(*), count(*) filter (where pg_get_triggerdef(oid) like '% AFTER INSERT %')
                from pg_trigger
                where tgrelid = $1::text::regclass and pg_get_triggerdef(oid) like '%learn_search_words(''' || $2 || ''')'";
            let row = database.query_one(question, &[&table, &name]).await.expect("triggers");
            assert_eq!(
                (row.get::<_, i64>(0), row.get::<_, i64>(1)),
                (2, 1),
                "{table}: after insert and after update"
            );
        }
    });
}

/// Each bound in the contract is also a check constraint of the table, so that no row can violate it.
#[test]
fn every_bound_of_a_member_is_a_check_of_its_column() {
    service(async |service| {
        let (all, contract) = (all(), api::document::document().expect("the contract"));
        for Known { r#type, table, example, .. } in &all {
            let example = with_references(service, &all, example.clone()).await;
            create(service, table, &example).await;
            let members = contract["components"]["schemas"][format!("New{type}")]["properties"].as_object();
            for (name, schema) in members.expect("members") {
                let is_of = |kind: &str| schema["type"] == kind || schema["type"][0] == kind;
                let mut outside = Vec::new();
                if is_of("integer") {
                    outside.extend(schema["minimum"].as_i64().and_then(|min| min.checked_sub(1)));
                    outside.extend(schema["maximum"].as_i64().and_then(|max| max.checked_add(1)));
                }
                let mut outside: Vec<_> = outside.iter().map(i64::to_string).collect();
                if schema["format"] == "date" {
                    outside.extend(["'infinity'", "'-infinity'", "'0001-12-31 BC'"].map(str::to_owned));
                }
                for value in outside {
                    let update = format!("update {table} set {name} = {value}");
                    let refused = service.database().await.batch_execute(&update).await;
                    let code = refused.err().and_then(|error| error.code().cloned());
                    assert_eq!(
                        code,
                        Some(SqlState::CHECK_VIOLATION),
                        "no client may send {value}, and the table takes it: add a check on {table}.{name}"
                    );
                }
            }
        }
    });
}
