//! How the cache shows in responses while everything works, and while the database or the cache is down.

use std::time::{Duration, Instant};

use harness::{Response, Service, Setup, artisan_path, product_path, service, service_with};
use http::Method;
use serde_json::{Value, json};
use tokio::{process::Command, task::JoinSet, time::sleep};

/// How long a value may take to be cached: twice the settling time, and much more on a busy machine.
const WARM_WITHIN: Duration = Duration::from_secs(15);

/// An API with a cache and a long cache timeout, so that a busy machine does not affect the result. The timeout itself
/// is tested elsewhere.
fn cached() -> Setup {
    Setup { cache: Some(Vec::new()), environment: vec![patient()], ..Setup::default() }
}

pub(super) fn patient() -> (String, String) {
    ("CACHE_TIMEOUT_MS".to_owned(), "2000".to_owned())
}

pub(super) fn is_hit(response: &Response) -> bool {
    response.header("cache-status").starts_with("atelier; hit; ttl=")
}

/// Reads `path` until the response comes from the cache.
pub(crate) async fn warm(service: &Service, path: &str) -> Response {
    let end = Instant::now() + WARM_WITHIN;
    loop {
        let response = service.client().get(path).await.expect(200);
        if is_hit(&response) {
            return response;
        }
        assert!(Instant::now() < end, "{path} is not cached: {:?}", response.headers);
        sleep(Duration::from_millis(20)).await;
    }
}

async fn signal(signal: &str, pid: u32) {
    let sent = Command::new("kill").args([signal, &pid.to_string()]).status().await;
    assert!(sent.expect("kill runs").success(), "kill {signal} {pid}");
}

/// How often the functions have counted `metric`.
fn counted(service: &Service, metric: &str) -> i64 {
    let lines = service.log();
    let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter_map(|line| line[metric].as_i64()).sum()
}

#[test]
fn without_a_cache_nothing_is_said_of_one() {
    service(async |service| {
        let path = product_path(&service.create_product(json!({"name": "Cup", "price": 1})).await);
        for _ in 0..2 {
            let response = service.client().get(&path).await.expect(200);
            assert_eq!((response.header("cache-status"), response.header("age")), ("", ""));
        }
        let health = service.client().get("/health").await.expect(200).json();
        assert_eq!(health["checks"]["cache"], Value::Null);
    });
}

#[test]
fn a_read_is_the_same_from_the_cache() {
    service_with(cached(), async |service| {
        let artisan = json!({"given_name": "Hanako", "family_name": "Sato"});
        let artisan = service.client().post("/v1/artisans", &artisan).await.expect(201);
        let product = json!({"name": "カップ", "price": i64::MAX, "description": "a\n\"b\"", "artisan_id": artisan.json()["id"]});
        let product = service.client().post("/v1/products", &product).await.expect(201);
        for created in [artisan, product] {
            let path = created.header("location").to_owned();
            let from_database = service.client().get(&path).await.expect(200);
            assert!(from_database.header("cache-status").starts_with("atelier; fwd="));
            let hit = warm(service, &path).await;
            assert_eq!(hit.json(), created.json());
            for header in ["etag", "last-modified", "content-type", "cache-control"] {
                assert_eq!(hit.header(header), from_database.header(header), "{header}");
            }
            assert!(hit.header("age").parse::<u32>().is_ok_and(|age| age < 60), "{:?}", hit.headers);

            let etag = hit.header("etag");
            let send =
                async |method, header| service.client().send(method, &path, &[header], String::new()).await;
            let not_modified = send(Method::GET, ("if-none-match", etag)).await.expect(304);
            assert!(is_hit(&not_modified) && not_modified.header("etag") == etag);
            send(Method::GET, ("if-modified-since", hit.header("last-modified"))).await.expect(304);
            send(Method::GET, ("if-match", "\"other\"")).await.problem(412);
            let head = send(Method::HEAD, ("accept", "*/*")).await.expect(200);
            assert!(is_hit(&head) && head.body.is_empty());
        }
        assert!(counted(service, "CacheHit") >= 8 && counted(service, "CacheMiss") >= 2);
        assert_eq!(counted(service, "CacheError"), 0);
    });
}

