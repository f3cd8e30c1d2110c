//! Database errors: their kinds, which attempts may be repeated, and what the client is told.

use std::{error, fmt, io::ErrorKind};

use tokio_postgres::error::SqlState;

use super::{
    credentials::CredentialsError,
    sqlstate::{Verdict, verdict},
};
use crate::{Problem, http::CarriedOut, telemetry::Cause};

/// `Retry-After` in seconds while the database is unavailable: about as long as a failover takes.
const RETRY_AFTER_SECONDS: u32 = 5;

/// Why a statement returned no rows.
#[derive(Debug)]
pub enum Error {
    /// No credentials to connect with.
    Credentials(CredentialsError),
    /// The TLS configuration is invalid.
    Tls(String),
    /// Connecting failed. Nothing was sent.
    Unreachable(tokio_postgres::Error),
    /// The connection was lost. The statement may have been carried out.
    Lost(tokio_postgres::Error),
    /// No reply within the invocation's time. The statement may have been carried out.
    TimedOut,
    /// No reply within the invocation's time; the server has cancelled the statement.
    Cancelled,
    /// No connection became available in time. Nothing was sent.
    Busy,
    /// The server replied with an error.
    Server(tokio_postgres::Error, Verdict),
    /// The types of rows or parameters differ from those of the statement.
    Mismatch(tokio_postgres::Error),
    /// The pool is closed or misused.
    Pool(String),
    /// The statement and its parameters do not match. Nothing was sent.
    Unbound(String),
}

/// Why a write failed.
#[derive(Debug)]
pub struct WriteError {
    /// The error of the last attempt.
    pub error: Error,
    /// Whether this or an earlier attempt may have been carried out nevertheless.
    pub carried_out: CarriedOut,
}

/// What an error means for another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// Nothing was carried out: any statement may be sent again.
    NotMade,
    /// Unknown: only a statement that is safe to repeat may be sent again.
    Unknown,
    /// Another attempt would fail in the same way, or there is no time for it.
    Final,
}

impl Error {
    /// What this error means for another attempt.
    pub fn attempt(&self) -> Attempt {
        match self {
            Self::Unreachable(error) => match error.code() {
                // Other credentials have already been tried.
                Some(code) if code.code().starts_with("28") => Attempt::Final,
                Some(code) if verdict(code.code()).ends_connection() => Attempt::NotMade,
                // The server went away during the handshake. A server that is down would still be down on the
                // next attempt.
                None if was_closed_by_peer(error) || error.is_closed() => Attempt::NotMade,
                _ => Attempt::Final,
            },
            Self::Server(_, verdict) => verdict.attempt(),
            Self::Lost(_) => Attempt::Unknown,
            Self::Credentials(_)
            | Self::Tls(_)
            | Self::TimedOut
            | Self::Cancelled
            | Self::Busy
            | Self::Mismatch(_)
            | Self::Pool(_)
            | Self::Unbound(_) => Attempt::Final,
        }
    }

    /// Whether the connection must be closed. A connection whose statement is unanswered is kept: it is still
    /// in use.
    pub fn ends_connection(&self) -> bool {
        match self {
            Self::Lost(_) => true,
            Self::Server(_, verdict) => verdict.ends_connection(),
            _ => false,
        }
    }

    /// Whether the statement may have been carried out.
    pub fn carried_out(&self) -> CarriedOut {
        match self {
            Self::Server(_, verdict) => verdict.carried_out(),
            // Rows that cannot be read come from a statement that was carried out.
            Self::Lost(_) | Self::TimedOut | Self::Mismatch(_) => CarriedOut::Unknown,
            Self::Credentials(_)
            | Self::Tls(_)
            | Self::Unreachable(_)
            | Self::Cancelled
            | Self::Busy
            | Self::Pool(_)
            | Self::Unbound(_) => CarriedOut::No,
        }
    }

