//! The feed of changes: none is missed and none is repeated, whatever overlaps.
//!
//! A transaction of any database on a server holds up the feeds of all of them, so that tests which look for changes have a
//! server of their own.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use harness::{Client, Service, Setup, clients, id, is_large, product_path, service, service_with};
use http::Method;
use local::{lambda::REGION, stack::checkout};
use serde_json::{Value, json};
use shared::resource::laws::rfc_7396;
use tokio::{
    process::Command,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    cache::stress::percentile,
    iam::{principal, signed_setup, signing::Call},
    typescript,
};

/// A service on a server of its own.
fn alone(test: impl AsyncFnOnce(&Service)) {
    service_with(Setup { own_server: Some(Vec::new()), ..Setup::default() }, test);
}

/// Someone who keeps a copy of the catalogue in step by the feed alone.
#[derive(Debug, Default)]
struct Follower {
    cursor: Option<String>,
    /// The version of each resource and, unless it was deleted, the resource.
    copy: BTreeMap<(String, String), (i64, Value)>,
    changes: usize,
}

impl Follower {
    /// Applies a page, and returns its length.
    ///
    /// # Panics
    /// When a change does not follow the one before it.
    async fn look(&mut self, client: &Client, query: &str) -> usize {
        let cursor = self.cursor.as_ref().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let page = client.get(&format!("/v1/changes?{query}{cursor}")).await.expect(200).json();
        self.cursor = Some(page["next_cursor"].as_str().expect("a cursor").to_owned());
        let items = page["items"].as_array().expect("items");
        for item in items {
            self.apply(item);
        }
        items.len()
    }

    fn apply(&mut self, change: &Value) {
        let text = |member: &str| change[member].as_str().expect("text").to_owned();
        let (version, state) = self.copy.entry((text("resource"), text("id"))).or_default();
        assert_eq!(change["version"], *version + 1, "one after the other: {change}");
        *version += 1;
        *state = match &change["changes"] {
            Value::Null => Value::Null,
            changes => rfc_7396(state.take(), changes),
        };
        self.changes += 1;
    }

    /// Reads all there is.
    async fn catch_up(&mut self, client: &Client) {
        while self.look(client, "limit=7").await > 0 {}
    }

    /// What is left, by id, without members that are null.
    fn catalogue(&self) -> BTreeMap<String, Value> {
        let left = self.copy.iter().filter(|(_, (_, state))| !state.is_null());
        left.map(|((_, id), (_, state))| (id.clone(), state.clone())).collect()
    }
}

/// The catalogue as clients read it, by id, without members that are null.
async fn catalogue(service: &Service) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for list in ["/v1/products?limit=100", "/v1/artisans?limit=100"] {
        for mut item in service.walk(list).await {
            let id = id(&item).to_owned();
            item.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
            all.insert(id, item);
        }
    }
    all
}

