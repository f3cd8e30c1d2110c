//! The cache's interface for the rest of the library: typed, by resource and id, without errors.

use std::{error::Error, sync::Arc, time::Duration};

use uuid::Uuid;

use super::{
    CacheConfig, Cached, CachedValue, CellReply, Limits, Version,
    cell::{Call, nonce},
    connection::{CacheConnection, Failure},
};
use crate::telemetry::{self, Step, metrics};

/// How long a missing row stays fresh.
const MISSING_FRESH: Duration = Duration::from_secs(5);

/// The cache of an execution environment.
#[derive(Debug, Clone)]
pub struct Cache(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    connection: Arc<CacheConnection>,
    prefix: String,
    limits: Limits,
}

/// The cache did not answer; already logged and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unanswered;

/// The result of a cache read.
#[derive(Debug)]
pub enum Lookup<T> {
    /// The cache was not asked, because it has just failed.
    Paused,
    /// The cache did not answer, or a writer is active: the database's result must not be stored.
    Unknown,
    /// Nothing is cached. The database's result can be stored under this lease.
    Miss(Lease),
    /// A fresh value.
    Fresh(Hit<T>),
    /// A stale value, for use if the database is unavailable.
    Stale(Hit<T>, Lease),
}

/// A cached row.
#[derive(Debug)]
pub struct Hit<T> {
    /// The row; `None` if it did not exist.
    pub row: Option<T>,
    /// How long ago the value was current.
    pub age: Duration,
    /// The remaining freshness lifetime in seconds; negative if stale.
    pub ttl_seconds: i64,
}

/// Permission to fill a cell.
#[derive(Debug)]
pub struct Lease(String);

/// A write in progress. If it is dropped without `end`, its token stays and hides the value until it expires.
#[derive(Debug)]
#[must_use]
pub struct PendingWrite {
    cache: Cache,
    key: String,
    schema: u32,
    token: String,
    /// Whether the cache has acknowledged the `begin`.
    is_acknowledged: bool,
}

/// The result of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteOutcome {
    /// Nothing changed.
    Unchanged,
    /// The row's new state.
    Stored(CachedValue),
    /// The row changed, but its new state is unavailable.
    Changed,
}

impl Cache {
    /// A cache configured by `config`. Does not connect yet.
    pub fn new(config: CacheConfig) -> Self {
        let CacheConfig { target, patience, prefix, limits } = config;
        Self(Arc::new(Shared { connection: CacheConnection::new(target, patience), prefix, limits }))
    }

    /// Connects in the background, ahead of the first request.
    pub fn warm_up(&self) {
        self.0.connection.connect();
    }

    /// Pings the cache, waiting as long as a request would.
    ///
    /// # Errors
    /// If the cache does not answer.
    pub async fn ping(&self) -> Result<(), Unanswered> {
        let asking = telemetry::step(Step::Cache("ping"));
        let key = format!("{}:1:health", self.0.prefix);
        asking.end(self.0.connection.ping(&key).await).map_err(|_| Unanswered)
    }

    /// Reads the row `id`. With `is_last_resort` the cache is asked even if it has just failed.
    pub async fn read<T: Cached>(&self, id: Uuid, is_last_resort: bool) -> Lookup<T> {
        let key = self.key::<T>(id);
        let call = Call { step: "read", key: &key, arguments: &[&nonce(), &T::REPRESENTATION.to_string()] };
        let answer = match self.0.connection.call(call, is_last_resort).await {
            Ok(answer) => answer,
            Err(Failure::Paused) => return Lookup::Paused,
            Err(Failure::Failed) => return Lookup::Unknown,
        };
        match CellReply::from_value(answer).map_err(Into::into).and_then(|reply| lookup(id, reply)) {
            Ok(lookup) => lookup,
            Err(error) => {
                metrics::count(metrics::CACHE_ERROR);
                tracing::warn!(error = &*error, key, "the cache holds an invalid value");
                Lookup::Unknown
            }
        }
    }

    /// Stores the database's result under `lease`: the row, or that it does not exist. Returns whether it was
    /// stored.
    pub async fn fill<T: Cached>(&self, id: Uuid, Lease(lease): Lease, row: Option<&T>) -> bool {
        let Ok(value) = row.map_or(Ok(CachedValue::None), cached_value) else { return false };
        let (key, schema) = (self.key::<T>(id), T::REPRESENTATION.to_string());
        let (version, body) = value.arguments();
        let (fresh, life) = self.times(&value);
        let arguments = [&*lease, &version, &schema, &fresh, &life, body];
        let answer =
            self.0.connection.call(Call { step: "fill", key: &key, arguments: &arguments }, false).await;
        answer.is_ok_and(|answer| answer == redis::Value::Int(1))
    }

