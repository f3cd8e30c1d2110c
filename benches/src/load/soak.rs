//! A soak test: a mix of all operations for minutes, at a rate that the local environment sustains. No request fails,
//! no process ends, and memory does not grow.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::{client::Client, stack::Stack};
use crate::{
    database::IDS,
    random::Random,
    statistics::{percentile, sorted},
};

const CLIENTS: usize = 4;
/// The duration of the measurement of the maximum rate.
const TOP: Duration = Duration::from_secs(10);
/// The number of memory samples.
const SAMPLES: u32 = 40;
/// The existing products and artisans. Those with even numbers are read; among those with odd numbers, each client
/// changes its own.
const PRODUCTS: usize = 10_000;
const ARTISANS: usize = 100;

/// The results of a soak test.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Soak {
    /// The duration.
    pub minutes: u32,
    /// The maximum rate, in responses per second.
    pub top_per_second: f64,
    /// The rate during the test, in responses per second.
    pub per_second: f64,
    /// The number of responses.
    pub answers: usize,
    /// The number of unexpected responses.
    pub errors: usize,
    /// The median latency, from the time at which a request was due.
    pub p50_us: f64,
    /// The 99th percentile of the latency.
    pub p99_us: f64,
    /// The number of function processes that ended after all had started.
    pub ended: usize,
    /// The memory of the processes over time.
    pub memory: Vec<Sample>,
}

/// The memory of all functions at one time.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Sample {
    /// The time since the beginning.
    pub seconds: u64,
    /// The number of processes, including the local environment's.
    pub processes: usize,
    /// The resident memory of all processes.
    pub bytes: u64,
}

impl Soak {
    /// The memory per process in the last quarter of the time, as a multiple of that in the second quarter.
    pub fn growth(&self) -> f64 {
        let quarter = self.memory.len() / 4;
        #[expect(clippy::cast_precision_loss, reason = "no memory has 2^52 bytes")]
        let mean = |samples: &[Sample]| {
            let each = samples.iter().map(|it| it.bytes as f64 / it.processes.max(1) as f64);
            each.sum::<f64>() / samples.len().max(1) as f64
        };
        let second = mean(self.memory.get(quarter..2 * quarter).unwrap_or_default());
        let last = mean(self.memory.get(3 * quarter..).unwrap_or_default());
        if second > 0.0 { last / second } else { 1.0 }
    }
}

pub(super) fn run(stack: &Stack, minutes: u32, say: tools::Say<'_>) -> Result<Soak> {
    let sent = Arc::new(AtomicUsize::new(0));
    say("a mix of all operations, as fast as possible");
    work(stack.port, TOP, None, 0, &sent)?.into_iter().try_for_each(|it| it.check())?;
    let top = work(stack.port, TOP, None, CLIENTS, &sent)?;
    #[expect(clippy::cast_precision_loss, reason = "no client sends 2^52 requests")]
    let top_per_second = top.iter().map(|it| it.times.len()).sum::<usize>() as f64 / TOP.as_secs_f64();

    let duration = Duration::from_secs(60 * u64::from(minutes));
    let tree = stack.tree();
    let before: BTreeSet<_> = tree.processes()?.into_iter().collect();
    let begin = Instant::now();
    sent.store(0, Ordering::Relaxed);
    let working = {
        let (port, sent) = (stack.port, Arc::clone(&sent));
        thread::spawn(move || work(port, duration, Some(top_per_second / 2.0), 2 * CLIENTS, &sent))
    };
    let mut memory = Vec::new();
    for number in 1..=SAMPLES {
        thread::sleep((duration * number / SAMPLES).saturating_sub(begin.elapsed()));
        let sample = Sample {
            seconds: begin.elapsed().as_secs(),
            processes: tree.processes()?.len(),
            bytes: tree.resident_memory_bytes()?,
        };
        if number % 4 == 0 {
            say(&format!(
                "{} s of {} s: {} answers, {} processes, {} MiB",
                sample.seconds,
                duration.as_secs(),
                sent.load(Ordering::Relaxed),
                sample.processes,
                sample.bytes / 1024 / 1024
            ));
        }
        memory.push(sample);
    }
    let seen = working.join().ok().context("the clients have panicked")??;
    let after: BTreeSet<_> = tree.processes()?.into_iter().collect();
    let times = sorted(seen.iter().flat_map(|it| it.times.iter().copied()).collect());
    #[expect(clippy::cast_precision_loss, reason = "no client sends 2^52 requests")]
    let per_second = times.len() as f64 / begin.elapsed().as_secs_f64();
    for failure in seen.iter().flat_map(|it| it.failures.iter()).take(5) {
        say(failure);
    }
    Ok(Soak {
        minutes,
        top_per_second,
        per_second,
        answers: times.len(),
        errors: seen.iter().map(|it| it.failures.len()).sum(),
        p50_us: percentile(&times, 0.5),
        p99_us: percentile(&times, 0.99),
        ended: before.difference(&after).count(),
        memory,
    })
}