#[test]
fn every_change_of_every_resource_is_listed_once_and_in_order() {
    alone(async |service| {
        let client = service.client();
        let mut follower = Follower::default();
        assert_eq!(follower.look(client, "").await, 0, "nothing has changed yet");
        let maker = service.create_artisan(json!({"given_name": "Hanako", "family_name": "Sato"})).await;
        let product = service.create_product(json!({"name": "Cup", "price": 1})).await;
        let path = product_path(&product);
        client.patch(&path, &json!({"price": 2, "artisan_id": maker["id"]})).await.expect(200);
        client.patch(&path, &json!({"price": 2})).await.expect(200);
        client.post("/v1/products", &json!({"name": "Dish", "price": -1})).await.problem(422);
        follower.catch_up(client).await;
        assert_eq!(follower.catalogue(), catalogue(service).await);
        assert_eq!(follower.changes, 3, "a patch that changes nothing is no change");
        client.delete(&path).await.expect(204);
        assert_eq!(follower.look(client, "").await, 1, "the cursor of the end goes on");
        assert_eq!(follower.look(client, "").await, 0);
        assert_eq!(follower.catalogue(), catalogue(service).await);

        let page = client.get("/v1/changes?resource=artisan").await.expect(200).json();
        let [only] = page["items"].as_array().expect("items").as_slice() else { panic!("{page}") };
        let history = service.walk(&format!("{}/history", harness::artisan_path(&maker))).await;
        assert_eq!(*only, history[0], "an entry of the history");
        assert_eq!((&only["resource"], &only["id"]), (&json!("artisan"), &maker["id"]));
        let next = format!(
            "/v1/changes?resource=artisan&cursor={}",
            page["next_cursor"].as_str().expect("a cursor")
        );
        assert_eq!(client.get(&next).await.expect(200).json()["items"], json!([]));
        client.patch(&harness::artisan_path(&maker), &json!({"family_name": "Abe"})).await.expect(200);
        let page = client.get(&next).await.expect(200).json();
        assert_eq!(harness::texts(page["items"].as_array().expect("items"), "operation"), ["patchArtisan"]);
    });
}

/// What was written first is committed last.
#[test]
fn a_change_waits_for_those_that_began_before_it() {
    alone(async |service| {
        let client = service.client();
        let write = "insert into history (resource, resource_id, version, operation, request_id)
            values ('product', gen_random_uuid(), 1, $1, 'r')";
        for (end, expected) in
            [("commit", vec!["slow", "createProduct"]), ("rollback", vec!["createProduct"])]
        {
            let mut slow = service.database().await;
            let open = slow.transaction().await.expect("a transaction");
            open.execute(write, &[&"slow"]).await.expect("a row");
            let start = client.get("/v1/changes?since=9999-01-01T00:00:00Z").await.expect(200).json();
            service.create_product(json!({"name": "Cup", "price": 1})).await;
            let next = format!("/v1/changes?cursor={}", start["next_cursor"].as_str().expect("a cursor"));
            let page = client.get(&next).await.expect(200).json();
            assert_eq!(page["items"], json!([]), "not yet");
            match end {
                "commit" => open.commit().await,
                _ => open.rollback().await,
            }
            .expect("an end");
            for path in
                [next, format!("/v1/changes?cursor={}", page["next_cursor"].as_str().expect("a cursor"))]
            {
                let page = client.get(&path).await.expect(200).json();
                assert_eq!(
                    harness::texts(page["items"].as_array().expect("items"), "operation"),
                    expected,
                    "{end}"
                );
            }
        }
    });
}

#[test]
fn a_time_starts_the_feed_and_no_later_change_is_missed() {
    alone(async |service| {
        let client = service.client();
        for name in ["First", "Second", "Third"] {
            service.create_product(json!({"name": name, "price": 1})).await;
        }
        let names = async |path: &str| {
            let page = client.get(path).await.expect(200).json();
            let changes = page["items"].as_array().expect("items").iter().map(|item| item["changes"].clone());
            harness::texts(&changes.collect::<Vec<_>>(), "name")
        };
        let all = client.get("/v1/changes").await.expect(200).json();
        let at = all["items"][1]["at"].as_str().expect("a time");
        assert_eq!(names(&format!("/v1/changes?since={at}")).await, ["Second", "Third"]);
        for long_ago in ["1970-01-01T00:00:00Z", "0000-01-01T00:00:00%2B14:00"] {
            assert_eq!(names(&format!("/v1/changes?since={long_ago}")).await, ["First", "Second", "Third"]);
        }
        assert_eq!(names(&format!("/v1/changes?since={at}&limit=1")).await, ["Second"]);
        // The clock of a client may be ahead.
        let end = client.get("/v1/changes?since=9999-12-31T23:59:59.999Z").await.expect(200).json();
        assert_eq!(end["items"], json!([]));
        service.create_product(json!({"name": "Fourth", "price": 1})).await;
        let cursor = end["next_cursor"].as_str().expect("a cursor");
        for rest in ["", "&since=2999-01-01T00:00:00Z", "&wait=1"] {
            assert_eq!(names(&format!("/v1/changes?cursor={cursor}{rest}")).await, ["Fourth"], "{rest}");
        }
        let other = client.get(&format!("/v1/changes?cursor={cursor}&resource=product")).await;
        assert_eq!(other.faults(400), ["cursor"], "a cursor may be past changes of other resources");
    });
}

