//! Access to PostgreSQL: one pool per execution environment, one round trip per statement, and no wait beyond
//! the invocation's deadline. Independent of any resource.
//!
//! Statements are unnamed and typed (`query_typed`) and leave no session state behind, so that RDS Proxy can
//! share its connections. Result columns have built-in types only: for any other type the driver prepares
//! named statements to look it up.

mod circuit;
mod connect;
mod connection_string;
mod credentials;
mod error;
mod iam;
mod named;
mod secrets_manager;
mod select;
mod sqlstate;
mod tls;
pub mod value;

use std::{future::Future, ops::DerefMut, sync::Arc, time::Duration};

use deadpool::{
    Runtime,
    managed::{Object, Pool, PoolError, Timeouts},
};
use tokio::time::{Instant, timeout_at};
pub use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};

use circuit::Circuit;
use connect::{CANCEL_TIMEOUT, Fitness, Manager};
pub use connection_string::ConnectionString;
pub use credentials::{CredentialSource, Credentials, Place};
pub use error::{Attempt, Error, Violated, WriteError};
pub use named::NamedStatement;
pub use secrets_manager::SecretsManager;
pub use select::{Bound, Select};
pub use sqlstate::{RULES, Rule, Verdict, verdict};

use crate::{
    http::CarriedOut,
    telemetry::{self, Step, Verb, metrics},
};

/// A statement's parameter with its type.
pub type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// Longest wait for a connection, including another request's attempt to open one.
const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(2_500);

/// How often a statement is sent at most: a new connection may be lost as well.
const ATTEMPTS: u32 = 3;

/// Whether a statement may be sent again if its outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// Carrying it out twice has the effect of once.
    Safe,
    /// Carrying it out twice may have a second effect.
    Unsafe,
}

/// A statement that writes.
#[derive(Clone, Copy)]
pub struct Statement<'a> {
    /// The SQL text.
    pub sql: &'a str,
    /// The parameters, `$1` first.
    pub parameters: &'a [Parameter<'a>],
    /// Whether it may be sent again if its outcome is unknown.
    pub repeat: Repeat,
}

/// The result of a write.
#[derive(Debug)]
pub struct Written {
    /// The returned row, if any.
    pub row: Option<Row>,
    /// Whether the statement was sent twice and the outcome of the first attempt is unknown.
    pub was_repeated: bool,
}

/// The connection pool of an execution environment.
#[derive(Debug, Clone)]
pub struct Connections {
    pool: Pool<Manager>,
    circuit: Arc<Circuit>,
}

impl Connections {
    /// A pool of at most `size` connections, opened on first use. `extra_roots` are PEM certificates trusted
    /// in addition to the RDS and public roots.
    ///
    /// # Errors
    /// If the pool's settings contradict each other.
    pub fn new(credentials: Credentials, extra_roots: Option<String>, size: usize) -> Result<Self, Error> {
        let timeouts = Timeouts { wait: Some(ACQUIRE_TIMEOUT), create: Some(ACQUIRE_TIMEOUT), recycle: None };
        let pool = Pool::builder(Manager::new(credentials, extra_roots));
        let pool = pool.max_size(size).timeouts(timeouts).runtime(Runtime::Tokio1).build();
        let pool = pool.map_err(|error| Error::Pool(error.to_string()))?;
        Ok(Self { pool, circuit: Arc::default() })
    }

    /// Takes a connection out of the pool for good, for work that needs a session of its own, such as a
    /// migration.
    ///
    /// # Errors
    /// If none can be opened.
    pub async fn take(&self) -> Result<impl DerefMut<Target = tokio_postgres::Client> + use<>, Error> {
        Ok(Object::take(self.pool.get().await?))
    }

    /// Opens a connection ahead of the first request. A failure is only logged: the request tries again.
    pub async fn warm_up(&self) {
        if let Err(error) = self.pool.get().await {
            tracing::warn!(error = %Error::from(error), "no database connection yet");
        }
    }

    /// The database for one invocation, which must finish by `deadline`. The last part of that time is
    /// reserved for cancelling.
    pub fn until(&self, deadline: Instant) -> Database {
        let deadline = deadline.checked_sub(CANCEL_TIMEOUT).unwrap_or(deadline);
        Database { connections: self.clone(), deadline }
    }

    /// A connection that can run a statement, within `by`. This is the only way to get one, and the only
    /// place where a connection is replaced, after its socket is closed.
    async fn acquire(&self, by: Instant) -> Result<Object<Manager>, Error> {
        loop {
            let mut connection = until(by, Error::Busy, self.pool.get()).await?;
            match connection.fitness(by).await {
                Fitness::Ready => return Ok(connection),
                Fitness::Busy => return Err(Error::Busy),
                Fitness::Spent => Object::take(connection).close().await,
            }
        }
    }
}

