//! Stress tests with real processes and a cache that is restarted, flushed and frozen; and measurements of the cache's
//! benefit.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use benches::{random::Random, zipf::Zipf};
use harness::{Client, Service, Setup, is_large, product_path, service_with};
use serde_json::json;
use tokio::{process::Command, sync::RwLock, task::JoinSet, time::sleep};

use super::reads::is_hit;

/// Stands for the version of a deleted row.
const GONE: u64 = u64::MAX;

/// A product, and the newest version that any client has seen.
struct Watched {
    path: String,
    id: uuid::Uuid,
    newest: AtomicU64,
}

#[derive(Default)]
struct Tally {
    reads: AtomicU64,
    hits: AtomicU64,
    writes: AtomicU64,
    killed: AtomicU64,
}

/// The place of a product; a deleted product is replaced by a new one.
type Slot = Arc<RwLock<Arc<Watched>>>;

async fn create(client: &Client) -> Arc<Watched> {
    let created = client.post("/v1/products", &json!({"name": "Cup", "price": 0})).await.expect(201);
    let id = created.json()["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    Arc::new(Watched { path: created.header("location").to_owned(), id, newest: AtomicU64::new(1) })
}

async fn write(client: Client, slot: Slot, mut numbers: Random, tally: Arc<Tally>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        let watched = Arc::clone(&*slot.read().await);
        if numbers.below(25) == 0 {
            // If the process was killed, the deletion may have happened or not; a 404 shows it.
            if matches!(client.delete(&watched.path).await.status.as_u16(), 204 | 404) {
                watched.newest.store(GONE, Ordering::SeqCst);
                *slot.write().await = create(&client).await;
            }
        } else {
            let patched = client.patch(&watched.path, &json!({"price": numbers.below(1 << 40)})).await;
            // Another writer may have deleted the product, or the process was killed.
            if patched.status == 502 {
                tally.killed.fetch_add(1, Ordering::Relaxed);
            } else if patched.status != 404 {
                let version = patched.expect(200).json()["version"].as_u64().expect("a version");
                watched.newest.fetch_max(version, Ordering::SeqCst);
            }
        }
        tally.writes.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_millis(numbers.below(120))).await;
    }
}

/// The committed version, read from the database.
async fn committed(database: &tokio_postgres::Client, watched: &Watched) -> u64 {
    let row = database.query_opt("select version from products where id = $1", &[&watched.id]).await;
    let version = row.expect("an answer").map(|row| row.get::<_, i64>(0).unsigned_abs());
    version.unwrap_or(GONE)
}

async fn read(
    client: Client,
    database: tokio_postgres::Client,
    slots: Vec<Slot>,
    mut numbers: Random,
    tally: Arc<Tally>,
    stop: Arc<AtomicBool>,
) {
    let count = u64::try_from(slots.len()).expect("a few");
    while !stop.load(Ordering::Relaxed) {
        let slot = &slots[usize::try_from(numbers.below(count)).expect("a few")];
        let watched = Arc::clone(&*slot.read().await);
        let mut floor = watched.newest.load(Ordering::SeqCst);
        if numbers.below(2) == 0 {
            floor = floor.max(committed(&database, &watched).await);
        }
        let response = client.get(&watched.path).await;
        let version = match response.status.as_u16() {
            200 => response.json()["version"].as_u64().expect("a version"),
            404 => GONE,
            status => panic!("{status}: {}", response.body),
        };
        assert!(
            version >= floor,
            "{}: a read returned version {version} after {floor} was committed: {:?}",
            watched.path,
            response.headers
        );
        watched.newest.fetch_max(version, Ordering::SeqCst);
        tally.reads.fetch_add(1, Ordering::Relaxed);
        tally.hits.fetch_add(u64::from(is_hit(&response)), Ordering::Relaxed);
    }
}

