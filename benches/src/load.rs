//! The local environment under load: its gateway, with the maximum number of processes per function.

mod cached;
mod client;
mod soak;
mod stack;

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::{
    database::IDS,
    statistics::{percentile, sorted},
};
pub use cached::Cached;
use client::Client;
pub use soak::{Sample, Soak};
use stack::{Cache, Stack};

/// Numbers of concurrent clients, each of which sends one request after another.
const CLIENTS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
const WARM_UP: Duration = Duration::from_secs(1);
const DURATION: Duration = Duration::from_secs(4);

/// The throughput of the local environment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Load {
    /// With increasing numbers of clients.
    pub clients: Vec<Throughput>,
    /// Without and with a cache.
    pub cached: Vec<Cached>,
}

/// The measurements of concurrent clients.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Throughput {
    /// The number of clients.
    pub clients: usize,
    /// Responses per second.
    pub per_second: f64,
    /// The median latency.
    pub p50_us: f64,
    /// The 99th percentile of the latency.
    pub p99_us: f64,
    /// Responses other than 200.
    pub errors: usize,
}

/// Lets 1 to 64 clients get products from the local environment, whose program is in the folder `programs` together
/// with those of the functions.
///
/// # Errors
/// When the environment does not start, or a connection breaks.
pub fn run(programs: &Path, database_url: &str, say: tools::Say<'_>) -> Result<Load> {
    let stack = Stack::start(programs, database_url, Cache::None)?;
    let mut clients = Vec::new();
    for number in CLIENTS {
        say(&format!("{number} clients at once"));
        work(stack.port, number, WARM_UP)?;
        clients.push(work(stack.port, number, DURATION)?);
    }
    drop(stack);
    let cached = [Cache::None, Cache::Own].map(|cache| cached::run(programs, database_url, cache, say));
    Ok(Load { clients, cached: cached.into_iter().collect::<Result<_>>()? })
}

/// Sends a mix of all operations for `minutes` at half the maximum rate of the local environment.
///
/// # Errors
/// When the environment does not start, a request fails, or a process of a function ends.
pub fn soak(programs: &Path, database_url: &str, minutes: u32, say: tools::Say<'_>) -> Result<Soak> {
    let stack = Stack::start(programs, database_url, Cache::None)?;
    soak::run(&stack, minutes, say)
}

fn work(port: u16, clients: usize, duration: Duration) -> Result<Throughput> {
    let begin = Instant::now();
    let each = (0..clients).map(|number| {
        thread::spawn(move || -> Result<(Vec<f64>, usize)> {
            let mut client = Client::connect(port)?;
            let (mut times, mut errors) = (Vec::new(), 0);
            let mut product = number * 7_919;
            while begin.elapsed() < duration {
                product = (product + 1_009) % 10_000;
                let sent = Instant::now();
                let answer = client.get(&format!("/v1/products/{IDS}{:012}", product + 1))?;
                times.push(sent.elapsed().as_secs_f64() * 1e6);
                errors += usize::from(answer.status != 200);
            }
            Ok((times, errors))
        })
    });
    let each: Vec<_> = each.collect();
    let (mut times, mut errors) = (Vec::new(), 0);
    for client in each {
        let (own, failed) = client.join().ok().context("a client has panicked")??;
        times.extend(own);
        errors += failed;
    }
    let seconds = begin.elapsed().as_secs_f64();
    let times = sorted(times);
    #[expect(clippy::cast_precision_loss, reason = "no client sends 2^52 requests")]
    let per_second = times.len() as f64 / seconds;
    let [p50_us, p99_us] = [0.5, 0.99].map(|of| percentile(&times, of));
    Ok(Throughput { clients, per_second, p50_us, p99_us, errors })
}
