//! Measures reads with tables of increasing size.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use shared::Role;
use tokio::{runtime::Runtime, time::timeout};

use crate::{
    database::Database,
    measure::{self, Candidate, Kind, Plan},
    statistics::Figure,
    subjects,
};

/// The numbers of products.
const SIZES: [u32; 3] = [10_000, 100_000, 1_000_000];
/// The reads to measure; the first is the one with which [`measure::run`] compares the others.
const OPERATIONS: [&str; 3] = ["get-product", "list-products", "search-products"];

const ROUNDS: usize = 5;
const LIMIT: Duration = Duration::from_secs(60);
/// A table that takes longer to fill is skipped.
const FILL_LIMIT: Duration = Duration::from_secs(8 * 60);

/// The latencies of reads by table size.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scale {
    /// The latency of each operation with each size.
    pub growth: Vec<ReadLatency>,
}

/// The latency of an operation with one table size.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReadLatency {
    /// The operation.
    pub name: String,
    /// The number of products.
    pub rows: u32,
    /// The median latency of warm requests back to back.
    pub p50_us: Figure,
    /// The 99th percentile of their latency.
    pub p99_us: Figure,
}

/// Measures the reads, whose programs are in the folder `programs`, with a table of each size. Also returns the version
/// of the server.
///
/// # Errors
/// When a program has not been built or fails.
pub fn run(programs: &Path, runtime: &Runtime, say: tools::Say<'_>) -> Result<(Scale, String)> {
    let (mut growth, mut version) = (Vec::new(), String::new());
    for rows in SIZES {
        say(&format!("a table of {rows} products: a million takes minutes"));
        let filled = runtime.block_on(async { timeout(FILL_LIMIT, Database::start(rows, say)).await });
        let Ok(database) = filled else {
            say(&format!("{rows} products are left out: they are not there after {FILL_LIMIT:?}"));
            continue;
        };
        let database = database?;
        version = runtime.block_on(database.version())?;
        let candidates = OPERATIONS.iter().map(|name| {
            let operation = api::OPERATIONS.iter().find(|it| it.name == *name).context(*name)?;
            let subject = subjects::operation(operation, programs)?;
            Ok(Candidate { subject, kind: Kind::Operation, operation: name, role: Role::Reader, arm64: None })
        });
        let plan = Plan { rounds: ROUNDS, limit: LIMIT };
        let candidates = candidates.collect::<Result<_>>()?;
        let (measured, _) = measure::run(candidates, &plan, runtime, &database, say)?;
        growth.extend(measured.into_iter().map(|it| ReadLatency {
            name: it.name,
            rows,
            p50_us: it.hot.p50_us,
            p99_us: it.hot.p99_us,
        }));
        runtime.block_on(database.stop())?;
    }
    Ok((Scale { growth }, version))
}
