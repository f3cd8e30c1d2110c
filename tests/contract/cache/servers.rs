//! Other kinds of cache servers: a cluster, TLS, a password.

use std::time::{Duration, Instant};

use harness::{Authority, Setup, Tunnel, block_on, product_path, service_with, start_cache};
use serde_json::json;
use tokio::time::sleep;

use super::reads::{is_hit, patient, warm};

fn variables<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

async fn read_write_delete(service: &harness::Service, products: usize) {
    for number in 0..products {
        let product = service.create_product(json!({"name": format!("Cup {number}"), "price": 1})).await;
        let path = product_path(&product);
        assert_eq!(warm(service, &path).await.json(), product);
        service.client().patch(&path, &json!({"price": 2})).await.expect(200);
        let patched = service.client().get(&path).await.expect(200);
        assert!(is_hit(&patched) && patched.json()["price"] == 2, "{:?}", patched.headers);
        if number % 2 == 0 {
            service.client().delete(&path).await.expect(204);
            service.client().get(&path).await.problem(404);
        }
    }
}

#[test]
fn a_cluster_of_three_nodes_shares_the_keys() {
    let nodes = block_on(async {
        let arguments = ["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"];
        let arguments: Vec<_> = arguments.map(ToOwned::to_owned).into();
        let mut nodes = Vec::new();
        for _ in 0..3 {
            nodes.push(start_cache(arguments.clone()).await.expect("a node"));
        }
        nodes
    });
    let mut connections: Vec<_> = nodes
        .iter()
        .map(|node| redis::Client::open(node.url()).and_then(|it| it.get_connection()).expect("a connection"))
        .collect();
    let ports: Vec<_> = nodes.iter().map(local::redis::Server::port).collect();
    for (number, connection) in (0..).zip(&mut connections) {
        let mut slots = redis::cmd("CLUSTER");
        slots.arg("ADDSLOTS");
        for slot in (0..16_384).filter(|slot| slot % 3 == number) {
            slots.arg(slot);
        }
        slots.exec(connection).expect("slots");
        redis::cmd("CLUSTER").arg("MEET").arg("127.0.0.1").arg(ports[0]).exec(connection).expect("a meeting");
    }
    let end = Instant::now() + Duration::from_secs(20);
    for connection in &mut connections {
        let is_ready = |connection: &mut redis::Connection| {
            let state: String = redis::cmd("CLUSTER").arg("INFO").query(connection).expect("a state");
            state.contains("cluster_state:ok") && state.contains("cluster_known_nodes:3")
        };
        while !is_ready(connection) {
            assert!(Instant::now() < end, "the cluster is not ready");
            block_on(async { sleep(Duration::from_millis(50)).await });
        }
    }
    let mut environment = variables([("CACHE_URL", &nodes[0].url()), ("CACHE_CLUSTER", "true")]);
    environment.push(patient());
    service_with(Setup { environment, ..Setup::default() }, async |service| {
        read_write_delete(service, 6).await;
        let sizes: Vec<usize> = connections
            .iter_mut()
            .map(|connection| redis::cmd("DBSIZE").query(connection).expect("a size"))
            .collect();
        assert_eq!(sizes.iter().sum::<usize>(), 6, "{sizes:?}");
        assert!(sizes.iter().filter(|size| **size > 0).count() > 1, "one node has them all: {sizes:?}");
    });
}

