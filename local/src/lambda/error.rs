//! Why an invocation has no payload. The messages are for logs: they may quote what the function wrote.

use std::{fmt, time::Duration};

/// Why an invocation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvokeError {
    /// No function has this name.
    UnknownFunction {
        /// The requested name.
        name: String,
    },
    /// The event is over [`EVENT_LIMIT_BYTES`](super::EVENT_LIMIT_BYTES).
    EventTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// No environment became free within the caller's wait.
    Throttled {
        /// The caller's wait.
        waited: Duration,
    },
    /// The runtime did not get as far as requesting its first event.
    InitFailed {
        /// What happened instead.
        reason: String,
        /// The last lines it wrote, oldest first.
        log_tail: Vec<String>,
    },
    /// The function posted an error, or a response over Lambda's size limit.
    FunctionError {
        /// Its `errorType`, such as `Function.ResponseSizeTooLarge`.
        error_type: String,
        /// Its `errorMessage`.
        message: String,
    },
    /// The process ended during the invocation.
    Crashed {
        /// Exit status or signal.
        status: String,
        /// The last lines it wrote, oldest first.
        log_tail: Vec<String>,
    },
    /// The function's timeout passed; its process was killed.
    TimedOut {
        /// The function's timeout.
        after: Duration,
    },
    /// The functions are shut down.
    ShutDown,
}

impl fmt::Display for InvokeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownFunction { name } => write!(f, "there is no function `{name}`"),
            Self::EventTooLarge { bytes } => write!(f, "the event of {bytes} bytes is over Lambda's 6 MB"),
            Self::Throttled { waited } => {
                write!(f, "no environment was free within {} s", waited.as_secs_f64())
            }
            Self::InitFailed { reason, log_tail } => {
                write!(f, "the environment did not initialise: {reason}")?;
                write_tail(f, log_tail)
            }
            Self::FunctionError { error_type, message } => write!(f, "{error_type}: {message}"),
            Self::Crashed { status, log_tail } => {
                write!(f, "the process ended during the invocation: {status}")?;
                write_tail(f, log_tail)
            }
            Self::TimedOut { after } => write!(f, "Task timed out after {:.2} seconds", after.as_secs_f64()),
            Self::ShutDown => f.write_str("the functions are shut down"),
        }
    }
}

impl std::error::Error for InvokeError {}

fn write_tail(f: &mut fmt::Formatter<'_>, tail: &[String]) -> fmt::Result {
    if tail.is_empty() {
        return f.write_str(" (it wrote nothing)");
    }
    f.write_str("; it last wrote:")?;
    tail.iter().try_for_each(|line| write!(f, "\n  {line}"))
}