/// Disturbs the cache until `end`. Returns the number of disturbances by kind.
async fn disturb(service: &Service, mut numbers: Random, end: Instant) -> BTreeMap<&'static str, u32> {
    let mut counts = BTreeMap::new();
    while Instant::now() < end {
        sleep(Duration::from_millis(500 + numbers.below(2_000))).await;
        let what = ["restarted", "flushed", "frozen", "frozen", "writer killed"]
            [usize::try_from(numbers.below(5)).expect("small")];
        *counts.entry(what).or_default() += 1;
        let mut server = service.cache().lock().await;
        match what {
            "restarted" => {
                server.halt().await.expect("the cache stops");
                sleep(Duration::from_millis(numbers.below(300))).await;
                server.resume().await.expect("the cache starts");
            }
            "flushed" => {
                let mut connection = redis::Client::open(server.url())
                    .and_then(|it| it.get_connection())
                    .expect("a connection");
                redis::cmd("FLUSHALL").exec(&mut connection).expect("a flush");
            }
            "writer killed" => {
                let writers = service.functions().environments("patch-product");
                if let Some(writer) = writers.first() {
                    let sent = Command::new("kill").args(["-KILL", &writer.pid.to_string()]).status().await;
                    assert!(sent.expect("kill runs").success());
                }
            }
            _ => {
                let pid = server.pid().to_string();
                for signal in ["-STOP", "-CONT"] {
                    let sent = Command::new("kill").args([signal, &pid]).status().await;
                    assert!(sent.expect("kill runs").success());
                    sleep(Duration::from_millis(numbers.below(700))).await;
                }
            }
        }
    }
    counts
}

#[test]
fn versions_never_go_back_while_the_cache_is_restarted_flushed_and_frozen() {
    service_with(Setup { cache: Some(Vec::new()), ..Setup::default() }, async |service| {
        let (tally, stop) = (Arc::new(Tally::default()), Arc::new(AtomicBool::new(false)));
        let mut slots: Vec<Slot> = Vec::new();
        for _ in 0..8 {
            slots.push(Arc::new(RwLock::new(create(service.client()).await)));
        }
        let mut tasks = JoinSet::new();
        for (number, slot) in (0..).zip(&slots) {
            let (tally, stop) = (Arc::clone(&tally), Arc::clone(&stop));
            tasks.spawn(write(service.client().clone(), Arc::clone(slot), Random::new(number), tally, stop));
        }
        for number in 100..108 {
            let (tally, stop) = (Arc::clone(&tally), Arc::clone(&stop));
            let (client, database) = (service.client().clone(), service.database().await);
            tasks.spawn(read(client, database, slots.clone(), Random::new(number), tally, stop));
        }
        let seconds = if is_large() { 180 } else { 20 };
        let counts = disturb(service, Random::new(7), Instant::now() + Duration::from_secs(seconds)).await;
        stop.store(true, Ordering::Relaxed);
        tasks.join_all().await;
        let figure = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        let (reads, hits, writes) = (figure(&tally.reads), figure(&tally.hits), figure(&tally.writes));
        let killed = figure(&tally.killed);
        let environments = service.functions().environments("get-product").len();
        eprintln!(
            "cache {counts:?} in {seconds} s: {reads} reads by {environments} environments, {hits} of them hits, \
             {writes} writes, {killed} of them killed, 0 other failed, 0 versions went back"
        );
        assert!(reads > 500 && writes > 100 && hits > reads / 20, "the test covers too little");
    });
}

/// The value that `percent` of `all` do not exceed.
pub(crate) fn percentile(all: &mut [Duration], percent: usize) -> Duration {
    all.sort();
    all[(all.len() * percent / 100).min(all.len() - 1)]
}