#[test]
fn a_server_with_tls_and_a_password_is_used_only_if_it_can_be_verified() {
    let authority = Authority::new();
    let (server, right, wrong) = block_on(async {
        let arguments = vec!["--requirepass".to_owned(), "sesame".to_owned()];
        let server = start_cache(arguments).await.expect("a cache");
        let right = Tunnel::start(&authority.issue("localhost"), server.port()).await;
        let wrong = Tunnel::start(&Authority::new().issue("localhost"), server.port()).await;
        (server, right, wrong)
    });
    let url = |port: u16| format!("rediss://localhost:{port}");
    let setup = |port: u16, password: &str| {
        let mut environment = variables([
            ("CACHE_URL", &url(port)),
            ("CACHE_PASSWORD", password),
            ("CACHE_CA_FILE", &authority.file()),
        ]);
        environment.push(patient());
        Setup { environment, ..Setup::default() }
    };
    service_with(setup(right.port(), "sesame"), async |service| {
        read_write_delete(service, 2).await;
        assert!(!service.log().iter().any(|line| line.contains("sesame")));
    });
    for (port, password, reason) in
        [(wrong.port(), "sesame", "certificate"), (right.port(), "other", "Password authentication failed")]
    {
        service_with(setup(port, password), async |service| {
            let path = product_path(&service.create_product(json!({"name": "Cup", "price": 1})).await);
            for _ in 0..3 {
                let response = service.client().get(&path).await.expect(200);
                assert_eq!(response.header("cache-status"), "atelier; fwd=miss");
            }
            let log = service.log();
            let lines = log.iter().filter(|line| line.contains("the cache did not answer"));
            assert!(lines.clone().any(|line| line.contains(reason)), "{reason}: {log:?}");
            assert!(!log.iter().any(|line| line.contains("sesame")));
        });
    }
    drop(server);
}

/// Causes that make a server refuse writes while it serves reads.
fn refusals() -> Vec<(&'static str, Vec<Vec<&'static str>>)> {
    vec![
        ("a replica", vec![vec!["REPLICAOF", "127.0.0.1", "1"]]),
        ("a full disk", vec![vec!["CONFIG", "SET", "save", "3600 1"], vec!["BGSAVE"]]),
        (
            "no memory",
            vec![
                vec!["CONFIG", "SET", "maxmemory-policy", "noeviction"],
                vec!["CONFIG", "SET", "maxmemory", "1"],
            ],
        ),
        ("too few replicas", vec![vec!["CONFIG", "SET", "min-replicas-to-write", "1"]]),
        ("a revoked permission", vec![vec!["ACL", "SETUSER", "default", "-hset"]]),
        ("another one", vec![vec!["ACL", "SETUSER", "default", "-hsetnx"]]),
        ("another revoked permission", vec![vec!["ACL", "SETUSER", "default", "-hdel"]]),
    ]
}

async fn last_save_failed(connection: &mut redis::Connection) {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let info: String = redis::cmd("INFO").arg("persistence").query(connection).expect("a state");
        if info.contains("rdb_last_bgsave_status:err") {
            return;
        }
        assert!(Instant::now() < end, "the save has not failed: {info}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn a_server_that_refuses_writes_answers_no_read() {
    for (what, commands) in refusals() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Some(vec!["--dir".to_owned(), folder.path().display().to_string()]);
        service_with(Setup { cache, environment: vec![patient()], ..Setup::default() }, async |service| {
            let mut paths = Vec::new();
            for name in ["Cup", "Bowl"] {
                let path = product_path(&service.create_product(json!({"name": name, "price": 1})).await);
                warm(service, &path).await;
                paths.push(path);
            }
            let url = service.cache().lock().await.url();
            let mut connection =
                redis::Client::open(url).and_then(|it| it.get_connection()).expect("a connection");
            // Without the folder every save fails.
            folder.close().expect("the folder is removed");
            for words in commands {
                redis::cmd(words[0]).arg(&words[1..]).exec(&mut connection).expect(what);
                if words[0] == "BGSAVE" {
                    last_save_failed(&mut connection).await;
                }
            }
            let [cup, bowl] = &*paths else { unreachable!("two products") };
            service.client().patch(cup, &json!({"price": 2})).await.expect(200);
            service.client().delete(bowl).await.expect(204);
            for _ in 0..3 {
                let read = service.client().get(cup).await.expect(200);
                assert_eq!(read.json()["price"], 2, "{what}: {:?}", read.headers);
                service.client().get(bowl).await.problem(404);
            }
        });
    }
}
