//! A failover from a primary to its standby, and a network that is cut silently.

use std::time::{Duration, Instant};

use harness::{Setup, is_large, product_path, service_with};
use serde_json::json;
use tokio::{process::Command, task::JoinSet, time::sleep};
use tokio_postgres::{Client, NoTls};

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a connection");
    tokio::spawn(connection);
    client
}

/// Repeats a query until its result is `expected`, for at most 20 s.
async fn until(client: &Client, sql: &str, expected: &str) {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let row = client.query_opt(sql, &[]).await.expect("an answer");
        let answer: Option<String> = row.and_then(|row| row.get(0));
        if answer.as_deref() == Some(expected) {
            return;
        }
        assert!(Instant::now() < end, "{sql} is still {answer:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn a_failover_loses_no_acknowledged_write() {
    let settings = vec![("synchronous_commit".to_owned(), "on".to_owned())];
    service_with(
        Setup { own_server: Some(settings), is_proxied: true, ..Setup::default() },
        async |service| {
            let mut primary = service.server().lock().await;
            let standby = primary.standby().await.expect("a standby");
            let admin = connect(&primary.url("postgres")).await;
            until(&admin, "select state from pg_stat_replication", "streaming").await;
            admin.batch_execute("alter system set synchronous_standby_names = '*'").await.expect("a setting");
            admin.batch_execute("select pg_reload_conf()").await.expect("a reload");
            until(&admin, "select sync_state from pg_stat_replication", "sync").await;

            // Writers record the acknowledged writes and their times.
            let started = Instant::now();
            let writing_time = Duration::from_secs(if is_large() { 90 } else { 12 });
            let mut writers = JoinSet::new();
            for writer in 0..5 {
                let client = service.client().clone();
                writers.spawn(async move {
                    let mut answers = Vec::new();
                    while started.elapsed() < writing_time {
                        let body = json!({"name": format!("Bowl {writer}"), "price": 1});
                        let response = client.post("/v1/products", &body).await;
                        answers.push((
                            started.elapsed(),
                            response.status.as_u16(),
                            response.header("location").to_owned(),
                        ));
                    }
                    answers
                });
            }
            sleep(Duration::from_secs(2)).await;

            let went = started.elapsed();
            primary.halt().await.expect("the primary goes");
            // The name changes before the standby accepts writes: for a moment it points to a read-only server.
            service.proxy().point_to(standby.port());
            sleep(Duration::from_millis(500)).await;
            let successor = connect(&standby.url(service.database_name())).await;
            let promoted = successor.query_one("select pg_promote()", &[]).await.expect("an answer");
            assert!(promoted.get::<_, bool>(0), "promoted");

            let mut answers: Vec<_> = writers.join_all().await.concat();
            answers.sort();
            let back = answers
                .iter()
                .find(|(at, status, _)| *status == 201 && *at > went + Duration::from_millis(500));
            let (back, _, _) = back.expect("writes after the failover");
            let acknowledged: Vec<_> = answers.iter().filter(|(_, status, _)| *status == 201).collect();
            let failed = answers.len() - acknowledged.len();
            let mut lost = 0;
            for (_, _, location) in &acknowledged {
                let id = location.rsplit('/').next().expect("an id").to_owned();
                let sql = "select from products where id = $1::text::uuid";
                lost += usize::from(successor.query(sql, &[&id]).await.expect("an answer").is_empty());
            }
            let rows: i64 =
                successor.query_one("select count(*) from products", &[]).await.expect("a count").get(0);
            eprintln!(
                "failover: {:?} without writes, {} acknowledged, {failed} failed, {lost} lost",
                *back - went,
                acknowledged.len()
            );
            assert_eq!(lost, 0);
            assert!(rows >= i64::try_from(acknowledged.len()).expect("a count"));
            assert!(acknowledged.len() > 100 && *back - went < Duration::from_secs(6), "{:?}", *back - went);
            assert!(
                answers.iter().all(|(_, status, _)| [201, 503].contains(status)),
                "nothing but 201 and 503"
            );
            standby.stop().await.expect("the standby stops");
        },
    );
}

/// 31 s: longer than a connection may be idle before it is checked.
#[test]
fn a_connection_that_was_cut_in_silence_while_the_function_was_frozen_is_replaced() {
    service_with(Setup { is_proxied: true, ..Setup::default() }, async |service| {
        let path = product_path(&service.create_product(json!({"name": "Cup", "price": 0})).await);
        service.client().get(&path).await.expect(200);
        let pids =
            ["get-product", "create-product"].iter().flat_map(|name| service.functions().environments(name));
        let pids: Vec<String> = pids.map(|environment| environment.pid.to_string()).collect();
        let kill = async |signal: &str| {
            Command::new("kill").arg(signal).args(&pids).status().await.expect("kill runs")
        };
        assert!(kill("-STOP").await.success());
        service.proxy().cut();
        sleep(Duration::from_secs(if is_large() { 61 } else { 31 })).await;
        assert!(kill("-CONT").await.success());

        let asked = Instant::now();
        service.client().get(&path).await.expect(200);
        service.client().post("/v1/products", &json!({"name": "Dish", "price": 0})).await.expect(201);
        assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
        assert!(
            service.log().iter().any(|line| line.contains("an idle connection was lost")),
            "{:?}",
            service.log()
        );
    });
}
