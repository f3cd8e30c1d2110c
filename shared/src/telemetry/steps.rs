//! The steps that an invocation waits for.

use std::fmt;

/// An operation outside of this process that an invocation waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Waiting for a connection to the database.
    Connection,
    /// Opening a connection to the database.
    Connect,
    /// A statement, identified by its operation, never by its text.
    Statement {
        /// Whether it reads or writes.
        verb: Verb,
        /// Its number within the invocation, from 1.
        number: u16,
    },
    /// Fetching a secret.
    Secret,
    /// A command of the cache protocol, such as `read`.
    Cache(&'static str),
    /// Waiting for a change, because the client asked for that.
    Change,
}

/// The kind of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// A read-only statement.
    Read,
    /// A statement that may write.
    Write,
}

/// Displays a step of an operation.
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
            Step::Change => f.write_str("waiting for a change"),
        }
    }
}
