//! Events that no operation answers: all that a function fails an invocation for.

use std::fmt;

use lambda_runtime::Diagnostic;

use super::event::ForeignEvent;

/// Why an event gets no answer. Its `errorType` stays what it is: docs/operations.md names it, and alarms may count it.
pub(super) enum RefusedEvent {
    /// It is none of API Gateway's.
    Foreign(ForeignEvent),
    /// It is of a route that this function does not have.
    NoRoute {
        /// The method and the path template.
        route: String,
    },
}

impl RefusedEvent {
    fn error_type(&self) -> &'static str {
        match self {
            Self::Foreign(_) => "NotAnApiGatewayEvent",
            Self::NoRoute { .. } => "NoSuchRoute",
        }
    }
}

impl From<ForeignEvent> for RefusedEvent {
    fn from(event: ForeignEvent) -> Self {
        Self::Foreign(event)
    }
}

/// Without it the runtime would call the error by the name of its type in Rust.
impl From<RefusedEvent> for Diagnostic {
    fn from(refused: RefusedEvent) -> Self {
        Self { error_type: refused.error_type().to_owned(), error_message: refused.to_string() }
    }
}

impl fmt::Display for RefusedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign(event) => fmt::Display::fmt(event, f),
            Self::NoRoute { route } => write!(f, "no operation answers {route}"),
        }
    }
}

/// As it is displayed: the runtime logs what a function fails with by this.
impl fmt::Debug for RefusedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
