//! A database that accepts connections but does not respond: each environment still has only one connection, responses
//! come in time, and reads that the cache can serve do not wait.

use std::{
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use harness::{Service, Setup, product_path, service_with};
use http::Method;
use serde_json::json;
use tokio::{task::JoinHandle, time::sleep};

/// One process for each function and, optionally, a cache whose values stay fresh for a second.
fn one_process(cache: Option<Vec<String>>) -> Setup {
    let environment = [("CACHE_TTL_SECONDS", "1"), ("CACHE_TIMEOUT_MS", "2000")];
    Setup {
        cache,
        max_environments: Some(1),
        environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        ..Setup::default()
    }
}

/// Reads `path` until it is cached, and waits until the value is stale.
async fn until_stale(service: &Service, path: &str) {
    let end = Instant::now() + Duration::from_secs(15);
    while !service.client().get(path).await.expect(200).header("cache-status").starts_with("atelier; hit") {
        assert!(Instant::now() < end, "{path} is not cached");
        sleep(Duration::from_millis(20)).await;
    }
    sleep(Duration::from_millis(1_200)).await;
}

/// Continuously counts the backends of a function's processes. A cancel request has a separate socket for a moment, but
/// no backend.
struct Backends {
    is_over: Arc<AtomicBool>,
    counting: JoinHandle<(i64, u64)>,
}

impl Backends {
    async fn watch(service: &Service, function: &'static str) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let (database, stop) = (service.database().await, Arc::clone(&is_over));
        let counting = tokio::spawn(async move {
            let sql = "select count(*) from pg_stat_activity
                where datname = current_database() and application_name = $1";
            let (mut most, mut counts) = (0, 0);
            while !stop.load(Ordering::Relaxed) {
                let count: i64 = database.query_one(sql, &[&function]).await.expect("a count").get(0);
                most = most.max(count);
                counts += 1;
                sleep(Duration::from_millis(10)).await;
            }
            (most, counts)
        });
        Self { is_over, counting }
    }

    /// The maximum number of concurrent backends, and the number of counts.
    async fn most(self) -> (i64, u64) {
        self.is_over.store(true, Ordering::Relaxed);
        self.counting.await.expect("counts")
    }
}

#[test]
fn cached_reads_under_a_lock_have_one_connection_and_do_not_wait_for_it() {
    service_with(one_process(Some(Vec::new())), async |service| {
        let path = product_path(&service.create_product(json!({"name": "Cup", "price": 1})).await);
        until_stale(service, &path).await;
        let backends = Backends::watch(service, "get-product").await;
        let locker = service.database().await;
        let lock = "begin; lock table products in access exclusive mode";
        locker.batch_execute(lock).await.expect("the lock");

        let mut waits = Vec::new();
        let locked = Instant::now();
        while locked.elapsed() < Duration::from_secs(20) {
            let asked = Instant::now();
            let stale = service.client().get(&path).await.expect(200);
            waits.push(asked.elapsed());
            let status = stale.header("cache-status");
            assert!(status.ends_with("; detail=database-unavailable"), "{status}");
        }
        let (most, counts) = backends.most().await;
        waits.sort();
        let slow = waits.iter().filter(|wait| **wait > Duration::from_millis(500)).count();
        let [median, p99, longest] =
            [waits.len() / 2, waits.len() * 99 / 100, waits.len() - 1].map(|index| waits[index]);
        eprintln!(
            "a lock for 20 s: {} stale reads, {slow} of them waited for the database; p50 {median:?}, p99 {p99:?}, \
             {longest:?} at most; {most} backends at most in {counts} counts",
            waits.len()
        );
        assert!(most == 1 && counts > 100, "{most} backends in {counts} counts");
        // One connection attempt of a second at first, and one after each pause of 4 s.
        assert!((1..=6).contains(&slow), "{slow} reads waited");
        assert!(median < Duration::from_millis(250) && longest < Duration::from_secs(3), "{median:?}");

        locker.batch_execute("rollback").await.expect("the lock is released");
        let well = Instant::now();
        while !service.client().get(&path).await.expect(200).header("cache-status").contains("fwd=stale") {
            assert!(well.elapsed() < Duration::from_secs(10), "the recovery was not noticed");
            sleep(Duration::from_millis(20)).await;
        }
    });
}

#[test]
fn a_statement_that_is_too_late_is_cancelled_and_its_connection_stays() {
    service_with(one_process(None), async |service| {
        let path = product_path(&service.create_product(json!({"name": "Cup", "price": 1})).await);
        service.client().get(&path).await.expect(200);
        let observer = service.database().await;
        let backend = "select pid, state from pg_stat_activity
            where datname = current_database() and application_name = 'get-product'";
        let before: i32 = observer.query_one(backend, &[]).await.expect("one backend").get("pid");

        let backends = Backends::watch(service, "get-product").await;
        let locker = service.database().await;
        let lock = "begin; lock table products in access exclusive mode";
        locker.batch_execute(lock).await.expect("the lock");
        for _ in 0..2 {
            let asked = Instant::now();
            let response = service.client().get(&path).await;
            assert!(asked.elapsed() < Duration::from_secs(11), "{:?}", asked.elapsed());
            assert_eq!(response.header("retry-after"), "5");
            assert_eq!(response.problem(503)["carried_out"], "no");
            // The backend reports the cancellation a moment before it becomes idle.
            let end = Instant::now() + Duration::from_secs(5);
            loop {
                let row = observer.query_one(backend, &[]).await.expect("one backend");
                assert_eq!(row.get::<_, i32>("pid"), before, "the same connection");
                if row.get::<_, &str>("state") == "idle" {
                    break;
                }
                assert!(Instant::now() < end, "the statement is still running");
            }
        }
        // Any write that was certainly cancelled may be repeated.
        let create = json!({"name": "Dish", "price": 1});
        let response = service.client().post("/v1/products", &create).await;
        assert_eq!(response.header("retry-after"), "5");
        assert_eq!(response.problem(503)["carried_out"], "no");
        locker.batch_execute("rollback").await.expect("the lock is released");
        let (most, counts) = backends.most().await;
        assert!(most == 1 && counts > 100, "{most} backends in {counts} counts");

        service.client().get(&path).await.expect(200);
        assert_eq!(observer.query_one(backend, &[]).await.expect("one backend").get::<_, i32>("pid"), before);
        assert_eq!(service.count_products().await, 1);
    });
}

/// Stops processes until it is dropped.
struct Frozen(Vec<String>);

impl Frozen {
    fn new(pids: Vec<String>) -> Self {
        let frozen = Self(pids);
        assert!(frozen.signal("-STOP"), "every process exists");
        frozen
    }

    fn signal(&self, signal: &str) -> bool {
        Command::new("kill").arg(signal).args(&self.0).status().is_ok_and(|status| status.success())
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.signal("-CONT");
    }
}

#[test]
fn a_frozen_server_gets_no_further_connection_and_writes_say_that_their_fate_is_unknown() {
    let setup = Setup { own_server: Some(Vec::new()), is_proxied: true, ..one_process(Some(Vec::new())) };
    service_with(setup, async |service| {
        let client = service.client();
        let created = client.post("/v1/products", &json!({"name": "Cup", "price": 1})).await.expect(201);
        let path = created.header("location").to_owned();
        let other = client.post("/v1/products", &json!({"name": "Mug", "price": 1})).await.expect(201);
        let changed = other.header("location").to_owned();
        let tag = client.patch(&changed, &json!({"price": 2})).await.expect(200).header("etag").to_owned();
        let listed = "/v1/products";
        client.get(listed).await.expect(200);
        until_stale(service, &path).await;

        let database = service.database().await;
        let sql = "select pid::text from pg_stat_activity where pid <> pg_backend_pid()";
        let mut pids: Vec<String> =
            database.query(sql, &[]).await.expect("backends").iter().map(|row| row.get(0)).collect();
        pids.push(service.server().lock().await.pid().to_string());
        let proxy = service.proxy();
        let (accepted, open) = (proxy.accepted(), proxy.open());
        assert_eq!(open, 4, "one connection for each function that was used");
        let frozen = Frozen::new(pids);

        let create = json!({"name": "Dish", "price": 1}).to_string();
        let headers = [("content-type", "application/json"), ("if-match", tag.as_str())];
        let stale_reads = async {
            let (begun, mut waits) = (Instant::now(), Vec::new());
            while begun.elapsed() < Duration::from_secs(14) {
                let asked = Instant::now();
                let stale = client.get(&path).await.expect(200);
                waits.push(asked.elapsed());
                assert!(stale.header("cache-status").ends_with("; detail=database-unavailable"));
                assert_eq!(proxy.accepted(), accepted, "a further connection to a frozen server");
            }
            waits.sort();
            waits
        };
        let unknown = async {
            let headers = [("content-type", "application/json")];
            let lost = client.send(Method::POST, "/v1/products", &headers, create.clone()).await;
            let retry_after = lost.header("retry-after").to_owned();
            let problem = lost.problem(503);
            assert_eq!((problem["carried_out"].as_str(), retry_after.as_str()), (Some("unknown"), ""));
            // There is no usable connection, so this statement was certainly not sent.
            let refused = client.send(Method::POST, "/v1/products", &headers, create.clone()).await;
            assert_eq!(refused.header("retry-after"), "5");
            assert_eq!(refused.problem(503)["carried_out"], "no");
        };
        let conditional = async {
            let body = json!({"price": 3}).to_string();
            let lost = client.send(Method::PATCH, &changed, &headers, body).await;
            assert_eq!(lost.header("retry-after"), "5", "If-Match makes it safe");
            assert_eq!(lost.problem(503)["carried_out"], "unknown");
        };
        let uncached = async {
            for within in [11, 4] {
                let asked = Instant::now();
                let response = client.get(listed).await;
                assert!(asked.elapsed() < Duration::from_secs(within), "{:?}", asked.elapsed());
                assert_eq!(response.header("retry-after"), "5");
                assert_eq!(response.problem(503)["carried_out"], "no");
            }
        };
        let (waits, (), (), ()) = tokio::join!(stale_reads, unknown, conditional, uncached);
        assert_eq!((proxy.accepted(), proxy.open()), (accepted, open), "the connections are unchanged");
        drop(frozen);
        let slow = waits.iter().filter(|wait| **wait > Duration::from_millis(500)).count();
        eprintln!(
            "frozen for 14 s: {} stale reads, {slow} of them waited for the database, p50 {:?}, {:?} at most",
            waits.len(),
            waits[waits.len() / 2],
            waits[waits.len() - 1]
        );
        assert!(slow <= 6 && waits[waits.len() / 2] < Duration::from_millis(250), "{slow} reads waited");

        // Each function works again, with one connection.
        client.get(listed).await.expect(200);
        client.patch(&changed, &json!({"price": 4})).await.expect(200);
        client.post("/v1/products", &json!({"name": "Bowl", "price": 1})).await.expect(201);
        let sql = "select application_name, count(*) from pg_stat_activity
            where datname = current_database() and application_name <> '' group by 1 having count(*) > 1";
        let end = Instant::now() + Duration::from_secs(10);
        while !database.query(sql, &[]).await.expect("counts").is_empty() {
            assert!(Instant::now() < end, "unused backends remain");
            sleep(Duration::from_millis(50)).await;
        }
    });
}
