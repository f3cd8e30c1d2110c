//! The router, which contains every operation: it responds to each event like the operation's own function.

use std::{
    collections::{BTreeSet, HashMap},
    fs,
    sync::{Arc, Mutex},
    time::Duration,
};

use api::samples::Sample;
use bytes::Bytes;
use harness::{LogBook, Service, Setup, service_with};
use local::{
    lambda::{Function, Functions, InvokeError},
    stack::{checkout, programs},
};
use serde_json::{Value, json};
use shared::Role;

use crate::events::{SAMPLES, again};

/// The function `router` on a test's database.
struct Router {
    functions: Functions,
    log: LogBook,
}

impl Router {
    /// Runs `test` with the router, an empty catalogue and a login for each role.
    fn with(test: impl AsyncFnOnce(&Service, &Router)) {
        Self::with_urls(&[("DATABASE_URL", Role::Reader), ("WRITER_DATABASE_URL", Role::Writer)], test);
    }

    /// The same as [`with`], with these variables, each of which has the URL of a role.
    fn with_urls(variables: &[(&str, Role)], test: impl AsyncFnOnce(&Service, &Router)) {
        let urls = Arc::new(Mutex::new(HashMap::new()));
        let seen = Arc::clone(&urls);
        let access = move |role: Role, url: &str| {
            seen.lock().expect("the URLs").insert(role == Role::Writer, url.to_owned());
            vec![("DATABASE_URL".to_owned(), url.to_owned())]
        };
        service_with(
            Setup { database_access: Some(Box::new(access)), ..Setup::default() },
            async |service| {
                let urls = urls.lock().expect("the URLs").clone();
                let log = LogBook::default();
                let functions = Functions::new(
                    vec![Function {
                        name: "router".to_owned(),
                        program: programs().expect("the binaries").join("router"),
                        arguments: Vec::new(),
                        environment: variables
                            .iter()
                            .map(|(name, role)| ((*name).to_owned(), urls[&(*role == Role::Writer)].clone()))
                            .collect(),
                        timeout: Duration::from_secs(10),
                        memory_mb: 256,
                        max_environments: 1,
                    }],
                    log.sink(),
                );
                let router = Router { functions, log };
                test(service, &router).await;
                router.functions.shutdown().await;
            },
        );
    }

    async fn send(&self, event: Vec<u8>) -> Result<Value, InvokeError> {
        let answer = self.functions.invoke("router", Bytes::from(event), "", Duration::from_secs(10)).await?;
        Ok(serde_json::from_slice(&answer).expect("JSON"))
    }

    async fn sample(&self, name: &str) -> Value {
        self.send(sample(name)).await.expect("an answer")
    }
}

fn sample(name: &str) -> Vec<u8> {
    fs::read(checkout().join(format!("events/{name}.json"))).expect("an event")
}

/// The logins with connections to the database of `service`.
async fn logins(service: &Service) -> BTreeSet<String> {
    let database = service.database().await;
    let rows = database.query(
        "select distinct usename::text from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()",
        &[],
    );
    rows.await.expect("the sessions").iter().map(|row| row.get(0)).collect()
}

#[test]
fn every_sample_is_answered_as_by_its_own_function() {
    Router::with(answers_every_sample);
}

/// docs/configuration.md documents this for `router`, and `cargo lambda watch` passes the same variables to every function.
#[test]
fn the_writers_url_alone_is_enough_for_every_operation() {
    Router::with_urls(&[("DATABASE_URL", Role::Writer)], answers_every_sample);
}

async fn answers_every_sample(service: &Service, router: &Router) {
    for Sample { name, status, .. } in SAMPLES.iter() {
        again(service).await;
        let answer = router.sample(name).await;
        assert_eq!(answer["statusCode"], *status, "{name}: {answer}");
    }
}

#[test]
fn what_only_reads_connects_as_the_reader() {
    Router::with(async |service, router| {
        assert_eq!(router.sample("list-products").await["statusCode"], 200);
        assert_eq!(logins(service).await, BTreeSet::from(["atelier_local_reader".to_owned()]));
        assert_eq!(router.sample("create-product").await["statusCode"], 201);
        let both = ["atelier_local_reader", "atelier_local_writer"].map(str::to_owned);
        assert_eq!(logins(service).await, BTreeSet::from(both));
    });
}

#[test]
fn log_lines_name_the_operation() {
    Router::with(async |_, router| {
        router.sample("list-products").await;
        router.sample("get-product.not-found").await;
        let requests = router.log.requests();
        let named: Vec<_> = requests.iter().map(|line| [&line["operation"], &line["route"]]).collect();
        assert_eq!(
            json!(named),
            json!([["list-products", "/v1/products"], ["get-product", "/v1/products/{id}"]])
        );
    });
}

#[test]
fn an_event_of_no_route_is_an_error_that_names_it() {
    Router::with(async |_, router| {
        let mut event: Value = serde_json::from_slice(&sample("get-product")).expect("JSON");
        event["resource"] = json!("/v1/kilns/{id}");
        let answer = router.send(event.to_string().into_bytes()).await;
        let Err(InvokeError::FunctionError { error_type, message }) = answer else { panic!("{answer:?}") };
        assert_eq!(error_type, "NoSuchRoute");
        assert!(message.contains("no operation has the route GET /v1/kilns/{id}"), "{message}");
    });
}