    /// Whether the database is temporarily unavailable (503). Any other error is a fault of the service
    /// (500).
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Server(_, verdict) => verdict.is_passing(),
            error => !matches!(error, Self::Mismatch(_) | Self::Pool(_) | Self::Unbound(_)),
        }
    }

    fn driver(&self) -> Option<&tokio_postgres::Error> {
        match self {
            Self::Unreachable(error) | Self::Lost(error) | Self::Server(error, _) | Self::Mismatch(error) => {
                Some(error)
            }
            _ => None,
        }
    }

    /// The SQLSTATE of the server's error, if it sent one.
    pub fn code(&self) -> Option<&SqlState> {
        self.driver()?.code()
    }

    /// The server's full error, which may quote values of a statement or of a row.
    pub(super) fn server_error(&self) -> Option<&tokio_postgres::error::DbError> {
        self.driver()?.as_db_error()
    }

    /// The violated constraint, if there is one.
    pub fn violated(&self) -> Option<Violated<'_>> {
        let Self::Server(error, Verdict::Refused) = self else { return None };
        let error = error.as_db_error()?;
        Some(Violated { constraint: error.constraint()?, table: error.table()?, code: error.code() })
    }
}

/// A constraint violation.
#[derive(Debug)]
pub struct Violated<'a> {
    /// The constraint's name.
    pub constraint: &'a str,
    /// Its table; for a foreign key, the referencing table.
    pub table: &'a str,
    code: &'a SqlState,
}

impl Violated<'_> {
    /// Whether a foreign key was violated.
    pub fn is_reference(&self) -> bool {
        *self.code == SqlState::FOREIGN_KEY_VIOLATION
    }

    /// Whether a unique constraint was violated.
    pub fn is_unique(&self) -> bool {
        *self.code == SqlState::UNIQUE_VIOLATION
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            Some(code) => {
                let verdict = verdict(code.code());
                Self::Server(error, verdict)
            }
            None if error.is_closed() || has_io_cause(&error) => Self::Lost(error),
            None => Self::Mismatch(error),
        }
    }
}

impl From<CredentialsError> for Error {
    fn from(error: CredentialsError) -> Self {
        Self::Credentials(error)
    }
}

fn io_cause(error: &tokio_postgres::Error) -> Option<&std::io::Error> {
    error::Error::source(error)?.downcast_ref()
}

fn has_io_cause(error: &tokio_postgres::Error) -> bool {
    io_cause(error).is_some()
}

/// Whether the peer closed the connection.
fn was_closed_by_peer(error: &tokio_postgres::Error) -> bool {
    let kind = io_cause(error).map(std::io::Error::kind);
    matches!(kind, Some(ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof))
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        if error.is_unavailable() {
            Self::unavailable(RETRY_AFTER_SECONDS, error)
        } else {
            Self::internal(error)
        }
    }
}

impl From<WriteError> for Problem {
    fn from(WriteError { error, carried_out }: WriteError) -> Self {
        Self::from(error).with_carried_out(carried_out)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credentials(error) => error.fmt(f),
            Self::Tls(error) => write!(f, "cannot set up TLS: {error}"),
            Self::Unreachable(error) => write!(f, "cannot connect to the database: {}", Cause(error)),
            Self::Lost(error) => write!(f, "{}: {}", Verdict::Lost.message(), Cause(error)),
            Self::TimedOut => f.write_str("the database did not answer in time"),
            Self::Cancelled => {
                f.write_str("the database did not answer in time, the statement was cancelled")
            }
            Self::Busy => f.write_str("no database connection became free in time"),
            Self::Server(error, verdict) => write!(f, "{}: {}", verdict.message(), Cause(error)),
            Self::Mismatch(error) => write!(f, "a statement does not match its types: {}", Cause(error)),
            Self::Pool(error) => write!(f, "the connection pool failed: {error}"),
            Self::Unbound(error) => f.write_str(error),
        }
    }
}

// `Display` includes every cause, so `source` is empty.
impl error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unanswered_statement_is_not_repeated_and_keeps_its_connection() {
        for error in [Error::TimedOut, Error::Cancelled, Error::Busy, Error::Tls(String::new())] {
            assert_eq!(error.attempt(), Attempt::Final, "{error}");
            assert!(!error.ends_connection() && error.is_unavailable(), "{error}");
        }
        assert_eq!(Error::TimedOut.carried_out(), CarriedOut::Unknown);
        assert_eq!(Error::Cancelled.carried_out(), CarriedOut::No);
        assert!(!Error::Pool(String::new()).is_unavailable());
    }
}
