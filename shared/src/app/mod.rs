//! What an operation gets: configuration, database and cache.

mod config;
mod database;
pub mod dotenv;
mod rows;

pub use config::{Config, ConfigFaults};
pub use database::DatabaseConfig;
pub use rows::{Answered, Source};

use tokio::time::Instant;

use crate::{
    cache::Cache,
    db::{self, Connections, Database},
    http::CursorKeys,
};

/// How many requests an execution environment answers at once, and so how many connections it has: the Runtime API is
/// asked for one event after the other, whatever `AWS_LAMBDA_MAX_CONCURRENCY` says.
const REQUESTS_AT_ONCE: usize = 1;

/// What lives as long as the execution environment.
#[derive(Debug)]
pub struct Platform {
    connections: Connections,
    cache: Option<Cache>,
    cursor_keys: CursorKeys,
    requires_if_match: bool,
}

impl Platform {
    /// A platform of `config`. Opens no connection yet.
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

    /// Another one, with connections of `config` and everything else of this one.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn beside(&self, config: Config) -> Result<Self, db::Error> {
        let other = Self::new(Config { cache: None, ..config })?;
        Ok(Self { cache: self.cache.clone(), cursor_keys: self.cursor_keys.clone(), ..other })
    }

    /// The pool.
    pub fn connections(&self) -> &Connections {
        &self.connections
    }

    /// The cache, if there is one.
    pub fn cache(&self) -> Option<&Cache> {
        self.cache.as_ref()
    }

    /// The application for one invocation, which has until `deadline`.
    pub fn until(&self, deadline: Instant) -> App {
        App {
            database: self.connections.until(deadline),
            cache: self.cache.clone(),
            cursor_keys: self.cursor_keys.clone(),
            requires_if_match: self.requires_if_match,
        }
    }
}

/// What a handler gets, for one invocation.
#[derive(Debug)]
pub struct App {
    /// The database.
    pub database: Database,
    /// The cache, if there is one.
    pub cache: Option<Cache>,
    /// The keys of cursors.
    pub cursor_keys: CursorKeys,
    /// Whether a change must say which version it changes.
    pub requires_if_match: bool,
}