#[test]
fn invalid_parameters_are_named() {
    service(async |service| {
        for (query, named) in [
            ("resource=kiln", vec!["resource"]),
            ("resource=", vec!["resource"]),
            ("since=yesterday", vec!["since"]),
            ("since=", vec!["since"]),
            ("wait=21", vec!["wait"]),
            ("wait=-1", vec!["wait"]),
            ("wait=1.5", vec!["wait"]),
            ("wait=1&wait=1", vec!["wait"]),
            ("limit=0&cursor=x&sort=name", vec!["limit", "sort"]),
            ("cursor=x", vec!["cursor"]),
        ] {
            assert_eq!(
                service.client().get(&format!("/v1/changes?{query}")).await.faults(400),
                named,
                "{query}"
            );
        }
    });
}

#[test]
fn a_request_that_waits_is_answered_by_the_next_change_or_at_its_end() {
    alone(async |service| {
        let client = service.client();
        let mut follower = Follower::default();
        let start = Instant::now();
        assert_eq!(follower.look(client, "wait=1").await, 0);
        assert!(start.elapsed() > Duration::from_millis(700), "{:?}", start.elapsed());
        let waiting = tokio::spawn({
            let client = client.clone();
            async move {
                let found = follower.look(&client, "wait=20").await;
                (found, Instant::now())
            }
        });
        sleep(Duration::from_secs(1)).await;
        assert!(!waiting.is_finished(), "there is nothing yet");
        service.create_product(json!({"name": "Cup", "price": 1})).await;
        let written = Instant::now();
        let (found, answered) = waiting.await.expect("an answer");
        assert_eq!(found, 1);
        let delay = answered.saturating_duration_since(written);
        eprintln!("a change reached a waiting follower {delay:?} after the writer's answer");
        assert!(delay < Duration::from_secs(5), "{delay:?}");
    });
}

/// As after a restore from a dump to a new server, whose transactions are counted from the start.
#[test]
fn a_restored_database_continues_after_what_it_holds() {
    alone(async |service| {
        let client = service.client();
        let mut follower = Follower::default();
        service.create_product(json!({"name": "Cup", "price": 1})).await;
        let owner = service.database().await;
        let shift = "update history set position = position + 1000000000";
        owner.batch_execute(shift).await.expect("positions of another server");
        let url = service.database_url();
        assert_eq!(migrate::migrate(&url).await.expect("a migration"), ["offset of the feed"]);
        assert!(migrate::migrate(&url).await.expect("a migration").is_empty(), "it is raised once");
        follower.catch_up(client).await;
        service.create_product(json!({"name": "Dish", "price": 1})).await;
        follower.catch_up(client).await;
        assert_eq!((follower.changes, follower.catalogue()), (2, catalogue(service).await));
    });
}

/// Writes to a few resources that everybody writes to and to its own, until the end.
async fn write(client: Client, number: usize, hot: Arc<Vec<String>>, is_over: Arc<AtomicBool>) {
    let json = [("content-type", "application/json")];
    let mut own: Option<String> = None;
    for turn in 0_usize.. {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        // Requests may fail: sessions are terminated. What the database holds in the end is what counts.
        match (turn + number) % 4 {
            0 => match own.take() {
                Some(path) => drop(client.delete(&path).await),
                None => {
                    let body = json!({"name": format!("Own {number}"), "price": turn});
                    let made = client.post("/v1/products", &body).await;
                    own = (made.status == 201).then(|| made.header("location").to_owned());
                }
            },
            _ => {
                let path = &hot[(turn * 7 + number) % hot.len()];
                let body = json!({"price": turn * 1000 + number}).to_string();
                client.send(Method::PATCH, path, &json, body).await;
            }
        }
    }
}

