//! Binds everything to one processor during a measurement.
//!
//! With several processors, the scheduler decides in each round which processes share one, and a request that crosses
//! to another processor has to wake it up. That causes most of the noise in such figures.

use anyhow::Result;

/// Binds this thread, and all that it starts afterwards, to one of the processors that it may use. Returns its number.
///
/// # Errors
/// When the system does not support this, or refuses.
#[cfg(target_os = "linux")]
pub fn pin() -> Result<usize> {
    use anyhow::Context;
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    let allowed = sched_getaffinity(None)?;
    // Not the first one, which handles most interrupts.
    let last = (0..CpuSet::MAX_CPU).rev().find(|&it| allowed.is_set(it)).context("no processor")?;
    let mut chosen = CpuSet::new();
    chosen.set(last);
    sched_setaffinity(None, &chosen)?;
    Ok(last)
}

/// Binds this thread, and all that it starts afterwards, to one of the processors that it may use. Returns its number.
///
/// # Errors
/// When the system does not support this, or refuses.
#[cfg(not(target_os = "linux"))]
pub fn pin() -> Result<usize> {
    anyhow::bail!("only Linux binds processes to a processor")
}
