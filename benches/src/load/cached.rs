//! The benefit of the cache when some rows are read far more often than others.

use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::{
    client::Client,
    stack::{Cache, Stack},
};
use crate::{
    database::IDS,
    random::Random,
    statistics::{percentile, sorted},
    zipf::Zipf,
};

/// Few enough for every client to have its own process of the function, on two processors.
const CLIENTS: usize = 4;
const PRODUCTS: u32 = 10_000;
const WARM_UP: Duration = Duration::from_secs(4);
const DURATION: Duration = Duration::from_secs(8);

/// The measurements of clients that get products by Zipf's law.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cached {
    /// Whether there was a cache.
    pub has_cache: bool,
    /// Responses per second.
    pub per_second: f64,
    /// The median latency.
    pub p50_us: f64,
    /// The 99th percentile of the latency.
    pub p99_us: f64,
    /// The share of cache hits.
    pub hits: f64,
    /// Responses other than 200.
    pub errors: usize,
}

pub(super) fn run(programs: &Path, database_url: &str, cache: Cache, say: tools::Say<'_>) -> Result<Cached> {
    let has_cache = cache == Cache::Own;
    say(if has_cache { "reads by Zipf's law, with a cache" } else { "reads by Zipf's law, without a cache" });
    let stack = Stack::start(programs, database_url, cache)?;
    read(stack.port, WARM_UP, 0)?;
    let begin = Instant::now();
    let seen = read(stack.port, DURATION, CLIENTS)?;
    let seconds = begin.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "no client sends 2^52 requests")]
    let [answers, hits] = [seen.len(), seen.iter().filter(|it| it.is_hit).count()].map(|it| it as f64);
    let times = sorted(seen.iter().map(|it| it.time_us).collect());
    Ok(Cached {
        has_cache,
        per_second: answers / seconds,
        p50_us: percentile(&times, 0.5),
        p99_us: percentile(&times, 0.99),
        hits: hits / answers.max(1.0),
        errors: seen.iter().filter(|it| it.status != 200).count(),
    })
}

struct Seen {
    time_us: f64,
    status: u16,
    is_hit: bool,
}

fn read(port: u16, duration: Duration, seed: usize) -> Result<Vec<Seen>> {
    let begin = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            thread::spawn(move || -> Result<Vec<Seen>> {
                let (mut client, zipf) = (Client::connect(port)?, Zipf::new(PRODUCTS));
                let (mut random, mut seen) = (Random::new((seed + number) as u64), Vec::new());
                while begin.elapsed() < duration {
                    let path = format!("/v1/products/{IDS}{:012}", zipf.choose(&mut random));
                    let sent = Instant::now();
                    let answer = client.get(&path)?;
                    let time_us = sent.elapsed().as_secs_f64() * 1e6;
                    seen.push(Seen { time_us, status: answer.status, is_hit: answer.is_hit });
                }
                Ok(seen)
            })
        })
        .collect();
    let mut all = Vec::new();
    for client in clients {
        all.extend(client.join().ok().context("a client has panicked")??);
    }
    Ok(all)
}
