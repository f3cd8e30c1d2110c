//! The way to PostgreSQL: one pool per execution environment, one round trip per statement, and no wait that
//! outlasts the invocation. It knows nothing of products.
//!
//! Statements are unnamed and typed (`query_typed`) and leave no session state behind, so that RDS Proxy can
//! share its connections. Result columns have built-in types only: any other makes the driver prepare named
//! statements to look the type up.

mod error;
mod select;
pub mod value;

use std::{future::Future, time::Duration};

use deadpool_postgres::{
    Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, Timeouts,
};
use tokio::time::{Instant, timeout_at};
pub use tokio_postgres::{
    Row,
    types::{ToSql, Type},
};

pub use error::{Error, OnViolation};
pub use select::Select;

/// A statement's parameter and its type.
pub type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// Longest wait for a new connection. Longer than a healthy handshake ever takes, short enough for a client.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest wait for a connection altogether, another request's attempt to open one included.
const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(2_500);

/// Interval after which a silent connection is probed by TCP: shorter than what middleboxes forget.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// Longest wait for the acknowledgement of sent data.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(5);

/// The pool of an execution environment.
#[derive(Debug, Clone)]
pub struct Connections(Pool);

impl Connections {
    /// A pool of at most `size` connections. Connects on first use.
    ///
    /// # Errors
    /// When the pool's settings contradict each other.
    pub fn new(
        mut config: tokio_postgres::Config,
        size: usize,
    ) -> Result<Self, deadpool_postgres::BuildError> {
        config.connect_timeout(CONNECT_TIMEOUT);
        config.keepalives_idle(KEEPALIVE_IDLE);
        config.tcp_user_timeout(TCP_USER_TIMEOUT);
        let settings = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(config, tokio_postgres::NoTls, settings);
        let timeouts = Timeouts { wait: Some(ACQUIRE_TIMEOUT), create: Some(CONNECT_TIMEOUT), recycle: None };
        let pool =
            Pool::builder(manager).max_size(size).timeouts(timeouts).runtime(Runtime::Tokio1).build()?;
        Ok(Self(pool))
    }

    /// Opens a connection ahead of the first request. A failure is logged and nothing more: the request tries
    /// again.
    pub async fn warm_up(&self) {
        if let Err(error) = self.0.get().await {
            tracing::warn!(error = %Error::from(error), "no database connection yet");
        }
    }

    /// The database for one invocation, which has until `deadline`.
    pub fn until(&self, deadline: Instant) -> Database {
        Database { connections: self.clone(), deadline }
    }
}

/// The database for one invocation.
#[derive(Debug, Clone)]
pub struct Database {
    connections: Connections,
    deadline: Instant,
}

impl Database {
    /// Runs a statement that changes nothing and returns its rows. Repeated once when the connection is lost.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the database does not answer in time, else what it answered.
    pub async fn read(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Error> {
        match self.attempt(sql, parameters).await {
            Err(error) if error.is_connection_lost() => {
                tracing::warn!(%error, "connection lost, reading again");
                self.attempt(sql, parameters).await
            }
            result => result,
        }
    }

    /// Like [`read`](Self::read) for at most one row.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub async fn read_optional(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Option<Row>, Error> {
        Ok(self.read(sql, parameters).await?.pop())
    }

    /// Runs a statement that writes, and returns its rows. Never repeated: it may have been carried out.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub async fn write(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Error> {
        self.attempt(sql, parameters).await
    }

    /// Like [`write`](Self::write) for at most one row.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    pub async fn write_optional(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Option<Row>, Error> {
        Ok(self.write(sql, parameters).await?.pop())
    }

    async fn attempt(&self, sql: &str, parameters: &[Parameter<'_>]) -> Result<Vec<Row>, Error> {
        let acquired_by = self.deadline.min(Instant::now() + ACQUIRE_TIMEOUT);
        let connection = until(acquired_by, self.connections.0.get()).await?;
        let result = until(self.deadline, connection.query_typed(sql, parameters)).await;
        if result.as_ref().is_err_and(Error::is_connection_lost) {
            // An answer may still be on its way: nobody else may read it.
            drop(Object::take(connection));
        }
        result
    }
}

async fn until<T, E: Into<Error>>(
    deadline: Instant,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Error> {
    match timeout_at(deadline, work).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(Error::TimedOut),
    }
}

impl From<PoolError> for Error {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => Self::from_connect(error),
            PoolError::Timeout(_) => Self::TimedOut,
            error => Self::Pool(error),
        }
    }
}
