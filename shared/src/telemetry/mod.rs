//! What the service says of itself: log lines in the form of AWS Lambda Powertools, metrics in CloudWatch's embedded
//! format, X-Ray subsegments. It knows no operation, and nothing of HTTP but methods and statuses.
//!
//! Everything hangs on the [`Invocation`]: code that waits for something says so with [`step`], and any line that is
//! logged while an invocation runs carries its keys, whoever writes it.

mod cause;
mod invocation;
mod json;
mod log;
pub mod metrics;
mod output;
mod settings;
mod steps;
pub mod terminal;
mod trace;

pub use cause::Cause;
pub use invocation::{Invocation, Measures, Named, StepTimer, statement, step};
pub use log::{init, init_all};
pub(crate) use output::hold;
pub use settings::{SampleRate, Settings};
pub use steps::{Step, Verb};
pub use trace::Daemon;

use std::time::Duration;

/// `duration` in milliseconds, to the microsecond.
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