/// Holds transactions that have written open, and takes back every second one.
async fn dawdle(service: &Service, is_over: &AtomicBool) -> usize {
    let mut held = 0;
    let write = "insert into history (resource, resource_id, version, operation, request_id, changes)
        values ('product', gen_random_uuid(), 1, 'dawdle', 'r', jsonb_build_object('id', 'x'))";
    while !is_over.load(Ordering::Relaxed) {
        let mut connection = service.database().await;
        let open = connection.transaction().await.expect("a transaction");
        open.execute(write, &[]).await.expect("a row");
        sleep(Duration::from_millis(700)).await;
        let ended = if held % 2 == 0 { open.rollback().await } else { open.commit().await };
        ended.expect("an end");
        held += 1;
    }
    held
}

#[test]
fn copies_of_followers_equal_the_catalogue_whatever_overlaps() {
    alone(async |service| {
        let mut hot = Vec::new();
        for number in 0..5 {
            hot.push(product_path(
                &service.create_product(json!({"name": format!("Hot {number}"), "price": 0})).await,
            ));
        }
        let (hot, is_over) = (Arc::new(hot), Arc::new(AtomicBool::new(false)));
        let (mut writers, mut followers) = (JoinSet::new(), JoinSet::new());
        for number in 0..100 {
            writers.spawn(write(service.client().clone(), number, Arc::clone(&hot), Arc::clone(&is_over)));
        }
        let has_settled = Arc::new(AtomicBool::new(false));
        for number in 0..10 {
            let (client, has_settled) = (service.client().clone(), Arc::clone(&has_settled));
            let limit = [1, 3, 20, 100][number % 4];
            followers.spawn(async move {
                let mut follower = Follower::default();
                // Once nobody writes any more, an empty page is the end.
                loop {
                    let is_last = has_settled.load(Ordering::Relaxed);
                    let found = follower.look(&client, &format!("limit={limit}&wait=1")).await;
                    if is_last && found == 0 {
                        return follower;
                    }
                }
            });
        }
        let database = service.database().await;
        let terminate = async {
            let end = Instant::now() + Duration::from_secs(if is_large() { 60 } else { 10 });
            let mut terminated = 0;
            while Instant::now() < end {
                sleep(Duration::from_millis(500)).await;
                let sql = "select pg_terminate_backend(pid) from pg_stat_activity
                    where application_name in ('create-product', 'patch-product', 'delete-product') and random() < 0.3";
                terminated += database.query(sql, &[]).await.expect("terminations").len();
            }
            is_over.store(true, Ordering::Relaxed);
            terminated
        };
        let (terminated, held) = tokio::join!(terminate, dawdle(service, &is_over));
        timeout(Duration::from_secs(60), writers.join_all()).await.expect("writers end");
        has_settled.store(true, Ordering::Relaxed);
        let followers = timeout(Duration::from_secs(120), followers.join_all()).await.expect("followers end");
        let count = "select count(*) from history";
        let changes: i64 = database.query_one(count, &[]).await.expect("a count").get(0);
        let expected = catalogue(service).await;
        for follower in &followers {
            let mut copy = follower.catalogue();
            copy.retain(|_, state| state["id"] != "x");
            assert_eq!(i64::try_from(follower.changes).ok(), Some(changes), "each change once");
            assert_eq!(copy, expected);
        }
        eprintln!(
            "{changes} changes, {terminated} sessions terminated, {held} transactions held, 10 equal copies"
        );
        assert!(changes > 500 && terminated > 20 && held > 5, "the test covers too little");
    });
}