#[test]
fn a_hit_does_not_reach_the_database_and_a_write_shows_at_once() {
    service_with(cached(), async |service| {
        let path = product_path(&service.create_product(json!({"name": "Cup", "price": 1})).await);
        warm(service, &path).await;
        // An update that bypasses the functions: the cache cannot know of it.
        service.database().await.execute("update products set price = 9", &[]).await.expect("an update");
        assert_eq!(service.client().get(&path).await.expect(200).json()["price"], 1);

        service.client().patch(&path, &json!({"price": 2})).await.expect(200);
        let patched = service.client().get(&path).await.expect(200);
        assert_eq!((&patched.json()["price"], &patched.json()["version"]), (&json!(2), &json!(2)));
        assert!(is_hit(&patched), "the written row is in the cache: {:?}", patched.headers);

        let headers = [("content-type", "application/json")];
        let body = json!({"name": "Mug", "price": 3}).to_string();
        service.client().send(Method::PUT, &path, &headers, body).await.expect(200);
        assert_eq!(service.client().get(&path).await.expect(200).json()["version"], 3);

        for refused in [json!({"price": -1}), json!({"artisan_id": "01936b5e-7c00-7000-8000-000000000001"})] {
            service.client().patch(&path, &refused).await.problem(422);
        }
        let headers = [("content-type", "application/json"), ("if-match", "\"other\"")];
        service.client().send(Method::PATCH, &path, &headers, r#"{"price": 7}"#).await.problem(412);
        let after = service.client().get(&path).await.expect(200);
        assert!(is_hit(&after), "a refused write does not invalidate the value: {:?}", after.headers);

        service.client().delete(&path).await.expect(204);
        let misses = counted(service, "CacheMiss");
        for _ in 0..3 {
            service.client().get(&path).await.problem(404);
        }
        assert_eq!(counted(service, "CacheMiss"), misses, "the deletion is cached, too");
        service.client().delete(&path).await.problem(404);
    });
}

#[test]
fn an_artisan_is_changed_and_deleted_in_the_cache_too() {
    service_with(cached(), async |service| {
        let artisan = json!({"given_name": "Hanako", "family_name": "Sato"});
        let artisan = service.client().post("/v1/artisans", &artisan).await.expect(201).json();
        let path = artisan_path(&artisan);
        warm(service, &path).await;
        service.client().patch(&path, &json!({"given_name": "Taro"})).await.expect(200);
        assert_eq!(service.client().get(&path).await.expect(200).json()["given_name"], "Taro");
        let product = json!({"name": "Cup", "price": 1, "artisan_id": artisan["id"]});
        let product = product_path(&service.create_product(product).await);
        service.client().delete(&path).await.problem(409);
        assert!(is_hit(&service.client().get(&path).await.expect(200)));
        service.client().delete(&product).await.expect(204);
        service.client().delete(&path).await.expect(204);
        service.client().get(&path).await.problem(404);
    });
}

#[test]
fn that_there_is_no_such_row_is_known_for_a_few_seconds() {
    service_with(cached(), async |service| {
        let id = uuid::Uuid::now_v7();
        let path = format!("/v1/products/{id}");
        let end = Instant::now() + WARM_WITHIN;
        while counted(service, "CacheHit") == 0 {
            service.client().get(&path).await.problem(404);
            assert!(Instant::now() < end, "a 404 is not cached");
            sleep(Duration::from_millis(50)).await;
        }
        let known = Instant::now();
        let sql =
            "insert into products (id, name, search_key, description, price, currency, version, created_at,
            updated_at) values ($1, 'Cup', 'cup', '', 1, 'JPY', 1, now(), now())";
        service.database().await.execute(sql, &[&id]).await.expect("a row");
        while service.client().get(&path).await.status == 404 {
            assert!(known.elapsed() < Duration::from_secs(10), "the 404 is cached for too long");
            sleep(Duration::from_millis(50)).await;
        }
    });
}

