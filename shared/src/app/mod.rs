//! What an operation gets: configuration, database and cache.

mod config;
mod database;
mod rows;

pub use config::{Config, ConfigFaults};
pub use database::DatabaseConfig;
pub use rows::{Answered, Source};

use tokio::time::Instant;

use crate::{
    cache::Cache,
    db::{self, Connections, Database},
    http::CursorKey,
};

/// What lives as long as the execution environment.
#[derive(Debug)]
pub struct Platform {
    connections: Connections,
    cache: Option<Cache>,
    cursor_key: CursorKey,
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
            connections: Connections::new(
                database.credentials,
                database.extra_roots,
                config.database_connections,
            )?,
            cache: config.cache.map(Cache::new),
            cursor_key: config.cursor_key,
            requires_if_match: config.requires_if_match,
        })
    }

    /// Another one, with connections of `config` and everything else of this one.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn beside(&self, config: Config) -> Result<Self, db::Error> {
        let other = Self::new(Config { cache: None, ..config })?;
        Ok(Self { cache: self.cache.clone(), cursor_key: self.cursor_key.clone(), ..other })
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
            cursor_key: self.cursor_key.clone(),
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
    /// The key of cursors.
    pub cursor_key: CursorKey,
    /// Whether a change must say which version it changes.
    pub requires_if_match: bool,
}
