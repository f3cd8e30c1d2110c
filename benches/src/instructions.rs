//! How many instructions a program executes, as callgrind counts them: the same on a busy machine as on an idle one, but
//! for what depends on how much of an answer each read finds.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tools::Valgrind;

use crate::{events::Requests, measure::Answers, running::Running, subject::Subject};

/// What a program executes, without what the kernel does for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instructions {
    /// From its start to its first answer, and until it waits for the second event.
    pub per_start: u64,
    /// For each further request.
    pub per_request: u64,
}

/// Requests before those that count, in which buffers and caches grow.
const WARM_UP: usize = 10;
const COUNTED: usize = 100;

/// Some fifty times as long as without callgrind.
const LIMIT: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(20);

/// Counts what `subject` executes. `answers` checks what it answers.
///
/// # Errors
/// When it fails, or an answer is not what it has to be.
pub fn count(
    subject: &Subject,
    requests: &Requests,
    database_url: &str,
    answers: &mut Answers,
    valgrind: &Valgrind,
) -> Result<Instructions> {
    let counted = under(subject, valgrind);
    let mut after = |requests_count| -> Result<u64> {
        let mut running = Running::start(&counted, database_url)?;
        let result = collected(&mut running, requests, requests_count, answers);
        running.explain(result)
    };
    let per_start = after(1)?;
    let [few, many] = [after(WARM_UP)?, after(WARM_UP + COUNTED)?];
    Ok(Instructions { per_start, per_request: many.saturating_sub(few) / COUNTED as u64 })
}

/// `subject` as callgrind runs it.
fn under(subject: &Subject, valgrind: &Valgrind) -> Subject {
    let mut counted = subject.clone();
    let options = ["--tool=callgrind", "--callgrind-out-file=/dev/null"].map(Into::into);
    counted.command =
        [valgrind.program.clone().into()].into_iter().chain(options).chain(counted.command).collect();
    let libraries = valgrind.libraries.iter().map(|folder| ("VALGRIND_LIB", folder.into()));
    counted.environment.extend(libraries);
    counted
}

/// The instructions of a process that is ended after `count` requests.
fn collected(running: &mut Running, requests: &Requests, count: usize, answers: &mut Answers) -> Result<u64> {
    running.api.wait_for_next(LIMIT)?;
    for number in 0..count {
        running.api.exchange(requests.event(number), LIMIT)?;
        answers.check(running.api.response())?;
        running.api.wait_for_next(LIMIT)?;
    }
    until_idle(running)?;
    running.terminate(LIMIT)?;
    let output = running.output()?;
    let collected = output.lines().rev().find_map(|line| line.split_once("Collected :"));
    collected
        .and_then(|(_, count)| count.trim().parse().ok())
        .context("callgrind does not say what it has collected")
}

/// Waits until the process does nothing more: its last request is there before it has gone to sleep.
fn until_idle(running: &Running) -> Result<()> {
    let until = Instant::now() + LIMIT;
    let mut before = running.tree().processor_time()?;
    while Instant::now() < until {
        thread::sleep(PAUSE);
        let now = running.tree().processor_time()?;
        if now == before {
            return Ok(());
        }
        before = now;
    }
    bail!("the subject does not come to rest")
}