#[test]
fn health_tells_of_the_cache_and_does_not_depend_on_it() {
    service_with(cached(), async |service| {
        let health = service.client().get("/health").await.expect(200).json();
        assert_eq!((&health["status"], &health["checks"]["cache"]["status"]), (&json!("ok"), &json!("ok")));
        service.cache().lock().await.halt().await.expect("the cache stops");
        let health = service.client().get("/health").await.expect(200).json();
        assert_eq!(
            (&health["status"], &health["checks"]["cache"]["status"]),
            (&json!("degraded"), &json!("unavailable"))
        );
        service.cache().lock().await.resume().await.expect("the cache starts");
        assert_eq!(service.client().get("/health").await.expect(200).json()["status"], "ok");
    });
}

/// Values stay fresh only for a second, which is shorter than the outage.
fn soon_stale() -> Setup {
    let mut setup = Setup { own_server: Some(Vec::new()), ..cached() };
    setup.environment.push(("CACHE_TTL_SECONDS".to_owned(), "1".to_owned()));
    setup
}

/// Waits until a value that was just stored is stale.
async fn until_stale() {
    sleep(Duration::from_millis(1_200)).await;
}

#[test]
fn what_the_cache_knows_is_answered_while_the_database_is_stopped() {
    service_with(soon_stale(), async |service| {
        let mut paths = Vec::new();
        for number in 0..20 {
            let product = service.create_product(json!({"name": format!("Cup {number}"), "price": 1})).await;
            paths.push(product_path(&product));
        }
        let unread = product_path(&service.create_product(json!({"name": "Unread", "price": 1})).await);
        for path in &paths {
            warm(service, path).await;
        }
        let etag = service.client().get(&paths[0]).await.expect(200).header("etag").to_owned();
        service.server().lock().await.halt().await.expect("PostgreSQL stops");
        until_stale().await;

        let (mut longest, mut answered) = (Duration::ZERO, 0);
        for round in 0..3 {
            for path in &paths {
                let asked = Instant::now();
                let stale = service.client().get(path).await.expect(200);
                longest = longest.max(asked.elapsed());
                answered += 1;
                let status = stale.header("cache-status");
                assert!(status.starts_with("atelier; hit; ttl=-"), "{status}");
                assert!(status.ends_with("; detail=database-unavailable"), "{status}");
                assert!(stale.header("age").parse::<u32>().is_ok_and(|age| age >= 1));
                // A failed write must not invalidate the value.
                if round == 1 {
                    service.client().patch(path, &json!({"price": 2})).await.problem(503);
                }
            }
        }
        eprintln!(
            "PostgreSQL stopped: {answered} reads of 20 cached products, 0 failed, {longest:?} at most"
        );
        let headers = [("if-none-match", etag.as_str())];
        service.client().send(Method::GET, &paths[0], &headers, "").await.expect(304);
        service.client().get(&unread).await.problem(503);
        service.client().get("/v1/products").await.problem(503);
        assert!(counted(service, "StaleServed") >= 60);

        service.server().lock().await.resume().await.expect("PostgreSQL starts");
        let fresh = service.client().get(&paths[0]).await.expect(200);
        assert!(fresh.header("cache-status").starts_with("atelier; fwd=stale"), "{:?}", fresh.headers);
        service.client().patch(&paths[0], &json!({"price": 2})).await.expect(200);
    });
}

#[test]
fn a_frozen_database_is_noticed_in_time_to_answer_from_the_cache() {
    service_with(soon_stale(), async |service| {
        let path = product_path(&service.create_product(json!({"name": "Cup", "price": 1})).await);
        warm(service, &path).await;
        let sql = "select pid from pg_stat_activity where pid <> pg_backend_pid()";
        let database = service.database().await;
        let backends = database.query(sql, &[]).await.expect("backends");
        let mut all: Vec<u32> = backends.iter().map(|row| row.get::<_, i32>(0).unsigned_abs()).collect();
        all.push(service.server().lock().await.pid());
        until_stale().await;
        for pid in &all {
            signal("-STOP", *pid).await;
        }
        let mut waits = Vec::new();
        for _ in 0..3 {
            let asked = Instant::now();
            let stale = service.client().get(&path).await.expect(200);
            waits.push(asked.elapsed());
            assert!(stale.header("cache-status").ends_with("detail=database-unavailable"));
        }
        for pid in &all {
            signal("-CONT", *pid).await;
        }
        eprintln!("PostgreSQL frozen: answered from the cache after {waits:?}");
        assert!(waits.iter().all(|wait| *wait < Duration::from_secs(4)), "{waits:?}");
    });
}

