//! The budget of getProduct: the costs recorded in `benches/baseline.json`, with a tolerance. It covers only
//! instructions, memory and size, which do not depend on the machine's load.

use std::{fmt, fs, path::Path};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tools::Valgrind;

use crate::{
    events::Requests, instructions, measure::Answers, running::Running, size, statistics::Figure,
    subject::Subject, subjects::COMPARED,
};

/// A figure may exceed its baseline by this percentage.
pub const TOLERANCE_PERCENT: u64 = 3;

/// The number of starts whose memory is measured: where the kernel loads the program makes a difference of some pages.
const STARTS: usize = 7;
/// The number of requests before memory is measured: buffers grow with the first ones.
const REQUESTS: usize = 50;

/// The figures that are compared with the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Instructions of a warm request.
    pub instructions_per_request: u64,
    /// Instructions from the start until the first response is posted and the next event is requested.
    pub instructions_per_start: u64,
    /// The peak memory of a process after some requests.
    pub peak_memory_bytes: u64,
    /// The size of the program's zip for x86-64.
    pub zip_bytes: u64,
}

/// A figure that differs from its baseline by more than the tolerance.
#[derive(Debug, PartialEq)]
pub struct Difference {
    name: &'static str,
    measured: u64,
    baseline: u64,
}

impl Difference {
    /// Whether the figure is above its baseline.
    pub fn is_excess(&self) -> bool {
        self.measured > self.baseline
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, measured, baseline } = self;
        write!(
            f,
            "{name}: {measured}, the baseline is {baseline} ({:+.1} %)",
            100.0 * (share(*measured, *baseline) - 1.0)
        )
    }
}

#[expect(clippy::cast_precision_loss, reason = "none of the figures is near 2^52")]
fn share(measured: u64, baseline: u64) -> f64 {
    measured as f64 / baseline as f64
}

impl Budget {
    /// Measures `subject`, which is get-product.
    ///
    /// # Errors
    /// When the subject fails.
    pub fn measure(subject: &Subject, database_url: &str, valgrind: &Valgrind) -> Result<Self> {
        let requests = Requests::of(COMPARED, 0)?;
        let mut answers = Answers::new(Some(requests.status), None);
        let counted = instructions::count(subject, &requests, database_url, &mut answers, valgrind)?;
        Ok(Self {
            instructions_per_request: counted.per_request,
            instructions_per_start: counted.per_start,
            peak_memory_bytes: peak_memory(subject, &requests, database_url)?,
            zip_bytes: size::of(&subject.deployed)?.zip_bytes,
        })
    }

    /// Reads the baseline from `file`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Writes these figures as the baseline.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        Ok(fs::write(file, serde_json::to_string_pretty(self)? + "\n")?)
    }

    /// The figures that differ from `baseline` by more than the tolerance.
    pub fn differences(&self, baseline: &Self) -> Vec<Difference> {
        let figures = |it: &Self| {
            let Self { instructions_per_request, instructions_per_start, peak_memory_bytes, zip_bytes } = *it;
            [
                ("instructions per warm request", instructions_per_request),
                ("instructions per start", instructions_per_start),
                ("bytes of memory at most", peak_memory_bytes),
                ("bytes of the zip for x86-64", zip_bytes),
            ]
        };
        let pairs = figures(self).into_iter().zip(figures(baseline));
        let differences =
            pairs.map(|((name, measured), (_, baseline))| Difference { name, measured, baseline });
        differences
            .filter(|it| it.measured.abs_diff(it.baseline) * 100 > it.baseline * TOLERANCE_PERCENT)
            .collect()
    }
}

/// The median of the peak memory of several processes.
fn peak_memory(subject: &Subject, requests: &Requests, database_url: &str) -> Result<u64> {
    let mut peaks = Vec::new();
    for _ in 0..STARTS {
        let mut running = Running::start(subject, database_url)?;
        let result = requests_of(&mut running, requests);
        let peak = running.with_output(result)?;
        #[expect(clippy::cast_precision_loss, reason = "no process has so much memory")]
        peaks.push(peak as f64);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a median of whole numbers")]
    Ok(Figure::of(peaks).median as u64)
}

fn requests_of(running: &mut Running, requests: &Requests) -> Result<u64> {
    const LIMIT: std::time::Duration = std::time::Duration::from_secs(60);
    running.api.wait_for_next(LIMIT)?;
    for number in 0..REQUESTS {
        running.api.exchange(requests.event(number), LIMIT)?;
        running.api.wait_for_next(LIMIT)?;
    }
    running.tree().peak_memory_bytes()
}

/// The file of the baseline.
pub fn file() -> std::path::PathBuf {
    tools::checkout().join("benches/baseline.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_beyond_the_tolerance_are_named_with_their_direction() {
        let baseline = Budget {
            instructions_per_request: 100_000,
            instructions_per_start: 1_000_000,
            peak_memory_bytes: 5_000_000,
            zip_bytes: 3_000_000,
        };
        let measured = Budget {
            instructions_per_request: 103_000,
            instructions_per_start: 1_030_001,
            peak_memory_bytes: 4_800_000,
            zip_bytes: 2_910_001,
        };
        let differences = measured.differences(&baseline);
        let told: Vec<_> = differences.iter().map(|it| (it.is_excess(), it.to_string())).collect();
        assert_eq!(
            told,
            [
                (true, "instructions per start: 1030001, the baseline is 1000000 (+3.0 %)".to_owned()),
                (false, "bytes of memory at most: 4800000, the baseline is 5000000 (-4.0 %)".to_owned()),
            ]
        );
        assert!(baseline.differences(&baseline).is_empty());
    }
}
