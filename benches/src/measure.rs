//! Measures times, processor time and memory of subjects in rounds. Every subject runs once in each round, so that a
//! temporary disturbance of the machine affects all of them.

mod answer;
mod round;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use shared::Role;
use tokio::runtime::Runtime;

use crate::{
    database::Database,
    events::Requests,
    size::{self, Size},
    statistics::Figure,
    subject::Subject,
    subjects::COMPARED,
};

pub use answer::Answers;
pub use round::{Load, PAUSE, Round};

/// The kind of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The minimum cost of a request.
    Floor,
    /// An operation of this project.
    Operation,
    /// An implementation with other libraries.
    Peer,
}

/// A subject to measure, with its operation and role.
pub struct Candidate {
    /// The program.
    pub subject: Subject,
    /// The kind of the subject.
    pub kind: Kind,
    /// The operation whose events it receives.
    pub operation: &'static str,
    /// The database role that it connects with.
    pub role: Role,
    /// The program for Lambda's arm64, if it has been built.
    pub arm64: Option<PathBuf>,
}

impl Candidate {
    /// Whether it is a program without a database, with a different response, which shows the cost of its library.
    fn is_hello(&self) -> bool {
        self.subject.name.ends_with("hello")
    }
}

/// The measurements of a subject.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measured {
    /// Its name.
    pub name: String,
    /// Its libraries and versions.
    pub about: String,
    /// What it is.
    pub kind: Kind,
    /// The number of rounds.
    pub rounds: usize,
    /// From its start to its first `next`.
    pub start_to_next_ms: Figure,
    /// From its start to its first response.
    pub start_to_answer_ms: Figure,
    /// Warm requests back to back.
    pub hot: Latency,
    /// Warm requests 3 ms apart.
    pub paced: Latency,
    /// The processor time of all its processes per warm request.
    pub processor_us: Figure,
    /// The peak memory of its processes.
    pub peak_memory_bytes: Figure,
    /// The size of the deployed files.
    pub size: Size,
    /// The size of the zip for Lambda's arm64.
    pub arm64_zip_bytes: Option<u64>,
}

/// Percentiles of the requests in a round, each as a figure over all rounds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Latency {
    /// The median.
    pub p50_us: Figure,
    /// The 90th percentile.
    pub p90_us: Figure,
    /// The 99th percentile.
    pub p99_us: Figure,
}

impl Latency {
    fn of(rounds: &[Round], percentiles: impl Fn(&Round) -> [f64; 3]) -> Self {
        let figure =
            |place: usize| Figure::of(rounds.iter().map(|round| percentiles(round)[place]).collect());
        Self { p50_us: figure(0), p90_us: figure(1), p99_us: figure(2) }
    }
}

/// The limits of a measurement.
pub struct Plan {
    /// The maximum number of rounds.
    pub rounds: usize,
    /// No round begins after this time, except the first three.
    pub limit: Duration,
}

/// A subject that could not be measured, and why.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Missing {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
}

const LEAST_ROUNDS: usize = 3;

/// Measures `candidates`. A peer that fails is skipped, and its reason recorded.
///
/// # Errors
/// When an operation or the floor fails, or its response is not as expected.
pub fn run(
    candidates: Vec<Candidate>,
    plan: &Plan,
    runtime: &Runtime,
    database: &Database,
    say: tools::Say<'_>,
) -> Result<(Vec<Measured>, Vec<Missing>)> {
    let product = reference(&candidates, runtime, database)?;
    let begin = Instant::now();
    let mut missing = Vec::new();
    let mut running: Vec<(Candidate, Vec<Round>)> =
        candidates.into_iter().map(|it| (it, Vec::new())).collect();
    for number in 1..=plan.rounds {
        let elapsed = begin.elapsed();
        if number > LEAST_ROUNDS && elapsed >= plan.limit {
            say(&format!("the time is over after {} rounds", number - 1));
            break;
        }
        say(&format!("round {number} of {}{}", plan.rounds, remaining_time(number - 1, elapsed, plan)));
        let mut kept = Vec::new();
        for (candidate, mut rounds) in running {
            let expected = (candidate.operation == COMPARED && !candidate.is_hello()).then_some(&product);
            match measure(&candidate, number, expected, runtime, database) {
                Ok(round) => {
                    rounds.push(round);
                    kept.push((candidate, rounds));
                }
                Err(error) if candidate.kind == Kind::Peer => {
                    let name = candidate.subject.name.to_owned();
                    say(&format!("{name} is left out: {error:#}"));
                    missing.push(Missing { name, reason: format!("{error:#}") });
                }
                Err(error) => return Err(error.context(candidate.subject.name)),
            }
        }
        running = kept;
    }
    let measured = running.into_iter().map(|(candidate, rounds)| summarise(candidate, &rounds));
    Ok((measured.collect::<Result<_>>()?, missing))
}

