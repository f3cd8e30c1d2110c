//! Observability: log lines in the format of AWS Lambda Powertools, metrics in CloudWatch's embedded format,
//! X-Ray subsegments. Independent of any operation and of HTTP, except for methods and status codes.
//!
//! The [`Invocation`] ties everything together: code that waits reports it with [`step`], and every line
//! logged while an invocation runs carries its keys.

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
pub use invocation::{EventKeys, Invocation, Measures, StepTimer, statement, step};
pub use log::{init, init_all};
pub(crate) use output::hold;
pub use settings::{SampleRate, Settings, VARIABLES};
pub use steps::{Step, Verb};
pub use trace::Daemon;

use std::time::Duration;

/// `duration` in milliseconds, with microsecond precision.
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