/// The measurements of a client.
#[derive(Default)]
struct Seen {
    times: Vec<f64>,
    failures: Vec<String>,
}

impl Seen {
    fn check(self) -> Result<()> {
        ensure!(self.failures.is_empty(), "{}", self.failures.join("; "));
        Ok(())
    }
}

/// Lets clients send requests for `duration`: as fast as possible, or with a total rate of `per_second`.
fn work(
    port: u16,
    duration: Duration,
    per_second: Option<f64>,
    seed: usize,
    sent: &Arc<AtomicUsize>,
) -> Result<Vec<Seen>> {
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let pause = per_second.map(|rate| Duration::from_secs_f64(CLIENTS as f64 / rate));
    let begin = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let sent = Arc::clone(sent);
            thread::spawn(move || -> Result<Seen> {
                let mut user = User::new(port, number, seed)?;
                let mut seen = Seen::default();
                let mut due = begin;
                while begin.elapsed() < duration {
                    match pause {
                        // Measured from when it is due, so that a slow response also counts for the requests behind it.
                        Some(pause) => {
                            due += pause;
                            thread::sleep(due.saturating_duration_since(Instant::now()));
                        }
                        None => due = Instant::now(),
                    }
                    if let Err(failure) = user.ask() {
                        seen.failures.push(format!("{failure:#}"));
                    }
                    seen.times.push(due.elapsed().as_secs_f64() * 1e6);
                    sent.fetch_add(1, Ordering::Relaxed);
                }
                Ok(seen)
            })
        })
        .collect();
    clients.into_iter().map(|client| client.join().ok().context("a client has panicked")?).collect()
}

/// A client of the API, with the resources that it has created.
struct User {
    client: Client,
    number: usize,
    random: Random,
    products: Vec<String>,
    artisans: Vec<String>,
}

const JSON: &str = "application/json";
const PATCH: &str = "application/merge-patch+json";

impl User {
    fn new(port: u16, number: usize, seed: usize) -> Result<Self> {
        let (client, random) = (Client::connect(port)?, Random::new((seed + number) as u64));
        Ok(Self { client, number, random, products: Vec::new(), artisans: Vec::new() })
    }

