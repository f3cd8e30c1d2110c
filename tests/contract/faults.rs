//! Faults between the functions and PostgreSQL: no write is lost or repeated, and clients wait only a bounded time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use harness::{Client, Service, Setup, id, is_large, product_path, service, service_with};
use http::Method;
use serde_json::{Value, json};
use tokio::{
    process::Command,
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

async fn signal(signal: &str, pid: u32) {
    let sent = Command::new("kill").args([signal, &pid.to_string()]).status().await;
    assert!(sent.expect("kill runs").success(), "kill {signal} {pid}");
}

/// The number of a client's responses, and of failures among them.
#[derive(Default)]
struct Tally {
    answers: watch::Sender<u64>,
    failed: AtomicU64,
}

impl Tally {
    fn count(&self, is_answered: bool) {
        self.failed.fetch_add(u64::from(!is_answered), Ordering::Relaxed);
        self.answers.send_modify(|answers| *answers += 1);
    }
}

/// The sums of `tallies`: responses, failures.
fn figures(tallies: &[Arc<Tally>]) -> (u64, u64) {
    tallies.iter().fold((0, 0), |(answers, failed), tally| {
        (answers + *tally.answers.borrow(), failed + tally.failed.load(Ordering::Relaxed))
    })
}

/// Reads until `stop` is set.
async fn read(client: Client, path: String, tally: Arc<Tally>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        tally.count(client.get(&path).await.status == 200);
    }
}

/// Repeatedly creates a product, changes it with If-Match, and sometimes deletes it. Records the acknowledged writes.
async fn write(
    client: Client,
    writer: u64,
    tally: Arc<Tally>,
    stop: Arc<AtomicBool>,
) -> Vec<(String, Value)> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let created =
            client.post("/v1/products", &json!({"name": format!("{writer} {number}"), "price": 0})).await;
        tally.count(created.status == 201);
        if created.status != 201 {
            continue;
        }
        let (path, tag) = (created.header("location").to_owned(), created.header("etag").to_owned());
        let headers = [("content-type", "application/json"), ("if-match", tag.as_str())];
        let patched = client.send(Method::PATCH, &path, &headers, r#"{"price": 1}"#).await;
        assert_ne!(
            patched.status, 412,
            "the function mistook its own write for another client's: {}",
            patched.body
        );
        tally.count(patched.status == 200);
        let mut expected =
            if patched.status == 200 { json!({"price": 1, "version": 2}) } else { json!("price 0 or 1") };
        if number % 4 == 0 {
            let deleted = client.delete(&path).await;
            assert_ne!(deleted.status, 404, "the function mistook its own deletion for another client's");
            tally.count(deleted.status == 204);
            expected = if deleted.status == 204 { json!("gone") } else { json!("anything") };
        }
        acknowledged.push((path, expected));
    }
    acknowledged
}

/// Compares the acknowledged writes with the database.
async fn check(service: &Service, acknowledged: &[(String, Value)]) {
    let database = service.database().await;
    let rows =
        database.query("select id::text, name, price, version from products", &[]).await.expect("products");
    let mut names = std::collections::HashSet::new();
    let mut products = std::collections::HashMap::new();
    for row in rows {
        let (id, name, price, version): (String, String, i64, i64) =
            (row.get(0), row.get(1), row.get(2), row.get(3));
        assert!(names.insert(name.clone()), "{name} was created twice");
        assert!(
            (price, version) == (0, 1) || (price, version) == (1, 2),
            "{name} was changed twice: {version}"
        );
        products.insert(format!("/v1/products/{id}"), (price, version));
    }
    // The history has each version once, and nothing else.
    let sql = "select count(*) from (
          select resource_id, max(version) as last, count(*) as told, bool_or(operation = 'deleteProduct') as is_deleted
          from history group by resource_id
        ) h full join products p on p.id = h.resource_id
        where told is distinct from last or is_deleted is distinct from (p.id is null)
          or (p.id is not null and p.version is distinct from last)";
    let untrue: i64 = database.query_one(sql, &[]).await.expect("a count").get(0);
    assert_eq!(untrue, 0, "histories that do not match their products");
    for (path, expected) in acknowledged {
        match (expected, products.get(path)) {
            (Value::Object(_), Some(found)) => assert_eq!(*found, (1, 2), "{path}"),
            (Value::Object(_), None) => panic!("{path} is lost"),
            (Value::String(text), found) if text == "gone" => assert_eq!(found, None, "{path} is back"),
            (Value::String(text), None) if text != "anything" => panic!("{path} is lost"),
            _ => {}
        }
    }
}

