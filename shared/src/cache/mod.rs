//! The cache: rows as they were last seen, in Valkey or Redis. It knows nothing of products.
//!
//! # What it promises
//!
//! - **A read is never older than what had been committed when it began**, and so a reader never sees a version go
//!   back, and never sees a deleted row again. The protocol below keeps this through crashes of writers between any
//!   two steps, through restarts, flushes and evictions, and through late commands. `tests/contract/cache/model.rs` checks
//!   every order of events of a small system, and that the usual protocols (set after a read; delete after a write)
//!   fail the same check.
//! - **Cache trouble never fails a request** and costs it at most `CACHE_TIMEOUT_MS`, once: after a failure a breaker keeps the
//!   cache out of the way until it has shown a sign of life, which is asked for in the background after 100 ms at
//!   first and every 2 s at most. Only the first write of an environment waits longer, up to
//!   500 ms, for its connection.
//! - Nothing is connected, allocated or asked for where `CACHE_URL` is not set. Connecting happens in the background: it
//!   neither delays nor fails a start.
//!
//! # Protocol
//!
//! A row has one key, `<CACHE_PREFIX>:1:<resource>:<id>`, where 1 is the number of this protocol. It holds a
//! *cell*, a hash with a value (version, body, schema of the body), the tokens of writers at work, and a
//! generation. Every step is one call of one script (`cell.lua`) on that one key, and reads the clock of the
//! server, so it works on a cluster.
//!
//! A server that refuses writes (after a failed save, as a replica, with too few replicas, without a right that was taken
//! from its user) would not hear of a writer, so it must not answer a reader either. A `read` therefore carries out the write
//! commands by which `begin` leaves its token, with arguments that change nothing. Where they are refused the call fails,
//! and the reader asks the database. A server without memory refuses neither of the two. A sign of life is such a read
//! as well.
//!
//! | step | what it does |
//! | --- | --- |
//! | `read` | a value, if no writer is at work; else nothing, and a lease (the generation) for who then reads the database |
//! | `fill` | stores what the database said, if the generation is still that of the lease and no newer version is there |
//! | `begin` | before the statement is sent: a writer leaves its token, which ends every lease. Nobody is given a value |
//! | `commit` | after COMMIT: takes the token back and stores the new version, or the mark of a deletion |
//! | `abort` | the statement has certainly changed nothing: takes the token back |
//! | `clear` | something was written that is not at hand, as after a creation: takes the token back, drops the value |
//!
//! Whoever does not know what became of a statement leaves the token. It expires after 45 s, longer than an
//! invocation or a statement lasts, and takes the value with it: until then readers ask the database, which is
//! right.
//!
//! A cell may vanish at any time, with the tokens in it. So a new one gives no leases for a second: by then a
//! writer that had begun before has committed, and a lease leads to what it wrote. A version that a writer stores
//! is subject to the same rule, and to one more: whenever the cell drops a value because it no longer knows what is
//! true, writers who had begun by then store nothing. A deletion is always stored: ids are never used again. A row
//! is therefore cached by the second read that misses, not by the first.
//!
//! A writer that gets no answer to `begin` writes all the same, and stores nothing afterwards (`clear`). What was
//! sent is still in the socket of a frozen server, which carries it out before what arrives later: it is never
//! taken back, and a reader whose question timed out waits for a sign of life before it asks again.
//!
//! # What remains
//!
//! In these cases a read may be older than it should, until the value is no longer fresh (`CACHE_TTL_SECONDS`, at
//! most 66 s by default), or until the row is written again:
//!
//! - A failover to a replica, or a restart from a snapshot, without the last commands: a `begin` may be lost.
//! - A writer that cannot reach the cache while others can, or that has no connection yet to a frozen server that
//!   wants TLS, a password or a cluster's map first: its `begin` is never heard. Without these, as
//!   in `redis://host`, connecting takes no answer, and the `begin` waits in the socket.
//! - A server that refuses a writer's `begin` and its end, and takes writes again before the reader asks: it still has what
//!   it held.
//! - A user of the cache who may `evalsha` and not `eval`, or functions with different users: readers read by the hash,
//!   writers send the script.
//! - A cell lost while a writer takes more than a second from `begin` to COMMIT, and a reader misses in that time.
//! - Rows that were changed by others than this service: in SQL, by hand.
//! - Reads from a lagging standby (a reader endpoint): they are as old as the standby, with or without a cache.
//!
//! # Fallback
//!
//! A value that is no longer fresh is kept for `STALE_IF_ERROR_SECONDS` more. A read gets it along with its lease,
//! then asks the database, with a second's patience; if the database cannot answer, the value is served. It is as
//! sure as a fresh one: no writer has been at work on it. So a row whose write was under way when the database
//! went, outcome unknown, is 503 rather than old; writers take their token only once they have a connection to the
//! database, so an outage does not make rows unreadable.
//!
//! `Age` says how old the answer is. `Cache-Status` (RFC 9211) says `hit; ttl=N` for a value that was not
//! asked of the database, `fwd=uri-miss`, `fwd=stale` or `fwd=miss` where the database answered, and `hit; ttl=-N;
//! detail=database-unavailable` for the fallback: section 2.1 calls a stale response that is used because the
//! origin cannot be reached a hit, section 2.4 gives it a negative `ttl`, and `fwd-status` is for a status that a
//! next hop has sent, which none has.
//!
//! # Lists and searches are not cached
//!
//! Any write may change any list, so a list could only be cached for a time, without the promise above, or under a
//! generation that every write raises, which one key on one node would have to count. docs/reliability.md has the
//! figures that the decision rests on.

mod cell;
mod config;
mod link;
mod through;

pub use cell::{Known, Reading, SCRIPT, Version};
pub use config::{CacheConfig, Limits};
pub use through::{Cache, Found, Lease, Lookup, Outcome, Unanswered, Write, written};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    db::{self, Row},
    http::Versioned,
};

/// A resource that may be cached, for as long as its [representation](Versioned::REPRESENTATION) is the same: values that
/// another release has stored are none.
pub trait Cached: Versioned + Serialize + DeserializeOwned {
    /// Its name, in keys and in what a client is told: "product".
    const NAME: &'static str;

    /// The resource of a row.
    ///
    /// # Errors
    /// When a column is missing or has another type.
    fn from_row(row: &Row) -> Result<Self, db::Error>;
}