/// Sends `requests` requests from `clients` clients. Returns the latencies, separately for hits and other responses.
async fn visit(
    service: &Service,
    clients: usize,
    requests: usize,
    path: impl Fn(&mut Random) -> String + Clone + Send + 'static,
) -> (Vec<Duration>, Vec<Duration>) {
    let mut visitors = JoinSet::new();
    for number in 0..clients {
        let (client, path) = (service.client().clone(), path.clone());
        visitors.spawn(async move {
            let mut numbers = Random::new(u64::try_from(number).expect("a few"));
            let (mut hits, mut others) = (Vec::new(), Vec::new());
            for _ in 0..requests / clients {
                let asked = Instant::now();
                let response = client.get(&path(&mut numbers)).await.expect(200);
                let latencies = if is_hit(&response) { &mut hits } else { &mut others };
                latencies.push(asked.elapsed());
            }
            (hits, others)
        });
    }
    visitors.join_all().await.into_iter().fold(Default::default(), |(mut hits, mut others), visitor| {
        hits.extend(visitor.0);
        others.extend(visitor.1);
        (hits, others)
    })
}

#[test]
fn most_reads_of_a_store_never_reach_the_database() {
    let setup = Setup { cache: Some(Vec::new()), max_environments: Some(4), ..Setup::default() };
    service_with(setup, async |service| {
        let products = if is_large() { 1_000 } else { 100 };
        let requests = if is_large() { 40_000 } else { 2_000 };
        let mut paths = Vec::new();
        for number in 0..products {
            let product = json!({"name": format!("Cup {number}"), "price": number});
            paths.push(product_path(&service.create_product(product).await));
        }
        let zipf = Zipf::new(products);

        // Concurrent writers: one change for about fifty reads.
        let stop = Arc::new(AtomicBool::new(false));
        let writing = tokio::spawn({
            let (client, stop, paths, zipf) =
                (service.client().clone(), Arc::clone(&stop), paths.clone(), zipf.clone());
            async move {
                let (mut numbers, mut writes) = (Random::new(1_000), 0);
                while !stop.load(Ordering::Relaxed) {
                    let path = &paths[zipf.choose(&mut numbers) - 1];
                    client.patch(path, &json!({"price": numbers.below(1 << 40)})).await.expect(200);
                    writes += 1;
                    sleep(Duration::from_millis(50)).await;
                }
                writes
            }
        });
        let (mut hits, mut misses) = visit(service, 4, requests, {
            let paths = paths.clone();
            move |numbers| paths[zipf.choose(numbers) - 1].clone()
        })
        .await;
        stop.store(true, Ordering::Relaxed);
        let writes = writing.await.expect("a writer");
        let share = hits.len() * 1_000 / (hits.len() + misses.len());
        eprintln!(
            "Zipf over {products} products, {requests} reads, {writes} writes: {}.{} % hits; hit p50 {:?}, p99 {:?}; \
             miss p50 {:?}, p99 {:?}",
            share / 10,
            share % 10,
            percentile(&mut hits, 50),
            percentile(&mut hits, 99),
            percentile(&mut misses, 50),
            percentile(&mut misses, 99),
        );
        assert!(share >= 500, "{share} of 1,000");

        // One request at a time, so that the latency includes no queueing.
        let hot = paths[0].clone();
        let (mut hits, _) = visit(service, 1, 500, {
            let hot = hot.clone();
            move |_| hot.clone()
        })
        .await;
        service.cache().lock().await.halt().await.expect("the cache stops");
        let (_, mut reads) = visit(service, 1, 500, move |_| hot.clone()).await;
        let (_, mut lists) = visit(service, 1, 500, |_| "/v1/products?limit=20".to_owned()).await;
        let (_, mut searches) =
            visit(service, 1, 500, |_| "/v1/products/search?q=cup&limit=20".to_owned()).await;
        eprintln!(
            "one client: hit p50 {:?}; from the database p50 {:?}; list of 20 p50 {:?}; search p50 {:?}",
            percentile(&mut hits, 50),
            percentile(&mut reads, 50),
            percentile(&mut lists, 50),
            percentile(&mut searches, 50),
        );
    });
}
