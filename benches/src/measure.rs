//! Times, processor time and memory of subjects: in rounds, in each of which every subject runs once, so that what disturbs
//! the machine for a while disturbs all of them.

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

/// What a subject is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The least that a request costs.
    Floor,
    /// An operation of this project.
    Operation,
    /// The same as others would write it.
    Peer,
}

/// A subject with what it is asked.
pub struct Candidate {
    /// What runs.
    pub subject: Subject,
    /// What it is.
    pub kind: Kind,
    /// The operation whose events it gets.
    pub operation: &'static str,
    /// The role that it connects as.
    pub role: Role,
    /// The same for Lambda's arm64, if it has been built.
    pub arm64: Option<PathBuf>,
}

impl Candidate {
    /// Whether it answers otherwise than the others: a program without a database, to show what its library costs.
    fn is_hello(&self) -> bool {
        self.subject.name.ends_with("hello")
    }
}

/// What has been measured of a subject.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Measured {
    /// Its name.
    pub name: String,
    /// What it is made of.
    pub about: String,
    /// What it is.
    pub kind: Kind,
    /// In how many rounds.
    pub rounds: usize,
    /// From its start to its first `next`.
    pub start_to_next_ms: Figure,
    /// From its start to its first answer.
    pub start_to_answer_ms: Figure,
    /// Warm requests back to back.
    pub hot: Latency,
    /// Warm requests 3 ms apart.
    pub paced: Latency,
    /// Processor time of all its processes for a warm request.
    pub processor_us: Figure,
    /// The most memory that its processes had.
    pub peak_memory_bytes: Figure,
    /// What is deployed.
    pub size: Size,
    /// The zip for Lambda's arm64.
    pub arm64_zip_bytes: Option<u64>,
}

/// The percentiles of a round's requests, each with what the rounds have shown.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Latency {
    /// Half of the requests took no longer.
    pub p50_us: Figure,
    /// Nine of ten.
    pub p90_us: Figure,
    /// 99 of a hundred.
    pub p99_us: Figure,
}

impl Latency {
    fn of(rounds: &[Round], percentiles: impl Fn(&Round) -> [f64; 3]) -> Self {
        let figure =
            |place: usize| Figure::of(rounds.iter().map(|round| percentiles(round)[place]).collect());
        Self { p50_us: figure(0), p90_us: figure(1), p99_us: figure(2) }
    }
}

/// What is measured, and for how long.
pub struct Plan {
    /// No more rounds than this.
    pub rounds: usize,
    /// No round begins later, but for the first three.
    pub limit: Duration,
}

/// A subject without figures, and why.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Missing {
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
}

const LEAST_ROUNDS: usize = 3;

/// Measures `candidates`. A peer that fails is left out with its reason.
///
/// # Errors
/// When an operation or the floor fails, or answers otherwise than it has to.
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
        say(&format!("round {number} of {}{}", plan.rounds, left(number - 1, elapsed, plan)));
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
    let measured = running.into_iter().map(|(candidate, rounds)| conclude(candidate, &rounds));
    Ok((measured.collect::<Result<_>>()?, missing))
}

/// What remains, as far as the `done` rounds tell.
fn left(done: usize, elapsed: Duration, plan: &Plan) -> String {
    let Some(each) = u32::try_from(done).ok().and_then(|done| elapsed.checked_div(done)) else {
        return String::new();
    };
    let rounds = u32::try_from(plan.rounds - done).unwrap_or(u32::MAX);
    let left = each.saturating_mul(rounds).min(plan.limit.saturating_sub(elapsed));
    format!(", about {} s left", left.as_secs())
}

/// The product that the compared operation answers.
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

fn conclude(candidate: Candidate, rounds: &[Round]) -> Result<Measured> {
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
        assert_eq!(left(0, Duration::ZERO, &plan), "");
        assert_eq!(left(2, Duration::from_secs(10), &plan), ", about 40 s left");
        assert_eq!(left(2, Duration::from_secs(40), &plan), ", about 60 s left");
    }
}