/// Fills the history with a million changes, each of a transaction of its own.
const MILLION: &str = "
    alter table history disable trigger history_place_in_feed;
    insert into history (resource, resource_id, version, operation, request_id, changes, inverse, at, position)
    select
      case n % 10 when 0 then 'artisan' else 'product' end,
      ('00000000-0000-7000-8000-' || lpad((n % 100000)::text, 12, '0'))::uuid,
      n / 100000 + 1, 'patchProduct', 'r', jsonb_build_object('price', n), jsonb_build_object('price', n - 1),
      timestamptz '2026-01-01' + n * interval '1 s', n
    from generate_series(1, 1000000) n;
    alter table history enable trigger history_place_in_feed;
    analyze history";

#[test]
#[ignore = "fills a table with a million rows: cargo xtask test --large a_million_changes"]
fn a_million_changes_are_read_as_fast_as_a_few() {
    alone(async |service| {
        let (client, owner) = (service.client(), service.database().await);
        owner.batch_execute(MILLION).await.expect("changes");
        // The ids of transactions are lower.
        migrate::migrate(&service.database_url()).await.expect("an offset");
        let read = async |query: String| {
            let start = Instant::now();
            let page = client.get(&format!("/v1/changes?{query}")).await.expect(200).json();
            (start.elapsed(), page["next_cursor"].as_str().expect("a cursor").to_owned())
        };
        for (what, filter) in [("all", "limit=100"), ("artisans", "limit=100&resource=artisan")] {
            let mut pages = Vec::new();
            for hour in 0..270 {
                let since = jiff::Timestamp::from_second(1_767_225_600 + hour * 3_600).expect("a time");
                let (_, cursor) = read(format!("{filter}&since={since}")).await;
                pages.push(read(format!("{filter}&cursor={cursor}")).await.0);
            }
            let [median, p95] = [50, 95].map(|percent| percentile(&mut pages, percent));
            eprintln!("a page of {what} among a million: median {median:?}, p95 {p95:?}");
            assert!(p95 < Duration::from_millis(100), "{p95:?}");
        }
        let (first, _) = read("limit=100&since=2026-01-01T00:00:00Z".to_owned()).await;
        let (last, cursor) = read("limit=100&since=2026-01-12T13:00:00Z".to_owned()).await;
        eprintln!("the start at the first time: {first:?}, at the last: {last:?}");
        let (end, _) = read(format!("limit=100&cursor={cursor}")).await;
        eprintln!("the end: {end:?}");

        let insert =
            "insert into history (resource, resource_id, version, operation, request_id, changes, inverse)
            values ('product', $1, 1, 'o', 'r', '{\"price\": 2}', '{\"price\": 1}')";
        let write = async |what: &str| {
            let insert = owner.prepare(insert).await.expect("a statement");
            let mut times = Vec::new();
            for _ in 0..5_000 {
                let start = Instant::now();
                owner.execute(&insert, &[&uuid::Uuid::now_v7()]).await.expect("a row");
                times.push(start.elapsed());
            }
            let [median, p95] = [50, 95].map(|percent| percentile(&mut times, percent));
            eprintln!("an entry of the history {what}: median {median:?}, p95 {p95:?}");
        };
        write("with its position").await;
        owner
            .batch_execute("drop index history_position_idx; drop trigger history_place_in_feed on history")
            .await
            .expect("as before");
        write("without").await;
    });
}

