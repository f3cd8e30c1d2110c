//! A walk through all pages of a list sees every row that existed all the time exactly once, whatever happens
//! meanwhile.

use std::collections::{HashMap, HashSet};

use harness::{Service, id, service};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::json;

/// The list of all products and a search that finds all of them, each in every order.
fn lists() -> Vec<String> {
    let orders = ["-created_at", "created_at", "name", "price", "-price"];
    let lists = orders.map(|order| format!("/v1/products?sort={order}"));
    let searches = orders.map(|order| format!("/v1/products/search?q=bowl&sort={order}"));
    lists.into_iter().chain(searches).chain(["/v1/products/search?q=BOWL".to_owned()]).collect()
}

/// A change between two pages.
#[derive(Debug, Clone)]
enum Event {
    Insert { name: u8, price: u8 },
    Delete { index: prop::sample::Index },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..5_u8, 0..5_u8).prop_map(|(name, price)| Event::Insert { name, price }),
        any::<prop::sample::Index>().prop_map(|index| Event::Delete { index }),
    ]
}

#[derive(Debug, Clone)]
struct Scenario {
    list: String,
    limit: usize,
    rows: Vec<(u8, u8)>,
    events: Vec<Vec<Event>>,
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let lists = prop::sample::select(lists());
    let rows = prop::collection::vec((0..5_u8, 0..5_u8), 0..25);
    let events = prop::collection::vec(prop::collection::vec(event(), 0..4), 0..30);
    (lists, 1..6_usize, rows, events).prop_map(|(list, limit, rows, events)| Scenario {
        list,
        limit,
        rows,
        events,
    })
}

#[test]
fn a_walk_sees_every_surviving_product_exactly_once() {
    let cases = 60;
    service(async |service| {
        // proptest's runner is synchronous and the API is not, so the walk runs on the runtime from another thread.
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        let outcome = tokio::task::block_in_place(|| {
            runner.run(&scenario(), |scenario| {
                tokio::task::block_in_place(|| {
                    tokio::runtime::Handle::current().block_on(walk(service, &scenario));
                });
                Ok(())
            })
        });
        if let Err(failure) = outcome {
            panic!("{failure}");
        }
    });
}

async fn insert(database: &tokio_postgres::Client, name: u8, price: u8) -> String {
    // Times collide on purpose, so that the id has to break the tie.
    let sql = "insert into products (id, name, search_key, price, currency, created_at, updated_at)
        values (gen_random_uuid(), $1, lower($1), $2, 'JPY', date_trunc('second', now()), now()) returning id::text";
    let row =
        database.query_one(sql, &[&format!("Bowl {name}"), &i64::from(price)]).await.expect("an insert");
    row.get(0)
}

async fn walk(service: &Service, scenario: &Scenario) {
    let database = service.database().await;
    database.execute("delete from products", &[]).await.expect("an empty catalogue");
    let mut alive = Vec::new();
    for (name, price) in &scenario.rows {
        alive.push(insert(&database, *name, *price).await);
    }
    let mut survivors: HashSet<_> = alive.iter().cloned().collect();
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut events = scenario.events.iter();
    let first = format!("{}&limit={}", scenario.list, scenario.limit);
    let mut path = first.clone();
    loop {
        let page = service.client().get(&path).await.expect(200).json();
        for item in page["items"].as_array().expect("items") {
            *seen.entry(id(item).to_owned()).or_default() += 1;
        }
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("{first}&cursor={cursor}");
        for event in events.next().into_iter().flatten() {
            match event {
                Event::Insert { name, price } => alive.push(insert(&database, *name, *price).await),
                Event::Delete { index } if !alive.is_empty() => {
                    let id = alive.remove(index.index(alive.len()));
                    let sql = "delete from products where id = $1::text::uuid";
                    database.execute(sql, &[&id]).await.expect("a delete");
                    survivors.remove(&id);
                }
                Event::Delete { .. } => {}
            }
        }
    }
    for (id, times) in &seen {
        assert_eq!(*times, 1, "{id} was seen {times} times");
    }
    for id in survivors {
        assert!(seen.contains_key(&id), "{id} was missed");
    }
}

#[test]
fn walks_during_concurrent_writes_miss_nothing() {
    service(async |service| {
        for number in 0..60 {
            service.create_product(json!({"name": format!("Kept bowl {number}"), "price": number % 7})).await;
        }
        let writer = tokio::spawn({
            let client = service.client().clone();
            async move {
                for number in 0..150 {
                    let body = json!({"name": format!("New bowl {number}"), "price": number % 7});
                    let created = client.post("/v1/products", &body).await.expect(201);
                    if number % 2 == 0 {
                        client.delete(created.header("location")).await.expect(204);
                    }
                }
            }
        });
        let mut walks = 0;
        while !writer.is_finished() || walks == 0 {
            for list in lists() {
                let items = service.walk(&format!("{list}&limit=9")).await;
                let ids: HashSet<_> = items.iter().map(id).collect();
                assert_eq!(ids.len(), items.len(), "{list}: a product twice");
                let kept = items
                    .iter()
                    .filter(|item| item["name"].as_str().is_some_and(|name| name.starts_with("Kept")));
                assert_eq!(kept.count(), 60, "{list}");
            }
            walks += 1;
        }
        writer.await.expect("the writer ends well");
    });
}
