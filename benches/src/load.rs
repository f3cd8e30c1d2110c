//! The local environment under load: its gateway, and as many processes of a function as it lets run.

mod client;

use std::{
    fs::File,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde::{Deserialize, Serialize};

use crate::{
    database::IDS,
    statistics::{percentile, sorted},
};
use client::Client;

/// Clients that send one request after another.
const CLIENTS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
const WARM_UP: Duration = Duration::from_secs(1);
const DURATION: Duration = Duration::from_secs(4);

const START_LIMIT: Duration = Duration::from_secs(60);
const END_LIMIT: Duration = Duration::from_secs(20);

/// What some clients saw.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Throughput {
    /// How many sent requests at once.
    pub clients: usize,
    /// Answers in a second.
    pub per_second: f64,
    /// Half of the requests took no longer.
    pub p50_us: f64,
    /// 99 of a hundred.
    pub p99_us: f64,
    /// Answers that were not 200.
    pub errors: usize,
}

/// Lets 1 to 64 clients get products from the local environment, whose program is in the folder `programs` with those of the
/// functions.
///
/// # Errors
/// When it does not start, or a connection breaks.
pub fn run(programs: &Path, database_url: &str, say: tools::Say<'_>) -> Result<Vec<Throughput>> {
    let stack = Stack::start(programs, database_url)?;
    let mut seen = Vec::new();
    for clients in CLIENTS {
        say(&format!("{clients} clients at once"));
        work(stack.port, clients, WARM_UP)?;
        seen.push(work(stack.port, clients, DURATION)?);
    }
    Ok(seen)
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
                let status = client.get(&format!("/v1/products/{IDS}{:012}", product + 1))?;
                times.push(sent.elapsed().as_secs_f64() * 1e6);
                errors += usize::from(status != 200);
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

/// The local environment as a process, which ends with this.
struct Stack {
    process: Child,
    port: u16,
}

impl Stack {
    fn start(programs: &Path, database_url: &str) -> Result<Self> {
        let port = local::postgres::free_port()?;
        let program = programs.join("local");
        let log = tempfile::NamedTempFile::new()?;
        let mut command = Command::new(&program);
        command.args(["--auth", "none", "--empty", "--port", &port.to_string()]);
        command.env("DATABASE_URL", database_url).env_remove("CACHE_URL").process_group(0);
        // What its functions log would need a reader.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(log.path())?);
        let process = command.spawn().with_context(|| format!("cannot run {}", program.display()))?;
        let mut stack = Self { process, port };
        let until = Instant::now() + START_LIMIT;
        while !Client::connect(port).is_ok_and(|mut client| client.get("/health").is_ok_and(|it| it == 200)) {
            let has_ended = stack.process.try_wait()?.is_some();
            ensure!(
                !has_ended && Instant::now() < until,
                "the local environment does not start: {}",
                std::fs::read_to_string(log.path()).unwrap_or_default()
            );
            thread::sleep(Duration::from_millis(50));
        }
        Ok(stack)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let Some(pid) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw) else { return };
        // It ends its functions itself.
        let _ = kill_process(pid, Signal::INT);
        let until = Instant::now() + END_LIMIT;
        while Instant::now() < until {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = kill_process_group(pid, Signal::KILL);
        let _ = self.process.wait();
    }
}