/// The copy that a program of docs/following-changes.md keeps in `file`, after it has caught up.
async fn copy(url: &str, file: &Path, is_python: bool) -> BTreeMap<String, Value> {
    let file = file.to_str().expect("a path in UTF-8");
    let admin = principal("admin");
    let keys = [
        ("AWS_ACCESS_KEY_ID", admin.access_key_id.as_str()),
        ("AWS_SECRET_ACCESS_KEY", &admin.secret_access_key),
        ("AWS_REGION", REGION),
    ];
    if is_python {
        let program = checkout().join("tests/clients/follow.py");
        clients::run(clients::python().envs(keys).arg(program).args([url, file, "--once"]), "").await;
        let print = "import json, sqlite3, sys
rows = sqlite3.connect(sys.argv[1]).execute('select id, content from resources')
print(json.dumps({id: json.loads(content) for id, content in rows}))";
        let output = clients::run(clients::python().args(["-c", print, file]), "").await;
        return serde_json::from_slice(&output.stdout).expect("a copy");
    }
    typescript::compiled().await;
    let program = checkout().join("tests/typescript/build/follow.js");
    let mut node = Command::new("node");
    clients::run(node.envs(keys).arg(program).args([url, file, "--once"]), "").await;
    let copy = std::fs::read(file).expect("a copy");
    let copy: Value = serde_json::from_slice(&copy).expect("JSON");
    let of_kind = |kind: &str| serde_json::from_value(copy["resources"][kind].clone()).expect("resources");
    let [mut all, artisans]: [BTreeMap<String, Value>; 2] = ["product", "artisan"].map(of_kind);
    all.extend(artisans);
    all
}

#[test]
fn programs_in_python_and_typescript_keep_copies_in_step() {
    let setup = Setup { own_server: Some(Vec::new()), ..signed_setup() };
    service_with(setup, async |service| {
        let folder = tempfile::tempdir().expect("a folder");
        let files = [("copy.sqlite", true), ("copy.json", false)];
        let url = service.client().url();
        let call = async |method: &str, path: &str, body: Value| {
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let call = Call::new(url, method, path, &body);
            call.signed(&principal("admin"), SystemTime::now()).send(url).await
        };
        let list = async |path: &str| {
            let page = call("GET", path, Value::Null).await.expect(200).json();
            assert_eq!(page["next_cursor"], Value::Null);
            let items = page["items"].as_array().expect("items").clone();
            items.into_iter().map(|item| (id(&item).to_owned(), item)).collect::<BTreeMap<_, _>>()
        };
        let are_equal = async |written: &str| {
            let mut expected = list("/v1/artisans?limit=100").await;
            for currency in ["EUR", "JPY"] {
                expected.extend(list(&format!("/v1/products?currency={currency}&limit=100")).await);
            }
            for (file, is_python) in files {
                assert_eq!(
                    copy(url, &folder.path().join(file), is_python).await,
                    expected,
                    "{file} {written}"
                );
            }
        };
        let sato = json!({"given_name": "Hanako", "family_name": "Sato"});
        let maker = call("POST", "/v1/artisans", sato).await.expect(201).header("location").to_owned();
        // More than a page.
        let mut products = Vec::new();
        for number in 0..110 {
            let currency = if number % 2 == 0 { "EUR" } else { "JPY" };
            let cup = json!({"name": format!("Cup {number}"), "price": number, "currency": currency});
            products.push(call("POST", "/v1/products", cup).await.expect(201).header("location").to_owned());
        }
        are_equal("at first").await;
        let artisan_id = maker.rsplit('/').next();
        for path in &products[..105] {
            let patch = json!({"price": 7, "artisan_id": artisan_id, "description": "Fired twice"});
            call("PATCH", path, patch).await.expect(200);
        }
        call("PATCH", &products[0], json!({"artisan_id": null, "description": null})).await.expect(200);
        call("DELETE", &products[1], Value::Null).await.expect(204);
        call("POST", "/v1/products", json!({"name": "New", "price": 1})).await.expect(201);
        call("PATCH", &maker, json!({"family_name": "Abe"})).await.expect(200);
        are_equal("after changes").await;
        // What it was before is not known any more.
        call("PATCH", &maker, json!({"family_name": "Endo"})).await.expect(200);
        let forget = format!("select forget_contents('artisan', '{}')", artisan_id.expect("an id"));
        service.database().await.batch_execute(&forget).await.expect("contents are erased");
        are_equal("after contents were erased").await;
    });
}
