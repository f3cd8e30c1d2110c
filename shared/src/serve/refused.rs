//! Events that no operation can answer: the only reason for which a function fails an invocation.

use std::fmt;

use lambda_runtime::Diagnostic;

use super::event::ForeignEvent;

/// Why an event was rejected. The `errorType` is stable: docs/operations.md documents it, and alarms may
/// count it.
pub(super) enum RefusedEvent {
    /// The event is not from API Gateway.
    Foreign(ForeignEvent),
    /// The function has no such route.
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

/// Converts explicitly, because the runtime would use the name of the Rust type as the error type.
impl From<RefusedEvent> for Diagnostic {
    fn from(refused: RefusedEvent) -> Self {
        Self { error_type: refused.error_type().to_owned(), error_message: refused.to_string() }
    }
}

impl fmt::Display for RefusedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign(event) => fmt::Display::fmt(event, f),
            Self::NoRoute { route } => write!(f, "no operation has the route {route}"),
        }
    }
}

/// The same as `Display`, because the runtime logs the error by its `Debug` form.
impl fmt::Debug for RefusedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