/// The database, as one invocation uses it.
#[derive(Debug, Clone)]
pub struct Database {
    connections: Connections,
    deadline: Instant,
}

impl Database {
    /// Runs a read-only statement and returns its rows.
    ///
    /// # Errors
    /// [`Error::Server`] if the server rejects the statement; any other if it gave no reply in time.
    pub async fn read(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Error> {
        let rows = self.run(sql, parameters, Verb::Read, Repeat::Safe).await;
        rows.map(|(rows, _)| rows).map_err(|failure| failure.error)
    }

    /// Like [`read`](Self::read), for a statement that returns at most one row.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub async fn read_optional(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Option<Row>, Error> {
        Ok(self.read(sql, parameters).await?.pop())
    }

    /// Runs a statement that writes and returns at most one row.
    ///
    /// # Errors
    /// As for [`read`](Self::read), with whether the statement may have been carried out nevertheless.
    pub async fn write(&self, statement: Statement<'_>) -> Result<Written, WriteError> {
        let Statement { sql, parameters, repeat } = statement;
        let (mut rows, was_repeated) = self.run(sql, parameters, Verb::Write, repeat).await?;
        Ok(Written { row: rows.pop(), was_repeated })
    }

    /// Ensures that a connection is available.
    ///
    /// # Errors
    /// If none becomes available in time. Nothing was sent.
    pub async fn connect(&self) -> Result<(), WriteError> {
        let begun = Instant::now();
        let connected = self.acquire().await.map(|_| ());
        connected.map_err(|error| {
            self.connections.circuit.open(begun.elapsed());
            WriteError { error, carried_out: CarriedOut::No }
        })
    }

    /// How much time is left for statements.
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// The same database with a shorter deadline, `patience` from now; cancelling takes slightly longer.
    pub fn within(&self, patience: Duration) -> Self {
        let deadline = self.deadline.min(Instant::now() + patience);
        Self { connections: self.connections.clone(), deadline }
    }

    /// Whether to query the database if there is an alternative. False while the circuit breaker is open,
    /// except for one caller per pause, which probes the database.
    pub fn is_worth_asking(&self) -> bool {
        self.connections.circuit.lets_through()
    }

    /// Runs a statement and repeats it where that is safe, within the same deadline; nothing else retries.
    /// Returns the rows and whether an earlier attempt may have been carried out as well, or the error and
    /// whether anything may have been carried out.
    async fn run(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
        verb: Verb,
        repeat: Repeat,
    ) -> Result<(Vec<Row>, bool), WriteError> {
        let statement = telemetry::statement(verb);
        let begun = Instant::now();
        let mut was_repeated = false;
        let mut attempts_left = ATTEMPTS;
        loop {
            attempts_left -= 1;
            let error = match self.attempt(statement, sql, parameters).await {
                Ok(rows) => {
                    self.connections.circuit.close();
                    return Ok((rows, was_repeated));
                }
                Err(error) => error,
            };
            if let Some(words) = error.server_error() {
                tracing::debug!(statement_error = %words, "the database's own words");
            }
            let may_repeat = match error.attempt() {
                Attempt::NotMade => true,
                Attempt::Unknown => repeat == Repeat::Safe,
                Attempt::Final => false,
            };
            if !may_repeat || attempts_left == 0 {
                if error.is_unavailable() {
                    self.connections.circuit.open(begun.elapsed());
                }
                let carried_out = if was_repeated { CarriedOut::Unknown } else { error.carried_out() };
                return Err(WriteError { error, carried_out });
            }
            was_repeated |= error.attempt() == Attempt::Unknown;
            tracing::warn!(%error, "trying again");
            metrics::count(metrics::DB_RETRY);
        }
    }

    async fn attempt(
        &self,
        statement: Step,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Error> {
        let mut connection = self.acquire().await?;
        let asking = telemetry::step(statement);
        let result = asking.end(connection.run(sql, parameters, self.deadline).await);
        if let Err(error) = &result
            && error.ends_connection()
        {
            if matches!(error, Error::Server(..)) {
                connection.await_rollback().await;
            }
            Object::take(connection).close().await;
        }
        result
    }

    async fn acquire(&self) -> Result<Object<Manager>, Error> {
        let by = self.deadline.min(Instant::now() + ACQUIRE_TIMEOUT);
        let acquiring = telemetry::step(Step::Connection);
        acquiring.end(self.connections.acquire(by).await)
    }
}

async fn until<T, E: Into<Error>>(
    deadline: Instant,
    late: Error,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Error> {
    match timeout_at(deadline, work).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(late),
    }
}

impl From<PoolError<Error>> for Error {
    fn from(error: PoolError<Error>) -> Self {
        match error {
            PoolError::Backend(error) => error,
            PoolError::Timeout(_) => Self::Busy,
            error => Self::Pool(error.to_string()),
        }
    }
}
