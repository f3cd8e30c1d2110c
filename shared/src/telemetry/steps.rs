//! What an invocation waits for, by name.

use std::fmt;

/// Something that takes time and is somebody else's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Waiting for a connection to the database.
    Connection,
    /// Opening a connection to the database.
    Connect,
    /// A statement, by the operation that sends it: never by its text.
    Statement {
        /// What it does.
        verb: Verb,
        /// Its place among the statements of the invocation, from 1.
        number: u16,
    },
    /// Fetching a secret.
    Secret,
    /// A command of the cache, such as `GET`.
    Cache(&'static str),
}

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// It changes nothing.
    Read,
    /// It may change something.
    Write,
}

/// A step of an operation, in words that name it.
pub(super) struct Described(pub(super) &'static str, pub(super) Step);

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(operation, step) = self;
        match step {
            Step::Connection => f.write_str("waiting for a database connection"),
            Step::Connect => f.write_str("connecting to the database"),
            Step::Statement { verb, number } => {
                let verb = if *verb == Verb::Read { "read" } else { "write" };
                match number {
                    0 | 1 => write!(f, "{operation} {verb}"),
                    number => write!(f, "{operation} {verb} {number}"),
                }
            }
            Step::Secret => f.write_str("fetching the database's secret"),
            Step::Cache(command) => write!(f, "cache {command}"),
        }
    }
}
