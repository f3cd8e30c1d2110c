//! Clients that read and write continuously, while a test disturbs the functions.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use http::Method;
use serde_json::json;
use tokio::{
    process::Command,
    sync::{RwLock, watch},
    task::JoinSet,
};
use uuid::Uuid;

use crate::{Client, Response, Service};

const CLIENTS: usize = 20;

/// What one client has done.
#[derive(Default)]
struct Tally {
    failures: Vec<String>,
    created: Vec<String>,
    changes: HashMap<String, i64>,
}

/// Running clients. While the gate is held, no request is in flight.
pub struct Traffic {
    gate: Arc<RwLock<()>>,
    is_over: Arc<AtomicBool>,
    answers: watch::Sender<usize>,
    clients: JoinSet<Tally>,
}

impl Traffic {
    /// Runs `CLIENTS` clients until [`finish`](Self::finish).
    pub fn start(client: &Client) -> Self {
        let (gate, is_over) = (Arc::new(RwLock::new(())), Arc::new(AtomicBool::new(false)));
        let (answers, mut clients) = (watch::Sender::new(0), JoinSet::new());
        for number in 0..CLIENTS {
            let worker =
                Worker { number, client: client.clone(), gate: Arc::clone(&gate), answers: answers.clone() };
            let is_over = Arc::clone(&is_over);
            clients.spawn(async move {
                let mut tally = Tally::default();
                while !is_over.load(Ordering::Relaxed) {
                    worker.work(&mut tally).await;
                }
                tally
            });
        }
        Self { gate, is_over, answers, clients }
    }

    /// Ends the processes of the function `killed` and the sessions of the function `cut`, then runs a step of a
    /// rotation while they log in again. Waits for four responses per client, so that each client has used every
    /// function.
    ///
    /// # Panics
    /// When a client has panicked.
    pub async fn round(&self, service: &Service, [killed, cut]: [&str; 2], step: impl Future<Output = ()>) {
        let alone = self.gate.write().await;
        service.end_processes(killed).await;
        service.end_sessions_of(cut).await;
        let target = *self.answers.borrow() + 4 * CLIENTS;
        drop(alone);
        step.await;
        self.answers.subscribe().wait_for(|answers| *answers >= target).await.expect("clients at work");
    }

    /// Stops the clients, and returns the number of requests that they have sent.
    ///
    /// # Panics
    /// When a response was not as expected, or a write is missing or duplicated.
    pub async fn finish(self, service: &Service) -> usize {
        self.is_over.store(true, Ordering::Relaxed);
        let tallies = self.clients.join_all().await;
        let failures: Vec<_> = tallies.iter().flat_map(|it| &it.failures).collect();
        assert!(failures.is_empty(), "{} failed: {failures:#?}", failures.len());

        let sql = "select name, version from products";
        let rows = service.database().await.query(sql, &[]).await.expect("products");
        let mut stored: Vec<(String, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let mut expected: Vec<(String, i64)> = tallies
            .iter()
            .flat_map(|it| {
                it.created.iter().map(|name| (name.clone(), 1 + it.changes.get(name).unwrap_or(&0)))
            })
            .collect();
        stored.sort();
        expected.sort();
        assert_eq!(stored, expected, "every product once, with as many versions as there were changes");
        *self.answers.borrow()
    }
}

struct Worker {
    number: usize,
    client: Client,
    gate: Arc<RwLock<()>>,
    answers: watch::Sender<usize>,
}

impl Worker {
    /// Creates a product, reads it, changes it, and lists all.
    async fn work(&self, tally: &mut Tally) {
        let name = format!("Cup {} {}", self.number, tally.created.len());
        let key = Uuid::now_v7().to_string();
        let headers = [("content-type", "application/json"), ("idempotency-key", &key)];
        let body = json!({"name": name, "price": 1}).to_string();
        let created = self.send(tally, 201, Method::POST, "/v1/products", &headers, body).await;
        let Some(created) = created else { return };
        tally.created.push(name.clone());

        let path = created.header("location").to_owned();
        self.send(tally, 200, Method::GET, &path, &[], String::new()).await;
        let headers =
            [("content-type", "application/merge-patch+json"), ("if-match", created.header("etag"))];
        let patch = json!({"price": 2}).to_string();
        if self.send(tally, 200, Method::PATCH, &path, &headers, patch).await.is_some() {
            *tally.changes.entry(name).or_default() += 1;
        }
        self.send(tally, 200, Method::GET, "/v1/products?limit=1", &[], String::new()).await;
    }

    /// Sends a request. Returns the response if it has `status`, and records a failure otherwise.
    async fn send(
        &self,
        tally: &mut Tally,
        status: u16,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Option<Response> {
        let _open = self.gate.read().await;
        let response = self.client.send(method, path, headers, body).await;
        self.answers.send_modify(|answers| *answers += 1);
        if response.status.as_u16() == status {
            return Some(response);
        }
        tally.failures.push(format!("{}: {} {}", response.request, response.status, response.body));
        None
    }
}

impl Service {
    /// Kills the processes of a function, none of which may be busy, and returns when they are gone.
    ///
    /// # Panics
    /// When `kill` cannot be run.
    pub async fn end_processes(&self, function: &str) {
        let pids = self.functions().environments(function).into_iter().map(|it| it.pid.to_string());
        let pids: Vec<_> = pids.collect();
        if pids.is_empty() {
            return;
        }
        assert!(Command::new("kill").arg("-9").args(pids).status().await.expect("kill runs").success());
        while !self.functions().environments(function).is_empty() {
            tokio::task::yield_now().await;
        }
    }
}

/// The number of logins of users whose names have the same prefix, from the log of a server with `log_connections`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Logins {
    /// Logins over TLS that the server has accepted.
    pub accepted: usize,
    /// Logins with a wrong password.
    pub refused: usize,
}

impl Logins {
    /// The logins since the server's start.
    ///
    /// # Panics
    /// When the server's log cannot be read.
    pub async fn so_far(service: &Service, user: &str) -> Self {
        let log = service.server().lock().await.log_path().to_owned();
        let log = std::fs::read_to_string(log).expect("the server's log");
        let (accepted, refused) = (
            format!("connection authorized: user={user}"),
            format!("password authentication failed for user \"{user}"),
        );
        let is_accepted = |line: &&str| line.contains(&accepted) && line.contains("SSL enabled");
        Self {
            accepted: log.lines().filter(is_accepted).count(),
            refused: log.lines().filter(|line| line.contains(&refused)).count(),
        }
    }

    /// The logins since `self` was counted.
    ///
    /// # Panics
    /// As [`so_far`](Self::so_far).
    pub async fn since(self, service: &Service, user: &str) -> Self {
        let now = Self::so_far(service, user).await;
        Self { accepted: now.accepted - self.accepted, refused: now.refused - self.refused }
    }
}
