//! Counts the instructions of a program with callgrind. The count is the same on a busy and on an idle machine, except
//! for variations in how much of a response each read returns.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tools::Valgrind;

use crate::{events::Requests, measure::Answers, running::Running, subject::Subject};

/// The instructions of a program, without the kernel's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instructions {
    /// From its start until the first response is posted and it waits for the second event.
    pub per_start: u64,
    /// For each further request.
    pub per_request: u64,
}

/// Requests before the counted ones, in which buffers and caches grow.
const WARM_UP: usize = 10;
const COUNTED: usize = 100;

/// About fifty times the duration without callgrind.
const LIMIT: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(20);

/// Counts the instructions of `subject`. `answers` checks its responses.
///
/// # Errors
/// When the subject fails, or a response is not as expected.
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
        running.with_output(result)
    };
    let per_start = after(1)?;
    let [few, many] = [after(WARM_UP)?, after(WARM_UP + COUNTED)?];
    Ok(Instructions { per_start, per_request: many.saturating_sub(few) / COUNTED as u64 })
}

/// The same subject, run by callgrind.
fn under(subject: &Subject, valgrind: &Valgrind) -> Subject {
    let mut counted = subject.clone();
    let options = ["--tool=callgrind", "--callgrind-out-file=/dev/null"].map(Into::into);
    counted.command =
        [valgrind.program.clone().into()].into_iter().chain(options).chain(counted.command).collect();
    let libraries = valgrind.libraries.iter().map(|folder| ("VALGRIND_LIB", folder.into()));
    counted.environment.extend(libraries);
    counted
}

/// The instructions of a process that ends after `count` requests.
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
        .context("callgrind does not report the collected instructions")
}

/// Waits until the process is idle: its last request arrives before it has gone to sleep.
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
    bail!("the subject does not become idle")
}
