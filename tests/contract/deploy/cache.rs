//! The permissions of the cache's user: those that functions need, and no others.

use std::time::{Duration, Instant};

use harness::{Setup, block_on, product_path, service_with, start_cache};
use serde_json::json;
use tokio::time::sleep;

use super::prod;

/// How long it may take until a read comes from the cache.
const WARM_WITHIN: Duration = Duration::from_secs(20);

#[test]
fn the_user_may_do_what_functions_ask_and_nothing_else() {
    let arguments = ["--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf"];
    let node = block_on(start_cache(arguments.map(ToOwned::to_owned).into())).expect("a node");
    let client = redis::Client::open(node.url()).expect("a URL");
    let mut admin = client.get_connection().expect("a connection");
    redis::cmd("CLUSTER").arg("ADDSLOTSRANGE").arg(0).arg(16_383).exec(&mut admin).expect("slots");
    let rights = prod()["Resources"]["CacheUser"]["Properties"]["AccessString"].as_str().expect("rights");
    let mut user = redis::cmd("ACL");
    user.arg("SETUSER").arg("functions").arg(">sesame").arg(rights.split(' ').collect::<Vec<_>>());
    user.exec(&mut admin).expect("a user");
    let may = |command: &[&str]| {
        let answer: String = redis::cmd("ACL")
            .arg("DRYRUN")
            .arg("functions")
            .arg(command)
            .query(&mut admin)
            .expect("an answer");
        answer == "OK"
    };
    let may = std::cell::RefCell::new(may);
    assert!(may.borrow_mut()(&["HGETALL", "atelier:products:1"]));
    for refused in [
        &["GET", "another"][..],
        &["FLUSHALL"],
        &["KEYS", "*"],
        &["CONFIG", "GET", "*"],
        &["ACL", "LIST"],
        &["MONITOR"],
    ] {
        assert!(!may.borrow_mut()(refused), "{refused:?}");
    }

    let environment = [
        ("CACHE_URL", node.url()),
        ("CACHE_CLUSTER", "true".to_owned()),
        ("CACHE_USERNAME", "functions".to_owned()),
        ("CACHE_PASSWORD", "sesame".to_owned()),
        // A long timeout, since other tests run on this machine.
        ("CACHE_TIMEOUT_MS", "5000".to_owned()),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value)).into();
    service_with(Setup { environment, ..Setup::default() }, async |service| {
        let path = product_path(&service.create_product(json!({"name": "Cup", "price": 1})).await);
        let end = Instant::now() + WARM_WITHIN;
        while !service
            .client()
            .get(&path)
            .await
            .expect(200)
            .header("cache-status")
            .starts_with("atelier; hit")
        {
            assert!(Instant::now() < end, "nothing is cached:\n{}", service.log().join("\n"));
            sleep(Duration::from_millis(50)).await;
        }
        service.client().patch(&path, &json!({"price": 2})).await.expect(200);
        assert_eq!(service.client().get(&path).await.expect(200).json()["price"], 2);
        service.client().delete(&path).await.expect(204);
        service.client().get(&path).await.problem(404);
    });
}
