//! The one processor that everything shares while it is measured.
//!
//! On several, the scheduler decides in each round which two share one, and a request that crosses from one to another costs
//! a wake-up of an idle processor, which is most of the noise of such figures.

use anyhow::Result;

/// Binds this thread, and whatever it starts from now on, to one of the processors that it may use. Returns its number.
///
/// # Errors
/// Where the system has no such thing, or refuses.
#[cfg(target_os = "linux")]
pub fn pin() -> Result<usize> {
    use anyhow::Context;
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    let allowed = sched_getaffinity(None)?;
    // The first one gets most interrupts.
    let last = (0..CpuSet::MAX_CPU).rev().find(|&it| allowed.is_set(it)).context("no processor")?;
    let mut chosen = CpuSet::new();
    chosen.set(last);
    sched_setaffinity(None, &chosen)?;
    Ok(last)
}

/// Binds this thread, and whatever it starts from now on, to one of the processors that it may use. Returns its number.
///
/// # Errors
/// Where the system has no such thing, or refuses.
#[cfg(not(target_os = "linux"))]
pub fn pin() -> Result<usize> {
    anyhow::bail!("only Linux binds processes to a processor")
}