#[test]
fn sessions_that_are_terminated_all_the_time_cost_no_write_and_no_read() {
    service(async |service| {
        let product = service.create_product(json!({"name": "Read", "price": 0})).await;
        let tallies = || [(); 4].map(|()| Arc::new(Tally::default()));
        let (reads, writes) = (tallies(), tallies());
        let stop = Arc::new(AtomicBool::new(false));
        let (mut readers, mut writers) = (JoinSet::new(), JoinSet::new());
        for (number, (reads, writes)) in (0..).zip(reads.iter().zip(&writes)) {
            let (client, path) = (service.client().clone(), product_path(&product));
            readers.spawn(read(client.clone(), path, Arc::clone(reads), Arc::clone(&stop)));
            writers.spawn(write(client, number, Arc::clone(writes), Arc::clone(&stop)));
        }
        let database = service.database().await;
        let mut terminated = 0;
        let end = Instant::now() + Duration::from_secs(if is_large() { 180 } else { 20 });
        while Instant::now() < end {
            // Twice, so that the second attempt is lost as well. Then not again before each of these requests has its
            // response: a third loss would fail the request, and on a busy machine a login takes longer than any pause.
            for _ in 0..2 {
                sleep(Duration::from_millis(100)).await;
                let sql = "select pg_terminate_backend(pid) from pg_stat_activity
                    where datname = current_database() and pid <> pg_backend_pid()";
                terminated += database.query(sql, &[]).await.expect("terminations").len();
            }
            let all: Vec<_> = reads.iter().chain(&writes).map(|tally| tally.answers.subscribe()).collect();
            for mut answers in all {
                let answered = timeout(Duration::from_secs(30), answers.changed()).await;
                answered.expect("a client at work").expect("its tally is here");
            }
        }
        stop.store(true, Ordering::Relaxed);
        readers.join_all().await;
        let acknowledged = writers.join_all().await.concat();
        check(service, &acknowledged).await;
        let ((read, unread), (written, unwritten)) = (figures(&reads), figures(&writes));
        eprintln!(
            "terminated {terminated} sessions: {read} reads, {unread} failed; {written} writes, {unwritten} failed, \
             0 lost, 0 doubled"
        );
        assert!(terminated > 100 && read > 200 && written > 200, "the test covers too little");
        assert_eq!((unread, unwritten), (0, 0), "reads and writes that failed");
    });
}

