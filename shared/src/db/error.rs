//! What can go wrong between here and PostgreSQL, what may be tried again, and what a client is told.

use std::{error, fmt, io::ErrorKind};

use tokio_postgres::error::SqlState;

use super::credentials::Unavailable;
use crate::{Problem, telemetry::Cause};

/// Seconds after which a client should try again when the database is away: a failover takes about as long.
const RETRY_AFTER_SECONDS: u32 = 5;

/// A statement that gave no rows.
#[derive(Debug)]
pub enum Error {
    /// There are no credentials to connect with.
    Credentials(Unavailable),
    /// TLS cannot be set up.
    Tls(String),
    /// There is no connection to be had. Nothing was sent.
    Unreachable(tokio_postgres::Error),
    /// The server cannot carry the statement out, and has not: it is a standby, or not ready. Another connection may
    /// lead to another server.
    WrongServer(tokio_postgres::Error),
    /// The connection was lost. The statement may have been carried out.
    Lost(tokio_postgres::Error),
    /// No answer within the invocation's time. The statement may have been carried out.
    TimedOut,
    /// No connection within the time to wait for one. Nothing was sent.
    Busy,
    /// The server refused the statement.
    Refused(tokio_postgres::Error),
    /// The pool is closed or misused.
    Pool(String),
}

/// What an error means for a second attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// Nothing has happened: any statement may be sent again.
    NotMade,
    /// Nobody knows: only a statement that is safe to repeat may be sent again.
    Unknown,
    /// It would end in the same way, or there is no time for it.
    Final,
}

impl Error {
    /// What this error means for a second attempt.
    pub fn attempt(&self) -> Attempt {
        match self {
            Self::Unreachable(error) => match error.code() {
                Some(code) if is_passing(code) => Attempt::NotMade,
                // A server that went away during the handshake; one that is not there is not there a moment later.
                None if was_hung_up(error) || error.is_closed() => Attempt::NotMade,
                _ => Attempt::Final,
            },
            Self::WrongServer(_) => Attempt::NotMade,
            Self::Lost(_) => Attempt::Unknown,
            Self::Credentials(_)
            | Self::Tls(_)
            | Self::TimedOut
            | Self::Busy
            | Self::Refused(_)
            | Self::Pool(_) => Attempt::Final,
        }
    }

    /// Whether the connection is of no use any more.
    pub fn ends_connection(&self) -> bool {
        matches!(self, Self::WrongServer(_) | Self::Lost(_) | Self::TimedOut)
    }

    /// The SQLSTATE that the server answered with, if it answered.
    pub fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Unreachable(error)
            | Self::WrongServer(error)
            | Self::Lost(error)
            | Self::Refused(error) => error.code(),
            _ => None,
        }
    }

    /// The server's own words, which may quote values of a statement or of a row.
    pub(super) fn in_full(&self) -> Option<&tokio_postgres::error::DbError> {
        match self {
            Self::Unreachable(error)
            | Self::WrongServer(error)
            | Self::Lost(error)
            | Self::Refused(error) => error.as_db_error(),
            _ => None,
        }
    }

    /// Name of the constraint that the statement violated, if it did.
    pub fn violated_constraint(&self) -> Option<&str> {
        match self {
            Self::Refused(error) => error.as_db_error()?.constraint(),
            _ => None,
        }
    }
}

/// The constructor of a class of errors.
type Class = fn(tokio_postgres::Error) -> Error;

/// How an answer of the server is classified, by its SQLSTATE.
fn classify(code: &SqlState) -> Class {
    match code.code() {
        // read_only_sql_transaction: a writer has reached a standby, as after a failover. cannot_connect_now.
        "25006" | "57P03" => Error::WrongServer,
        // admin_shutdown, crash_shutdown, and every connection exception.
        "57P01" | "57P02" => Error::Lost,
        code if code.starts_with("08") => Error::Lost,
        _ => Error::Refused,
    }
}