#[test]
fn an_old_value_is_served_for_as_long_as_it_is_allowed_to_be() {
    let mut setup = soon_stale();
    setup.environment.push(("STALE_IF_ERROR_SECONDS".to_owned(), "2".to_owned()));
    service_with(setup, async |service| {
        let path = product_path(&service.create_product(json!({"name": "Cup", "price": 1})).await);
        warm(service, &path).await;
        service.server().lock().await.halt().await.expect("PostgreSQL stops");
        let stopped = Instant::now();
        let mut last = Duration::ZERO;
        while service.client().get(&path).await.status == 200 {
            last = stopped.elapsed();
            assert!(last < Duration::from_secs(6), "the stale value is served for too long");
            sleep(Duration::from_millis(50)).await;
        }
        assert!(last > Duration::from_millis(1_500), "the stale value was served only for {last:?}");
        service.client().get(&path).await.problem(503);
    });
}

#[test]
fn with_both_away_a_read_is_503_in_time() {
    service_with(soon_stale(), async |service| {
        let path = product_path(&service.create_product(json!({"name": "Cup", "price": 1})).await);
        warm(service, &path).await;
        service.server().lock().await.halt().await.expect("PostgreSQL stops");
        service.cache().lock().await.halt().await.expect("the cache stops");
        for _ in 0..3 {
            let asked = Instant::now();
            service.client().get(&path).await.problem(503);
            service.client().patch(&path, &json!({"price": 2})).await.problem(503);
            assert!(asked.elapsed() < Duration::from_secs(6), "{:?}", asked.elapsed());
        }
    });
}

/// Reads and writes with four clients for a while. Returns the latencies, sorted.
async fn traffic(service: &Service, paths: &[String]) -> Vec<Duration> {
    let mut clients = JoinSet::new();
    for number in 0..4 {
        let (client, paths) = (service.client().clone(), paths.to_vec());
        clients.spawn(async move {
            let mut latencies = Vec::new();
            for round in 0..300 {
                let path = &paths[(number + round) % paths.len()];
                let asked = Instant::now();
                if round % 10 == 0 {
                    client.patch(path, &json!({"price": round})).await.expect(200);
                } else {
                    client.get(path).await.expect(200);
                }
                latencies.push(asked.elapsed());
            }
            latencies
        });
    }
    let mut latencies = clients.join_all().await.concat();
    latencies.sort();
    latencies
}

#[test]
fn a_cache_that_is_away_or_frozen_fails_no_request_and_costs_little() {
    service_with(Setup { cache: Some(Vec::new()), ..Setup::default() }, async |service| {
        let mut paths = Vec::new();
        for number in 0..8 {
            let product = service.create_product(json!({"name": format!("Cup {number}"), "price": 1})).await;
            paths.push(product_path(&product));
        }
        let p99 = |latencies: &[Duration]| latencies[latencies.len() * 99 / 100];
        // Warm up every environment and its connections.
        traffic(service, &paths).await;
        service.cache().lock().await.halt().await.expect("the cache stops");
        let stopped = traffic(service, &paths).await;
        service.cache().lock().await.resume().await.expect("the cache starts");
        let present = traffic(service, &paths).await;
        let pid = service.cache().lock().await.pid();
        signal("-STOP", pid).await;
        let frozen = traffic(service, &paths).await;
        signal("-CONT", pid).await;
        let figures = [("present", &present), ("stopped", &stopped), ("frozen", &frozen)]
            .map(|(name, all)| format!("{name}: p50 {:?}, p99 {:?}", all[all.len() / 2], p99(all)));
        eprintln!("1,200 requests each, 0 failed; {}", figures.join("; "));
        for all in [&stopped, &frozen] {
            assert!(p99(all) < p99(&present) + Duration::from_millis(60), "{figures:?}");
        }
        for path in &paths {
            warm(service, path).await;
        }
    });
}
