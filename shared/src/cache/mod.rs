//! Read-through cache of rows in Valkey or Redis. Independent of any resource.
//!
//! # Guarantees
//!
//! - **A read never returns a state older than what was committed when the read began.** So a reader never
//!   sees a version go back, and never sees a deleted row again. The protocol below guarantees this across
//!   crashes of writers between any two steps, restarts, flushes, evictions and late commands.
//!   `tests/contract/cache/model.rs` checks every order of events of a small system, and that the usual
//!   protocols (set after a read; delete after a write) fail the same check.
//! - **A failing cache never fails a request** and delays it by at most `CACHE_TIMEOUT_MS`, once: after a
//!   failure a circuit breaker bypasses the cache until it answers a ping. Pings are sent in the background,
//!   after 100 ms at first and every 2 s at most. Only the first write of an environment waits longer for its
//!   connection, up to 500 ms.
//! - Without `CACHE_URL` nothing is connected, allocated or called. Connecting happens in the background, so
//!   it neither delays nor fails a cold start.
//!   neither delays nor fails a start.
//!
//! # Protocol
//! A row has one key, `<CACHE_PREFIX>:1:<resource>:<id>`, where 1 is the version of this protocol. The key
//! holds a *cell*: a hash with a value (version, body, schema of the body), the tokens of active writers, and
//! a generation. Every step is one call of one script (`cell.lua`) on that one key and uses the server's
//! clock, so the protocol works on a cluster.
//!
//! A server that refuses writes (after a failed save, as a replica, with too few replicas, or because the
//! user lost a permission) never learns of a writer, so it must not answer a reader either. `read` therefore
//! runs the same write commands with which `begin` stores its token, with arguments that change nothing. If
//! the server refuses them, the call fails and the reader goes to the database. A server that is out of
//! memory accepts both. A ping includes such a read.
//!
//! | step | what it does |
//! | --- | --- |
//! | `read` | returns the value if no writer is active; otherwise a lease (the generation) for the reader that queries the database |
//! | `fill` | stores what the database returned, if the generation still equals the lease and no newer version is stored |
//! | `begin` | before the statement is sent: stores the writer's token, which invalidates every lease and hides the value |
//! | `commit` | after COMMIT: removes the token and stores the new version, or a tombstone |
//! | `abort` | the statement certainly changed nothing: removes the token |
//! | `clear` | a change whose result is unavailable, such as a creation: removes the token and drops the value |
//!
//! A writer that does not know the outcome of its statement leaves the token. It expires after 45 s, longer
//! than any invocation or statement lasts, and takes the value with it; until then readers go to the
//! database.
//!
//! A cell may vanish at any time together with its tokens. A new cell therefore grants no leases for one
//! second: by then a writer that began earlier has committed, and a lease reads what it wrote. The same rule
//! applies to a version that a writer stores, and one more: whenever a cell drops a value because its state
//! has become uncertain, writers that had begun by then store nothing. A tombstone is always stored, because
//! ids are never reused. As a result, a row is cached by the second read that misses, not by the first.
//!
//! A writer that gets no reply to `begin` still writes, and stores nothing afterwards (`clear`). A command
//! that was sent stays in the socket of a frozen server, which runs it before anything that arrives later. So
//! commands are never withdrawn, and a reader whose command timed out waits for a ping to be answered before
//! it asks again.
//!
//! # Limitations
//!
//! In these cases a read may return an outdated row until the value is stale (`CACHE_TTL_SECONDS`, at most 66
//! s by default) or the row is written again:
//!
//! - A failover to a replica, or a restart from a snapshot, that lost the last commands: a `begin` may be
//!   lost.
//! - A writer that cannot reach the cache while others can, or that has no connection yet to a frozen server
//!   that requires TLS, a password or a cluster map first: its `begin` never arrives. Without these, as with
//!   `redis://host`, connecting needs no reply, and the `begin` waits in the socket.
//! - A server that refuses a writer's `begin` and its end, and accepts writes again before the next read: it
//!   still has the old value.
//! - A cache user that is allowed `evalsha` but not `eval`, or functions with different users: readers call
//!   the script by its hash, writers send its source.
//! - A cell that is lost while a writer takes more than a second from `begin` to COMMIT, if a reader misses
//!   in that time.
//! - Rows changed outside this service, for example by SQL.
//! - Reads from a lagging standby (a reader endpoint): they are as old as the standby, with or without a
//!   cache.
//!
//! # Fallback
//!
//! A stale value is kept for another `STALE_IF_ERROR_SECONDS`. A read receives it together with a lease, then
//! queries the database for at most one second; if the database cannot answer, the stale value is served. No
//! writer has been active on it, so it is as reliable as a fresh one. A row whose write was under way when
//! the database failed, outcome unknown, is answered with 503 rather than an old value. Writers store their
//! token only once they have a database connection, so an outage does not make rows unreadable.
//!
//! `Age` is the age of the response. `Cache-Status` (RFC 9211) is `hit; ttl=N` for a value served without
//! asking the database, `fwd=uri-miss`, `fwd=stale` or `fwd=miss` if the database answered, and `hit; ttl=-N;
//! detail=database-unavailable` for the fallback: section 2.1 calls a stale response that is used because the
//! origin is unreachable a hit, section 2.4 gives it a negative `ttl`, and `fwd-status` needs a status code
//! from the next hop, and there is none.
//!
//! # Lists and searches are not cached
//!
//! Any write may change any list. A list could only be cached for a fixed time, without the guarantee above,
//! or under a generation that every write increments, which would put one hot key on one node.
//! docs/reliability.md has the figures behind this decision.

mod cell;
mod client;
mod config;
mod connection;

pub use cell::{CachedValue, CellReply, SCRIPT, Version};
pub use client::{Cache, Hit, Lease, Lookup, PendingWrite, Unanswered, WriteOutcome, outcome_of};
pub use config::{CacheConfig, Limits, VARIABLES};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    db::{self, Row},
    http::Versioned,
};

/// A resource that may be cached. Values stored by a release with another
/// [representation](Versioned::REPRESENTATION) are ignored.
pub trait Cached: Versioned + Serialize + DeserializeOwned {
    /// Its name, in keys and in error messages: "product".
    const NAME: &'static str;

    /// Reads the resource from a row.
    ///
    /// # Errors
    /// If a column is missing or has another type.
    fn from_row(row: &Row) -> Result<Self, db::Error>;
}
