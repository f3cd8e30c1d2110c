//! What a handler works with: configuration, database and cache.

mod config;
mod database;
pub mod dotenv;
mod rows;

pub use config::{CURSOR_KEY, Config, ConfigFaults, all_variables};
pub use database::{DatabaseConfig, STATEMENT_TIMEOUT_SECONDS};
pub use rows::{RowSource, Sourced};

use tokio::time::Instant;

use crate::{
    cache::Cache,
    db::{self, Connections, Database},
    http::CursorKeys,
};

/// The number of concurrent requests per execution environment, and so of its connections. It is always 1:
/// the runtime polls the Runtime API for one event at a time, whatever `AWS_LAMBDA_MAX_CONCURRENCY` is.
const REQUESTS_AT_ONCE: usize = 1;

/// The state of an execution environment, which lives across invocations.
#[derive(Debug)]
pub struct Environment {
    connections: Connections,
    cache: Option<Cache>,
    cursor_keys: CursorKeys,
    requires_if_match: bool,
}

impl Environment {
    /// Sets up the environment from `config` without opening a connection.
    ///
    /// # Errors
    /// When the connection pool's settings contradict each other.
    pub fn new(config: Config) -> Result<Self, db::Error> {
        let database = config.database;
        Ok(Self {
            connections: Connections::new(database.credentials, database.extra_roots, REQUESTS_AT_ONCE)?,
            cache: config.cache.map(Cache::new),
            cursor_keys: config.cursor_keys,
            requires_if_match: config.requires_if_match,
        })
    }

    /// A copy that connects with `config` and shares the cache and the cursor keys.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn with_connections(&self, config: Config) -> Result<Self, db::Error> {
        let other = Self::new(Config { cache: None, ..config })?;
        Ok(Self { cache: self.cache.clone(), cursor_keys: self.cursor_keys.clone(), ..other })
    }

    /// The connection pool.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// The cache, or `None` if `CACHE_URL` is unset.
    pub fn cache(&self) -> Option<&Cache> {
        self.cache.as_ref()
    }

    /// The context of one invocation, which must finish by `deadline`.
    pub fn until(&self, deadline: Instant) -> App {
        App {
            database: self.connections.until(deadline),
            cache: self.cache.clone(),
            cursor_keys: self.cursor_keys.clone(),
            requires_if_match: self.requires_if_match,
        }
    }
}

/// What a handler works with during one invocation.
#[derive(Debug)]
pub struct App {
    /// The database, bounded by the invocation's deadline.
    pub database: Database,
    /// The cache, or `None` if `CACHE_URL` is unset.
    pub cache: Option<Cache>,
    /// The keys that authenticate cursors.
    pub cursor_keys: CursorKeys,
    /// Whether a write without `If-Match` is refused (428).
    pub requires_if_match: bool,
}
