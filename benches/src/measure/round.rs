//! A round: measures one process of a subject from its start to its end.

use std::{thread, time::Duration};

use anyhow::Result;

use super::Answers;
use crate::{
    events::Requests,
    running::Running,
    statistics::{percentile, sorted},
    subject::Subject,
};

/// The numbers of requests to a process.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Before the measurement; only the first response is measured.
    pub warm_up: usize,
    /// Back to back.
    pub hot: usize,
    /// With a pause of [`PAUSE`] before each.
    pub paced: usize,
}

impl Load {
    /// For subjects that are compared with each other.
    pub const COMPARED: Self = Self { warm_up: 50, hot: 300, paced: 100 };
    /// For an operation of this project.
    pub const OPERATION: Self = Self { warm_up: 10, hot: 60, paced: 20 };
}

/// Long enough for other programs to use the processor's caches, and for the subject to go to sleep.
pub const PAUSE: Duration = Duration::from_millis(3);

/// The start of slow subjects takes a second.
const START_LIMIT: Duration = Duration::from_secs(30);
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// The measurements of one process.
#[derive(Debug, Clone, Copy)]
pub struct Round {
    /// From its start to its first `next`.
    pub start_to_next_ms: f64,
    /// From its start to its first response.
    pub start_to_answer_ms: f64,
    /// The 50th, 90th and 99th percentiles of requests back to back.
    pub hot_us: [f64; 3],
    /// The same for requests with pauses.
    pub paced_us: [f64; 3],
    /// The processor time per request back to back.
    pub processor_us: f64,
    /// The peak memory of its processes.
    pub peak_memory_bytes: f64,
}

/// Starts `subject` and measures it.
///
/// # Errors
/// When the subject fails, or a response is not as expected.
pub(super) fn run(
    subject: &Subject,
    requests: &Requests,
    load: Load,
    database_url: &str,
    answers: &mut Answers,
) -> Result<Round> {
    let mut running = Running::start(subject, database_url)?;
    let result = measure(&mut running, requests, load, answers);
    running.with_output(result)
}

fn measure(running: &mut Running, requests: &Requests, load: Load, answers: &mut Answers) -> Result<Round> {
    running.api.wait_for_next(START_LIMIT)?;
    let start_to_next = running.started.elapsed();
    let mut number = 0;
    let mut request = |running: &mut Running| -> Result<Duration> {
        let elapsed = running.api.exchange(requests.event(number), ANSWER_LIMIT)?;
        number += 1;
        answers.check(running.api.response())?;
        Ok(elapsed)
    };
    request(running)?;
    let start_to_answer = running.started.elapsed();
    running.api.wait_for_next(ANSWER_LIMIT)?;
    let mut series = |running: &mut Running, count: usize, pause: Option<Duration>| {
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            if let Some(pause) = pause {
                thread::sleep(pause);
            }
            times.push(request(running)?);
            running.api.wait_for_next(ANSWER_LIMIT)?;
        }
        anyhow::Ok(times)
    };
    series(running, load.warm_up, None)?;
    let before = running.tree().processor_time()?;
    let hot = series(running, load.hot, None)?;
    let after = running.tree().processor_time()?;
    let paced = series(running, load.paced, Some(PAUSE))?;
    #[expect(clippy::cast_precision_loss, reason = "counts of requests and bytes are far below 2^52")]
    Ok(Round {
        start_to_next_ms: milliseconds(start_to_next),
        start_to_answer_ms: milliseconds(start_to_answer),
        hot_us: percentiles(hot),
        paced_us: percentiles(paced),
        processor_us: microseconds(after.saturating_sub(before)) / load.hot as f64,
        peak_memory_bytes: running.tree().peak_memory_bytes()? as f64,
    })
}

fn percentiles(times: Vec<Duration>) -> [f64; 3] {
    let times = sorted(times.into_iter().map(microseconds).collect());
    [0.5, 0.9, 0.99].map(|of| percentile(&times, of))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
