//! What can go wrong between here and PostgreSQL, and what a client is told of it.

use std::{error, fmt};

use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;

use crate::Problem;

/// Seconds after which a client should try again when the database is away: a failover takes about as long.
const RETRY_AFTER_SECONDS: u32 = 5;

/// A statement that gave no rows.
#[derive(Debug)]
pub enum Error {
    /// There is no connection to be had.
    Unreachable(tokio_postgres::Error),
    /// The connection was lost, or the server is going down.
    Lost(tokio_postgres::Error),
    /// No answer within the invocation's time.
    TimedOut,
    /// The server refused the statement.
    Refused(tokio_postgres::Error),
    /// The pool cannot serve.
    Pool(PoolError),
}

impl Error {
    /// The error of an attempt to connect.
    pub(super) fn from_connect(error: tokio_postgres::Error) -> Self {
        Self::Unreachable(error)
    }

    /// Whether the connection is of no use any more.
    pub fn is_connection_lost(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::TimedOut)
    }

    /// Name of the constraint that the statement violated, if it did.
    pub fn violated_constraint(&self) -> Option<&str> {
        match self {
            Self::Refused(error) => error.as_db_error()?.constraint(),
            _ => None,
        }
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        let going_down = [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW];
        match error.code() {
            Some(code) if going_down.contains(code) => Self::Lost(error),
            Some(_) => Self::Refused(error),
            None if error.is_closed() || is_io(&error) => Self::Lost(error),
            None => Self::Refused(error),
        }
    }
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>())
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Unreachable(_) | Error::Lost(_) | Error::TimedOut => {
                Self::unavailable(RETRY_AFTER_SECONDS, error)
            }
            Error::Refused(_) | Error::Pool(_) => Self::internal(error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => write!(f, "cannot connect to the database: {}", Causes(error)),
            Self::Lost(error) => write!(f, "lost the connection to the database: {}", Causes(error)),
            Self::TimedOut => f.write_str("the database did not answer in time"),
            Self::Refused(error) => write!(f, "the database refused a statement: {}", Causes(error)),
            Self::Pool(error) => write!(f, "the connection pool failed: {}", Causes(error)),
        }
    }
}

// Every cause is part of the message, so that no one has to walk the chain.
impl error::Error for Error {}

struct Causes<'a>(&'a (dyn error::Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

/// Turns a violated constraint into what the client did wrong.
pub trait OnViolation<T> {
    /// `problem`'s answer if `constraint` was violated, else the result as it is.
    ///
    /// # Errors
    /// The problem, or the error's own.
    fn on_violation(self, constraint: &str, problem: impl FnOnce() -> Problem) -> Result<T, Problem>;
}

impl<T> OnViolation<T> for Result<T, Error> {
    fn on_violation(self, constraint: &str, problem: impl FnOnce() -> Problem) -> Result<T, Problem> {
        self.map_err(|error| {
            if error.violated_constraint() == Some(constraint) { problem() } else { Problem::from(error) }
        })
    }
}