    /// Sends a random request; nine of ten are reads.
    fn ask(&mut self) -> Result<()> {
        let product = format!("/v1/products/{IDS}{:012}", 2 + 2 * self.random.place(PRODUCTS / 2));
        let artisan = format!("/v1/artisans/{IDS}{:012}", 2 + 2 * self.random.place(ARTISANS / 2));
        let own = |count: usize, random: &mut Random| {
            format!("{IDS}{:012}", 1 + 2 * (self.number + CLIENTS * random.place(count / 2 / CLIENTS)))
        };
        let changed = own(PRODUCTS, &mut self.random);
        let price = 1 + self.random.place(1_000_000);
        let named = |name: &str| format!("{{\"name\":\"{name} {price}\",\"price\":{price}}}");
        match self.random.place(100) {
            0..40 => self.read(&product),
            40..52 => self.read("/v1/products?limit=5&sort=price"),
            52..64 => self.read("/v1/products/search?q=%E5%82%99%E5%89%8D"),
            64..70 => self.read(&artisan),
            70..74 => self.read("/v1/artisans?limit=5"),
            74..78 => self.read("/v1/artisans/search?q=%E4%BD%90%E8%97%A4"),
            78..82 => self.read(&format!("{artisan}/products?limit=5")),
            82..84 => self.read(&format!("{product}/history")),
            84..86 => self.read(&format!("{artisan}/history")),
            86..88 => self.read("/health"),
            88..89 => self.read("/openapi.json"),
            89..93 => self.send(
                "PATCH",
                &format!("/v1/products/{changed}"),
                PATCH,
                &format!("{{\"price\":{price}}}"),
                200,
            ),
            93..94 => self.send("PUT", &format!("/v1/products/{changed}"), JSON, &named("萩焼 皿"), 200),
            94..96 => self.create_product(&named("萩焼 湯呑")),
            96..98 => match self.products.pop() {
                Some(id) => self.delete(&format!("/v1/products/{id}")),
                None => self.create_product(&named("萩焼 鉢")),
            },
            98 => {
                let changed = own(ARTISANS, &mut self.random);
                let biography = format!("{{\"biography\":\"{price}\"}}");
                self.send("PATCH", &format!("/v1/artisans/{changed}"), PATCH, &biography, 200)
            }
            _ => match self.artisans.pop() {
                Some(id) => self.delete(&format!("/v1/artisans/{id}")),
                None => self.create_artisan(),
            },
        }
    }

    fn read(&mut self, path: &str) -> Result<()> {
        let status = self.client.get(path)?.status;
        ensure!(status == 200, "GET {path}: {status}");
        Ok(())
    }

    fn send(&mut self, method: &str, path: &str, media_type: &str, body: &str, expected: u16) -> Result<()> {
        let status = self.client.send(method, path, Some((media_type, body)))?.status;
        ensure!(status == expected, "{method} {path} {body}: {status}");
        Ok(())
    }

    fn delete(&mut self, path: &str) -> Result<()> {
        let status = self.client.send("DELETE", path, None)?.status;
        ensure!(status == 204, "DELETE {path}: {status}");
        Ok(())
    }

    fn create_product(&mut self, body: &str) -> Result<()> {
        let id = self.create("/v1/products", body)?;
        self.products.push(id);
        Ok(())
    }

    fn create_artisan(&mut self) -> Result<()> {
        let id = self.create("/v1/artisans", "{\"given_name\":\"花子\",\"family_name\":\"佐藤\"}")?;
        self.artisans.push(id);
        Ok(())
    }

    fn create(&mut self, path: &str, body: &str) -> Result<String> {
        let answer = self.client.send("POST", path, Some((JSON, body)))?;
        ensure!(answer.status == 201, "POST {path} {body}: {}", answer.status);
        let created: serde_json::Value = serde_json::from_slice(answer.body)?;
        Ok(created["id"].as_str().context("a resource without an id")?.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_grows_if_the_last_quarter_has_more_than_the_second() {
        let sample = |number: u64| Sample { seconds: number, processes: 2, bytes: 1_000 + 10 * number };
        let mut soak = Soak {
            minutes: 1,
            top_per_second: 0.0,
            per_second: 0.0,
            answers: 0,
            errors: 0,
            p50_us: 0.0,
            p99_us: 0.0,
            ended: 0,
            memory: (0..40).map(sample).collect(),
        };
        assert!((soak.growth() - 1345.0 / 1145.0).abs() < 1e-9, "{}", soak.growth());
        soak.memory = vec![sample(1); 40];
        assert!((soak.growth() - 1.0).abs() < 1e-9);
    }
}