    /// Announces a write of the row `id`. Must be called before the statement is sent.
    pub async fn begin_write<T: Cached>(&self, id: Uuid) -> PendingWrite {
        let (key, token) = (self.key::<T>(id), nonce());
        let call = Call { step: "begin", key: &key, arguments: &[&token] };
        let is_acknowledged = self.0.connection.begin_write(call).await.is_ok();
        PendingWrite { cache: self.clone(), key, schema: T::REPRESENTATION, token, is_acknowledged }
    }

    fn key<T: Cached>(&self, id: Uuid) -> String {
        format!("{}:1:{}:{}", self.0.prefix, T::NAME, id.simple())
    }

    /// How long a value is fresh and how long it is kept, in ms. Jittered by up to 10 %, so that values
    /// stored together do not expire together.
    fn times(&self, value: &CachedValue) -> (String, String) {
        let Limits { fresh, stale_if_error } = self.0.limits;
        let fresh = jittered_ms(fresh);
        let life = fresh + stale_if_error.as_millis();
        let (fresh, life) = match value {
            CachedValue::None => {
                let missing_fresh = jittered_ms(MISSING_FRESH);
                (missing_fresh, missing_fresh)
            }
            // A deletion is final.
            CachedValue::Gone => (life, life),
            CachedValue::Version(_) => (fresh, life),
        };
        (fresh.to_string(), life.to_string())
    }
}

impl PendingWrite {
    /// Reports the result of the write.
    pub async fn end(self, outcome: WriteOutcome) {
        let Self { cache, key, schema, token, is_acknowledged } = self;
        let send = async |step, arguments: &[&str]| {
            cache.0.connection.end_write(Call { step, key: &key, arguments }, is_acknowledged).await;
        };
        match outcome {
            // Without an acknowledged token, a reader may have stored an older version in the meantime.
            WriteOutcome::Stored(CachedValue::Version(_)) if !is_acknowledged => {
                send("clear", &[&token]).await
            }
            WriteOutcome::Unchanged => send("abort", &[&token]).await,
            WriteOutcome::Changed => send("clear", &[&token]).await,
            WriteOutcome::Stored(value) => {
                let (version, body) = value.arguments();
                let (fresh, life) = cache.times(&value);
                send("commit", &[&token, &version, &schema.to_string(), &fresh, &life, body]).await;
            }
        }
    }
}

/// The outcome of a write that returned `row`.
pub fn outcome_of<T: Cached>(row: &T) -> WriteOutcome {
    cached_value(row).map_or(WriteOutcome::Changed, WriteOutcome::Stored)
}

fn cached_value<T: Cached>(row: &T) -> Result<CachedValue, serde_json::Error> {
    Ok(CachedValue::Version(Version { version: row.version(), body: serde_json::to_string(row)? }))
}

/// Parses a cell's value, which must be the row that was asked for.
fn lookup<T: Cached>(id: Uuid, reply: CellReply) -> Result<Lookup<T>, Box<dyn Error>> {
    let (value, age, ttl_ms, lease) = match reply {
        CellReply::Busy => return Ok(Lookup::Unknown),
        CellReply::Miss { lease } => return Ok(Lookup::Miss(Lease(lease))),
        CellReply::Hit { value, age, ttl_ms, lease } => (value, age, ttl_ms, lease),
    };
    let row = match value {
        CachedValue::None | CachedValue::Gone => None,
        CachedValue::Version(Version { version, body }) => {
            let row: T = serde_json::from_str(&body)?;
            if row.id() != id || row.version() != version {
                return Err("the row has another id or version".into());
            }
            Some(row)
        }
    };
    let hit = Hit { row, age, ttl_seconds: ttl_ms.div_euclid(1_000) };
    Ok(match lease {
        None => Lookup::Fresh(hit),
        // A stale "does not exist" is not served: the row may have been created since.
        Some(lease) if hit.row.is_none() => Lookup::Miss(Lease(lease)),
        Some(lease) => Lookup::Stale(hit, Lease(lease)),
    })
}

/// `time` in ms, plus or minus up to 10 %.
fn jittered_ms(time: Duration) -> u128 {
    let random = Uuid::now_v7().as_u128() % 201;
    time.as_millis() * (900 + random) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_a_tenth_at_most() {
        for _ in 0..1_000 {
            assert!((54_000..=66_000).contains(&jittered_ms(Duration::from_secs(60))));
        }
    }
}