/// Whether a server that refuses a connection for this reason may accept one a moment later.
fn is_passing(code: &SqlState) -> bool {
    matches!(code.code(), "57P01" | "57P02" | "57P03") || code.code().starts_with("08")
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            Some(code) => classify(code)(error),
            None if error.is_closed() || has_io_cause(&error) => Self::Lost(error),
            None => Self::Refused(error),
        }
    }
}

impl From<Unavailable> for Error {
    fn from(error: Unavailable) -> Self {
        Self::Credentials(error)
    }
}

fn io_cause(error: &tokio_postgres::Error) -> Option<&std::io::Error> {
    error::Error::source(error)?.downcast_ref()
}

fn has_io_cause(error: &tokio_postgres::Error) -> bool {
    io_cause(error).is_some()
}

/// Whether the other end closed the connection, in whichever way.
fn was_hung_up(error: &tokio_postgres::Error) -> bool {
    let kind = io_cause(error).map(std::io::Error::kind);
    matches!(kind, Some(ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof))
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(_) | Error::Pool(_) => Self::internal(error),
            _ => Self::unavailable(RETRY_AFTER_SECONDS, error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credentials(error) => error.fmt(f),
            Self::Tls(error) => write!(f, "cannot set up TLS: {error}"),
            Self::Unreachable(error) => write!(f, "cannot connect to the database: {}", Cause(error)),
            Self::WrongServer(error) => write!(f, "this server cannot carry it out: {}", Cause(error)),
            Self::Lost(error) => write!(f, "lost the connection to the database: {}", Cause(error)),
            Self::TimedOut => f.write_str("the database did not answer in time"),
            Self::Busy => f.write_str("no database connection became free in time"),
            Self::Refused(error) => write!(f, "the database refused a statement: {}", Cause(error)),
            Self::Pool(error) => write!(f, "the connection pool failed: {error}"),
        }
    }
}

// Every cause is part of the message, so that no one has to walk the chain.
impl error::Error for Error {}

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

#[cfg(test)]
mod tests {
    use super::*;

    /// Which errors of the server end the connection, and which let a statement be sent again.
    #[test]
    fn classifies_by_sqlstate() {
        let name = |code: &str| {
            let constructor = classify(&SqlState::from_code(code));
            let all: [(Class, &str); 3] =
                [(Error::WrongServer, "wrong server"), (Error::Lost, "lost"), (Error::Refused, "refused")];
            all.iter()
                .find(|(candidate, _)| std::ptr::fn_addr_eq(*candidate, constructor))
                .map(|(_, name)| *name)
        };
        for (code, class) in [
            ("25006", "wrong server"), // read_only_sql_transaction
            ("57P03", "wrong server"), // cannot_connect_now
            ("57P01", "lost"),         // admin_shutdown
            ("57P02", "lost"),         // crash_shutdown
            ("08000", "lost"),         // connection_exception
            ("08003", "lost"),         // connection_does_not_exist
            ("08006", "lost"),         // connection_failure
            ("08P01", "lost"),         // protocol_violation
            ("57014", "refused"),      // query_canceled: the role's statement_timeout
            ("23503", "refused"),      // foreign_key_violation
            ("40001", "refused"),      // serialization_failure
            ("42501", "refused"),      // insufficient_privilege
            ("53300", "refused"),      // too_many_connections
        ] {
            assert_eq!(name(code), Some(class), "{code}");
        }
    }

    #[test]
    fn only_what_was_not_made_may_be_repeated_blindly() {
        assert_eq!(Error::TimedOut.attempt(), Attempt::Final);
        assert_eq!(Error::Busy.attempt(), Attempt::Final);
        assert_eq!(Error::Tls(String::new()).attempt(), Attempt::Final);
        assert!(Error::TimedOut.ends_connection() && !Error::Busy.ends_connection());
    }
}
