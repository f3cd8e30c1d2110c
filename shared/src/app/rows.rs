//! Reads and writes of rows that may be cached, with or without a cache.

use std::{fmt::Display, time::Duration};

use ::http::{HeaderName, HeaderValue, header};
use project::NAME;
use uuid::Uuid;

use super::App;
use crate::{
    cache::{Cache, Cached, CachedValue, Hit, Lease, Lookup, WriteOutcome, outcome_of},
    db::{self, Database, Statement, Type, WriteError, Written},
    http::{CarriedOut, Problem, Request, Response, Result, Validators},
    telemetry::metrics,
};

/// How long to wait for the database while the cache holds a stale value that can be served instead.
const FALLBACK_PATIENCE: Duration = Duration::from_secs(1);

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// A row and where it came from.
#[derive(Debug)]
pub struct Sourced<T> {
    /// The row.
    pub row: T,
    /// Where it came from.
    pub source: RowSource,
}

/// Where a row came from, as `Cache-Status` (RFC 9211) reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowSource {
    /// The database; no cache is configured.
    Database,
    /// The database, because the cache could not serve the row.
    Forwarded {
        /// The reason, a value of the parameter `fwd`.
        why: &'static str,
        /// Whether the cache stored the row.
        is_stored: bool,
    },
    /// The cache.
    Cache {
        /// How long ago the value was current.
        age: Duration,
        /// The remaining freshness lifetime in seconds; negative if the value is stale.
        ttl_seconds: i64,
        /// Whether a stale value is served because the database could not answer.
        is_fallback: bool,
    },
}

impl<T: Cached> Sourced<T> {
    /// The response to a read: the row, or 304; with `Age` and `Cache-Status` if there is a cache.
    ///
    /// # Errors
    /// 412 when `If-Match` or `If-Unmodified-Since` is false.
    pub fn respond(&self, request: &Request) -> Result<Response> {
        let response = request.revalidate(&Validators::of(&self.row), Response::ok(&self.row))?;
        Ok(match self.source {
            RowSource::Database => response,
            RowSource::Forwarded { why, is_stored } => {
                let stored = if is_stored { "; stored" } else { "" };
                response.with_text_header(CACHE_STATUS, &format!("{NAME}; fwd={why}{stored}"))
            }
            RowSource::Cache { age, ttl_seconds, is_fallback } => {
                let detail = if is_fallback { "; detail=database-unavailable" } else { "" };
                let status = format!("{NAME}; hit; ttl={ttl_seconds}{detail}");
                let age = HeaderValue::from(age.as_secs());
                response.with_text_header(CACHE_STATUS, &status).with_header(header::AGE, age)
            }
        })
    }
}

impl App {
    /// Reads the row `id`: from the cache while the value is fresh, else from the database by `sql`, whose
    /// one parameter is the id, else the last cached value if it may be served stale.
    ///
    /// # Errors
    /// 404 if the row does not exist; 503 if neither the database nor the cache can answer.
    pub async fn read<T: Cached>(&self, id: Uuid, sql: &str) -> Result<Sourced<T>> {
        let Some(cache) = &self.cache else {
            let row = select(&self.database, id, sql).await?;
            return sourced(row, RowSource::Database);
        };
        match cache.read(id, false).await {
            Lookup::Fresh(hit) => {
                metrics::count(metrics::CACHE_HIT);
                from_cache(hit, false)
            }
            Lookup::Stale(hit, lease) => {
                metrics::count(metrics::CACHE_MISS);
                if !self.database.is_worth_asking() {
                    return fall_back(hit, &"it has just failed");
                }
                match select(&self.database.within(FALLBACK_PATIENCE), id, sql).await {
                    Ok(row) => fill(cache, id, lease, row, "stale").await,
                    Err(error) => fall_back(hit, &error),
                }
            }
            Lookup::Miss(lease) => {
                metrics::count(metrics::CACHE_MISS);
                let row = select(&self.database, id, sql).await?;
                fill(cache, id, lease, row, "uri-miss").await
            }
            lookup @ (Lookup::Unknown | Lookup::Paused) => {
                metrics::count(metrics::CACHE_MISS);
                let error = match select(&self.database, id, sql).await {
                    Ok(row) => return sourced(row, RowSource::Forwarded { why: "miss", is_stored: false }),
                    Err(error) => error,
                };
                let last = if let Lookup::Paused = lookup { cache.read(id, true).await } else { lookup };
                match last {
                    Lookup::Fresh(hit) | Lookup::Stale(hit, _) => fall_back(hit, &error),
                    _ => Err(error.into()),
                }
            }
        }
    }