/// The remaining time, estimated from the `done` rounds.
fn remaining_time(done: usize, elapsed: Duration, plan: &Plan) -> String {
    let Some(each) = u32::try_from(done).ok().and_then(|done| elapsed.checked_div(done)) else {
        return String::new();
    };
    let rounds = u32::try_from(plan.rounds - done).unwrap_or(u32::MAX);
    let left = each.saturating_mul(rounds).min(plan.limit.saturating_sub(elapsed));
    format!(", about {} s left", left.as_secs())
}

/// The product that the compared operation returns.
fn reference(candidates: &[Candidate], runtime: &Runtime, database: &Database) -> Result<serde_json::Value> {
    let is_reference = |it: &&Candidate| it.kind == Kind::Operation && it.operation == COMPARED;
    let candidate = candidates.iter().find(is_reference).with_context(|| format!("no {COMPARED}"))?;
    let load = Load { warm_up: 0, hot: 1, paced: 0 };
    let answers = with_load(candidate, 0, None, load, runtime, database)?.1;
    answers.product().context("the answer has no product")
}

fn measure(
    candidate: &Candidate,
    number: usize,
    expected: Option<&serde_json::Value>,
    runtime: &Runtime,
    database: &Database,
) -> Result<Round> {
    let load = if candidate.operation == COMPARED { Load::COMPARED } else { Load::OPERATION };
    Ok(with_load(candidate, number, expected, load, runtime, database)?.0)
}

fn with_load(
    candidate: &Candidate,
    number: usize,
    expected: Option<&serde_json::Value>,
    load: Load,
    runtime: &Runtime,
    database: &Database,
) -> Result<(Round, Answers)> {
    let requests = Requests::of(candidate.operation, number)?;
    if let Some(statements) = &requests.preparation {
        runtime.block_on(database.execute(statements))?;
    }
    let status = (!candidate.is_hello()).then_some(requests.status);
    let mut answers = Answers::new(status, expected.cloned());
    let url = database.url_of(candidate.role)?;
    let round = round::run(&candidate.subject, &requests, load, &url, &mut answers)?;
    Ok((round, answers))
}

fn summarise(candidate: Candidate, rounds: &[Round]) -> Result<Measured> {
    let figure = |value: fn(&Round) -> f64| Figure::of(rounds.iter().map(value).collect());
    let Candidate { subject, kind, arm64, .. } = candidate;
    let arm64_zip_bytes = arm64.map(|program| size::of(&[program])).transpose()?.map(|it| it.zip_bytes);
    Ok(Measured {
        name: subject.name.to_owned(),
        about: subject.about,
        kind,
        rounds: rounds.len(),
        start_to_next_ms: figure(|it| it.start_to_next_ms),
        start_to_answer_ms: figure(|it| it.start_to_answer_ms),
        hot: Latency::of(rounds, |it| it.hot_us),
        paced: Latency::of(rounds, |it| it.paced_us),
        processor_us: figure(|it| it.processor_us),
        peak_memory_bytes: figure(|it| it.peak_memory_bytes),
        size: size::of(&subject.deployed)?,
        arm64_zip_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_follows_from_the_rounds_that_are_done_and_ends_with_the_limit() {
        let plan = Plan { rounds: 10, limit: Duration::from_secs(100) };
        assert_eq!(remaining_time(0, Duration::ZERO, &plan), "");
        assert_eq!(remaining_time(2, Duration::from_secs(10), &plan), ", about 40 s left");
        assert_eq!(remaining_time(2, Duration::from_secs(40), &plan), ", about 60 s left");
    }
}