#[test]
fn a_frozen_postgresql_is_503_within_the_deadline_and_leaves_nothing_behind() {
    service_with(Setup { own_server: Some(Vec::new()), ..Setup::default() }, async |service| {
        let path = product_path(&service.create_product(json!({"name": "Cup", "price": 0})).await);
        service.client().get(&path).await.expect(200);
        let database = service.database().await;
        let backends: Vec<i32> = database
            .query("select pid from pg_stat_activity where pid <> pg_backend_pid()", &[])
            .await
            .expect("backends")
            .iter()
            .map(|row| row.get(0))
            .collect();
        let postmaster = service.server().lock().await.pid();
        let all: Vec<u32> = backends.iter().map(|pid| pid.unsigned_abs()).chain([postmaster]).collect();
        for pid in &all {
            signal("-STOP", *pid).await;
        }
        let frozen = Instant::now();
        let mut requests = JoinSet::new();
        for _ in 0..5 {
            let (client, path) = (service.client().clone(), path.clone());
            requests.spawn(async move {
                let asked = Instant::now();
                client.get(&path).await.problem(503);
                asked.elapsed()
            });
        }
        let waits = requests.join_all().await;
        sleep(Duration::from_secs(10).saturating_sub(frozen.elapsed())).await;
        for pid in &all {
            signal("-CONT", *pid).await;
        }
        eprintln!("PostgreSQL frozen for 10 s: 503 after {waits:?}");
        assert!(waits.iter().all(|wait| *wait < Duration::from_secs(11)), "{waits:?}");
        service.client().get(&path).await.expect(200);
        let environments = service.functions().environments("get-product");
        let sql = "select count(*) from pg_stat_activity where application_name = 'get-product'";
        let mut sessions = i64::MAX;
        for _ in 0..100 {
            sessions = database.query_one(sql, &[]).await.expect("a count").get(0);
            if sessions <= i64::try_from(environments.len()).expect("a few") {
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
        assert!(
            sessions <= i64::try_from(environments.len()).expect("a few"),
            "{sessions} sessions are left"
        );
    });
}

#[test]
fn a_function_that_was_frozen_while_its_connection_was_cut_answers_the_next_request() {
    service(async |service| {
        let path = product_path(&service.create_product(json!({"name": "Cup", "price": 0})).await);
        let create = json!({"name": "Dish", "price": 0});
        service.client().get(&path).await.expect(200);
        let database = service.database().await;
        for round in 0..5 {
            let frozen: Vec<u32> = ["get-product", "create-product", "patch-product"]
                .iter()
                .flat_map(|name| service.functions().environments(name))
                .map(|environment| environment.pid)
                .collect();
            for pid in &frozen {
                signal("-STOP", *pid).await;
            }
            // When the process wakes up, the last messages of the connections are unread in its sockets.
            let sql = "select pg_terminate_backend(pid) from pg_stat_activity
                where datname = current_database() and pid <> pg_backend_pid()";
            database.query(sql, &[]).await.expect("terminations");
            for pid in &frozen {
                signal("-CONT", *pid).await;
            }
            service.client().get(&path).await.expect(200);
            service.client().post("/v1/products", &create).await.expect(201);
            let tag = service.client().get(&path).await.header("etag").to_owned();
            let headers = [("content-type", "application/json"), ("if-match", tag.as_str())];
            let body = json!({"price": round + 1}).to_string();
            service.client().send(Method::PATCH, &path, &headers, body).await.expect(200);
        }
        assert_eq!(service.count_products().await, 6);
    });
}

#[test]
fn two_hundred_environments_open_at_most_one_connection_each() {
    let settings = vec![("max_connections".to_owned(), "300".to_owned())];
    let setup = Setup { own_server: Some(settings), max_environments: Some(200), ..Setup::default() };
    service_with(setup, async |service| {
        let product = service.create_product(json!({"name": "Cup", "price": 0})).await;
        let database = service.database().await;
        // Every read waits for the lock, so none can reuse another read's process.
        database
            .batch_execute("begin; lock table products in access exclusive mode")
            .await
            .expect("the lock");
        let mut requests = JoinSet::new();
        for _ in 0..200 {
            let (client, path) = (service.client().clone(), product_path(&product));
            requests.spawn(async move { client.get(&path).await.expect(200) });
        }
        let sql = "select count(*), count(*) filter (where wait_event_type = 'Lock') from pg_stat_activity
            where application_name = 'get-product'";
        let observer = service.database().await;
        let (mut most, mut waiting) = (0_i64, 0_i64);
        let end = Instant::now() + Duration::from_secs(8);
        while waiting < 200 && Instant::now() < end {
            let row = observer.query_one(sql, &[]).await.expect("a count");
            most = most.max(row.get(0));
            waiting = row.get(1);
            sleep(Duration::from_millis(20)).await;
        }
        database.batch_execute("commit").await.expect("the lock is released");
        let answered = requests.join_all().await.len();
        let environments = service.functions().environments("get-product").len();
        eprintln!("{environments} environments, at most {most} connections, {answered} answers");
        assert!(most <= i64::try_from(environments).expect("a few hundred"), "{most} connections");
        assert!(environments > 20, "{environments} environments");
    });
}

#[test]
fn roles_can_do_no_more_than_their_operations() {
    service(async |service| {
        let product = service.create_product(json!({"name": "Cup", "price": 0})).await;
        let database = service.database().await;
        for (role, statement, allowed) in [
            ("catalog_reader", "select 1 from products, artisans", true),
            ("catalog_reader", "insert into artisans select * from artisans", false),
            ("catalog_reader", "update products set price = 1", false),
            ("catalog_reader", "delete from products", false),
            ("catalog_reader", "select 1 from idempotency_keys", false),
            ("catalog_reader", "select 1 from history", true),
            ("catalog_reader", "create table t ()", false),
            ("catalog_writer", "update products set price = price", true),
            ("catalog_writer", "truncate products", false),
            ("catalog_writer", "create table t ()", false),
            ("catalog_writer", "alter table products add column c int", false),
            ("catalog_writer", "drop table products", false),
            ("catalog_writer", "create index i on products (price)", false),
            ("catalog_writer", "create role r", false),
        ] {
            let sql = format!("begin; set local role {role}; {statement}; rollback");
            let result = database.batch_execute(&sql).await;
            database.batch_execute("rollback").await.expect("a rollback");
            assert_eq!(result.is_ok(), allowed, "{role}: {statement}: {result:?}");
        }
        assert_eq!(id(&service.client().get(&product_path(&product)).await.expect(200).json()), id(&product));
    });
}