    /// Updates the row `id` by `statement`; `interpret` turns the statement's result into the row as it is
    /// now.
    ///
    /// # Errors
    /// Those of `interpret`, which receives the statement's error too.
    pub async fn change<T: Cached>(
        &self,
        id: Uuid,
        statement: Statement<'_>,
        interpret: impl FnOnce(Result<Written, WriteError>) -> Result<T>,
    ) -> Result<T> {
        self.write::<T, T>(id, statement, interpret, outcome_of).await
    }

    /// Deletes the row `id` by `statement`; `interpret` turns the statement's result into success or an
    /// error.
    ///
    /// # Errors
    /// Those of `interpret`, which receives the statement's error too.
    pub async fn delete<T: Cached>(
        &self,
        id: Uuid,
        statement: Statement<'_>,
        interpret: impl FnOnce(Result<Written, WriteError>) -> Result<()>,
    ) -> Result<()> {
        self.write::<T, ()>(id, statement, interpret, |()| WriteOutcome::Stored(CachedValue::Gone)).await
    }

    /// Creates the row `id` by `statement`. `interpret` builds the response, which may be that of an earlier
    /// request with the same idempotency key.
    ///
    /// # Errors
    /// Those of `interpret`, which receives the statement's error too.
    pub async fn create<T: Cached>(
        &self,
        id: Uuid,
        statement: Statement<'_>,
        interpret: impl FnOnce(Result<Written, WriteError>) -> Result<Response>,
    ) -> Result<Response> {
        self.write::<T, Response>(id, statement, interpret, |_| WriteOutcome::Changed).await
    }

    async fn write<T: Cached, R>(
        &self,
        id: Uuid,
        statement: Statement<'_>,
        interpret: impl FnOnce(Result<Written, WriteError>) -> Result<R>,
        outcome: impl FnOnce(&R) -> WriteOutcome,
    ) -> Result<R> {
        let Some(cache) = &self.cache else {
            return interpret(self.database.write(statement).await);
        };
        // A writer without a database connection must not block readers of the cache.
        if let Err(error) = self.database.connect().await {
            return interpret(Err(error));
        }
        let write = cache.begin_write::<T>(id).await;
        let (statement, was_repeated) = match self.database.write(statement).await {
            Ok(written) => {
                let was_repeated = written.was_repeated;
                (Ok(written), was_repeated)
            }
            Err(failure) => {
                let is_unknown = failure.carried_out == CarriedOut::Unknown;
                (Err(failure), is_unknown)
            }
        };
        let is_carried_out = statement.is_ok();
        let interpreted = interpret(statement);
        let outcome = match &interpreted {
            Ok(result) => outcome(result),
            // Unknown outcome, or committed but unreadable: the token must stay.
            Err(_) if !is_carried_out && was_repeated => return interpreted,
            Err(problem) if is_carried_out && problem.status().is_server_error() => return interpreted,
            // The first attempt may have changed the row, whatever the second one found.
            Err(_) if was_repeated => WriteOutcome::Changed,
            Err(_) => WriteOutcome::Unchanged,
        };
        write.end(outcome).await;
        interpreted
    }
}

async fn select<T: Cached>(database: &Database, id: Uuid, sql: &str) -> Result<Option<T>, db::Error> {
    let row = database.read_optional(sql, &[(&id, Type::UUID)]).await?;
    row.as_ref().map(T::from_row).transpose()
}

fn sourced<T: Cached>(row: Option<T>, source: RowSource) -> Result<Sourced<T>> {
    let row = row.ok_or_else(|| Problem::not_found(T::NAME))?;
    Ok(Sourced { row, source })
}

fn from_cache<T: Cached>(hit: Hit<T>, is_fallback: bool) -> Result<Sourced<T>> {
    let Hit { row, age, ttl_seconds } = hit;
    sourced(row, RowSource::Cache { age, ttl_seconds, is_fallback })
}

async fn fill<T: Cached>(
    cache: &Cache,
    id: Uuid,
    lease: Lease,
    row: Option<T>,
    why: &'static str,
) -> Result<Sourced<T>> {
    let is_stored = cache.fill(id, lease, row.as_ref()).await;
    sourced(row, RowSource::Forwarded { why, is_stored })
}

fn fall_back<T: Cached>(hit: Hit<T>, error: &impl Display) -> Result<Sourced<T>> {
    metrics::count(metrics::STALE_SERVED);
    tracing::warn!(%error, age_seconds = hit.age.as_secs(), "served from the cache, because the database could not answer");
    from_cache(hit, true)
}
