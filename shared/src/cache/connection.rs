//! The connection to the cache. It is opened in the background, time-outs are short, and a circuit breaker
//! bypasses the cache while it fails.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, RedisError, ServerErrorKind, Value,
    aio::MultiplexedConnection, cluster::ClusterClient, cluster_async::ClusterConnection,
};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, timeout},
};

use super::cell::{self, Call};
use crate::telemetry::{self, Step, metrics};

/// Longest wait for the cache, unless `CACHE_TIMEOUT_MS` is set.
pub const PATIENCE: Duration = Duration::from_millis(50);

/// Longest wait of a writer while the breaker is open: just enough to send its command.
const SEND_PATIENCE: Duration = Duration::from_millis(5);

/// Longest wait of a writer for the first connection of its environment. A write that the cache does not
/// learn of leaves other environments with an old value, and the TLS handshakes with a cluster take a while
/// on a small function.
const OPENING_PATIENCE: Duration = Duration::from_millis(500);

/// Longest attempt to connect, in the background.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the cache is bypassed after the first failure. Doubles with each further failure.
const FIRST_PAUSE_MS: u64 = 100;

/// The longest time for which the cache is bypassed.
const LONGEST_PAUSE_MS: u64 = 2_000;

/// Longest wait for a command in the background: a writer's token has expired by then.
const LATE: Duration = Duration::from_secs(45);

/// The server or cluster to connect to.
pub(super) enum Target {
    Single(Box<Client>),
    Cluster(Box<ClusterClient>),
}

/// Why there is no reply from the cache.
#[derive(Debug)]
pub(super) enum Failure {
    /// The cache was not asked or not waited for, because it has just failed.
    Paused,
    /// The command timed out, the server was unreachable, or it returned an error. Already logged and
    /// counted.
    Failed,
}

#[derive(Clone)]
enum Connection {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Connection {
    async fn query(&mut self, command: &Cmd) -> Result<Value, RedisError> {
        match self {
            Self::Single(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        }
    }
}

#[derive(Default)]
struct State {
    /// The connection in use and its sequence number.
    current: Option<(u64, Connection)>,
    is_connecting: bool,
    opened: u64,
    error: Option<RedisError>,
}

impl State {
    /// Whether the first attempt to connect has not finished yet.
    fn is_first(&self) -> bool {
        self.opened == 0 && self.error.is_none()
    }
}

/// A connection to the cache with its circuit breaker.
pub(super) struct CacheConnection {
    target: Target,
    patience: Duration,
    state: watch::Sender<State>,
    breaker: Breaker,
    is_probing: AtomicBool,
    started: Instant,
}

impl CacheConnection {
    /// A connection to `target`, not opened yet; requests wait at most `patience` for it.
    pub(super) fn new(target: Target, patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            target,
            patience,
            state: watch::Sender::default(),
            breaker: Breaker::default(),
            is_probing: AtomicBool::new(false),
            started: Instant::now(),
        })
    }

    /// Calls the script and waits for the reply, at most as long as `patience`. While the breaker is not
    /// closed it returns at once, unless `is_last_resort`.
    pub(super) async fn call(
        self: &Arc<Self>,
        call: Call<'_>,
        is_last_resort: bool,
    ) -> Result<Value, Failure> {
        let breaker = self.breaker.state(self.now_ms());
        if breaker == BreakerState::HalfOpen {
            self.probe(call.key);
        }
        if breaker != BreakerState::Closed && !is_last_resort {
            return Err(Failure::Paused);
        }
        let step = telemetry::step(Step::Cache(call.step));
        let calling = async {
            if breaker != BreakerState::Closed {
                // Once this is answered, no command that timed out earlier is still in flight.
                self.query(&redis::cmd("PING"), self.patience).await?;
            }
            self.run(call).await
        };
        let reply = timeout(self.patience, calling).await;
        if reply.is_err() && self.is_opening() {
            // Not a failure: the first connection of a cold start is still opening, and this request has
            // waited for it.
            self.breaker.open(self.now_ms());
            return Err(Failure::Paused);
        }
        step.end(self.record(reply.unwrap_or_else(|_| Err(timed_out()))))
    }

    /// Pings in the background while the breaker is half open, so that no request waits for a cache that has
    /// just failed. Once the ping is answered, no command that timed out earlier is still in flight.
    fn probe(self: &Arc<Self>, key: &str) {
        if self.is_probing.swap(true, Ordering::Relaxed) {
            return;
        }
        let (this, key) = (Arc::clone(self), key.to_owned());
        tokio::spawn(async move {
            if this.ping(&key).await.is_err() {
                // The peer may be gone without a reset. The old connection stays in use until a new one is
                // open.
                this.connect();
            }
            this.is_probing.store(false, Ordering::Relaxed);
        });
    }

    /// Pings whatever the breaker's state. `PING` alone is not enough: the cell `key` is read as well, which
    /// shows that the server accepts writes.
    pub(super) async fn ping(self: &Arc<Self>, key: &str) -> Result<(), Failure> {
        let nonce = cell::nonce();
        let calling = async {
            self.query(&redis::cmd("PING"), self.patience).await?;
            self.run(Call { step: "read", key, arguments: &[&nonce, ""] }).await
        };
        let reply = timeout(self.patience, calling).await;
        self.record(reply.unwrap_or_else(|_| Err(timed_out()))).map(|_| ())
    }

    /// Runs the script by its hash, or from source if the server does not have it.
    async fn run(self: &Arc<Self>, call: Call<'_>) -> Result<Value, RedisError> {
        match self.query(&cell::command(true, call), self.patience).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                self.query(&cell::command(false, call), self.patience).await
            }
            reply => reply,
        }
    }

    /// Sends a writer's `begin` and waits for the reply.
    pub(super) async fn begin_write(self: &Arc<Self>, call: Call<'_>) -> Result<(), Failure> {
        if self.breaker.state(self.now_ms()) != BreakerState::Closed && !self.is_opening() {
            return self.send(call, self.patience, SEND_PATIENCE).await;
        }
        let is_first = { self.state.borrow().is_first() };
        let opening_patience = if is_first { OPENING_PATIENCE.max(self.patience) } else { self.patience };
        match self.connection(opening_patience).await {
            Ok(_) => self.send(call, self.patience, self.patience).await,
            Err(error) => self.record(Err(error)).map(|_| ()),
        }
    }

    /// Sends the end of a write. Waits for a reply only if the `begin` was acknowledged.
    pub(super) async fn end_write(self: &Arc<Self>, call: Call<'_>, is_acknowledged: bool) {
        let patience = if is_acknowledged { self.patience } else { SEND_PATIENCE };
        // Without a reply the token stays in the cell, so readers go to the database.
        let _ = self.send(call, CONNECT_TIMEOUT, patience).await;
    }

    /// Sends a command that has to reach the server even if no reply arrives in time: it continues in the
    /// background after this returns.
    async fn send(
        self: &Arc<Self>,
        call: Call<'_>,
        opening_patience: Duration,
        patience: Duration,
    ) -> Result<(), Failure> {
        let step = telemetry::step(Step::Cache(call.step));
        let (this, command) = (Arc::clone(self), cell::command(false, call));
        // The driver drops a command that is not sent yet once its future is dropped.
        let sending: JoinHandle<Result<Value, RedisError>> = tokio::spawn(async move {
            let reply = timeout(LATE, this.query(&command, opening_patience)).await;
            if let Ok(Ok(_)) = &reply {
                this.breaker.close();
            }
            reply.unwrap_or_else(|_| Err(timed_out()))
        });
        step.end(match timeout(patience, sending).await {
            Ok(Ok(reply)) => self.record(reply).map(|_| ()),
            Ok(Err(_)) => Err(Failure::Failed),
            Err(_) if patience == SEND_PATIENCE => Err(Failure::Paused),
            Err(_) => self.record(Err(timed_out())).map(|_| ()),
        })
    }

    /// Runs one command, and retries it on a new connection if the first turns out to be closed: every
    /// command is idempotent.
    async fn query(self: &Arc<Self>, command: &Cmd, opening_patience: Duration) -> Result<Value, RedisError> {
        let (number, mut connection) = self.connection(opening_patience).await?;
        match connection.query(command).await {
            Err(error) if is_unusable(&error) => {
                self.discard(number);
                let (number, mut connection) = self.connection(opening_patience).await?;
                connection.query(command).await.inspect_err(|error| {
                    if is_unusable(error) {
                        self.discard(number);
                    }
                })
            }
            reply => reply,
        }
    }

    async fn connection(self: &Arc<Self>, patience: Duration) -> Result<(u64, Connection), RedisError> {
        if let Some(current) = &self.state.borrow().current {
            return Ok(current.clone());
        }
        let mut states = self.state.subscribe();
        self.connect();
        let settled = states.wait_for(|state| state.current.is_some() || !state.is_connecting);
        match timeout(patience, settled).await {
            Ok(Ok(state)) => match (&state.current, &state.error) {
                (Some(current), _) => Ok(current.clone()),
                (None, Some(error)) => Err(error.clone()),
                (None, None) => Err(timed_out()),
            },
            _ => Err(timed_out()),
        }
    }

    /// Opens a connection in the background, unless one is being opened.
    pub(super) fn connect(self: &Arc<Self>) {
        let starts = self.state.send_if_modified(|state| !std::mem::replace(&mut state.is_connecting, true));
        if !starts {
            return;
        }
        let this = Arc::clone(self);
        tokio::spawn(async move {
            let opened = timeout(CONNECT_TIMEOUT, this.open()).await.unwrap_or_else(|_| Err(timed_out()));
            this.state.send_modify(|state| {
                state.is_connecting = false;
                match opened {
                    Ok(connection) => {
                        state.opened += 1;
                        state.current = Some((state.opened, connection));
                        state.error = None;
                    }
                    Err(error) => state.error = Some(error),
                }
            });
        });
    }

    async fn open(&self) -> Result<Connection, RedisError> {
        match &self.target {
            Target::Single(client) => {
                // This module sets the time-outs; the driver's would be a second set.
                let config =
                    AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
                client.get_multiplexed_async_connection_with_config(&config).await.map(Connection::Single)
            }
            Target::Cluster(client) => client.get_async_connection().await.map(Connection::Cluster),
        }
    }

    /// Whether the first connection is being opened.
    fn is_opening(&self) -> bool {
        let state = self.state.borrow();
        state.is_connecting && state.is_first()
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn discard(&self, number: u64) {
        self.state.send_if_modified(|state| match &state.current {
            Some((current, _)) if *current == number => {
                state.current = None;
                true
            }
            _ => false,
        });
    }

    /// Updates the breaker; logs and counts a failure.
    fn record(&self, reply: Result<Value, RedisError>) -> Result<Value, Failure> {
        match reply {
            Ok(value) => {
                self.breaker.close();
                Ok(value)
            }
            Err(error) => {
                metrics::count(metrics::CACHE_ERROR);
                let pause_ms = self.breaker.open(self.now_ms());
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, pause_ms, "the cache did not answer");
                Err(Failure::Failed)
            }
        }
    }
}

impl std::fmt::Debug for CacheConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CacheConnection").field("breaker", &self.breaker).finish_non_exhaustive()
    }
}

fn timed_out() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::TimedOut).into()
}

/// Whether a new connection may help.
fn is_unusable(error: &RedisError) -> bool {
    let is_standby = error.kind() == ErrorKind::Server(ServerErrorKind::ReadOnly);
    is_standby || ((error.is_connection_dropped() || error.is_unrecoverable_error()) && !error.is_timeout())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BreakerState {
    Closed,
    Open,
    HalfOpen,
}

/// Keeps requests from waiting for a cache that has just failed.
#[derive(Debug, Default)]
struct Breaker {
    failures: AtomicU32,
    /// When the open breaker becomes half open.
    open_until_ms: AtomicU64,
}

impl Breaker {
    fn state(&self, now_ms: u64) -> BreakerState {
        if self.failures.load(Ordering::Relaxed) == 0 {
            BreakerState::Closed
        } else if now_ms < self.open_until_ms.load(Ordering::Relaxed) {
            BreakerState::Open
        } else {
            BreakerState::HalfOpen
        }
    }

    fn close(&self) {
        self.failures.store(0, Ordering::Relaxed);
    }

    /// Opens the breaker, for longer each time, and returns the pause in ms.
    fn open(&self, now_ms: u64) -> u64 {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed);
        let pause_ms = (FIRST_PAUSE_MS << failures.min(8)).min(LONGEST_PAUSE_MS);
        self.open_until_ms.store(now_ms + pause_ms, Ordering::Relaxed);
        pause_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Call<'_> = Call { step: "read", key: "k", arguments: &[] };
    const BEGIN: Call<'_> = Call { step: "begin", key: "k", arguments: &["token"] };

    #[test]
    fn the_breaker_opens_at_once_for_longer_each_time_and_closes_at_once() {
        let breaker = Breaker::default();
        assert_eq!(breaker.state(0), BreakerState::Closed);
        let mut now_ms = 7;
        for expected in [100, 200, 400, 800, 1_600, 2_000, 2_000] {
            assert_eq!(breaker.open(now_ms), expected);
            assert_eq!(breaker.state(now_ms + expected - 1), BreakerState::Open);
            now_ms += expected;
            assert_eq!(breaker.state(now_ms), BreakerState::HalfOpen);
        }
        breaker.close();
        assert_eq!(breaker.state(now_ms), BreakerState::Closed);
        assert_eq!(breaker.open(now_ms), 100);
    }

    #[tokio::test]
    async fn a_cache_that_is_not_there_is_an_error_at_once_and_then_left_alone() {
        // A port that is bound but not listened on refuses connections.
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let url = format!("redis://{}", socket.local_addr().unwrap());
        let this = CacheConnection::new(Target::Single(Box::new(Client::open(url).unwrap())), PATIENCE);
        assert!(matches!(this.call(READ, false).await, Err(Failure::Failed)));
        assert!(matches!(this.call(READ, false).await, Err(Failure::Paused)));
        assert!(this.begin_write(BEGIN).await.is_err());
    }

    #[tokio::test]
    async fn a_cache_that_is_silent_is_waited_for_once_and_still_gets_what_writers_send() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let info = redis::IntoConnectionInfo::into_connection_info(url.as_str()).unwrap();
        let settings =
            info.redis_settings().clone().set_skip_set_lib_name().set_protocol(redis::ProtocolVersion::RESP2);
        let this = CacheConnection::new(
            Target::Single(Box::new(Client::open(info.set_redis_settings(settings)).unwrap())),
            PATIENCE,
        );
        let asked = Instant::now();
        assert!(matches!(this.call(READ, false).await, Err(Failure::Failed)));
        assert!(asked.elapsed() >= PATIENCE);
        let sent = Instant::now();
        assert!(matches!(this.begin_write(BEGIN).await, Err(Failure::Paused)));
        assert!(sent.elapsed() < PATIENCE);

        let (stream, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        while !String::from_utf8_lossy(&heard).contains("token") {
            stream.readable().await.unwrap();
            let _ = stream.try_read_buf(&mut heard);
        }
    }
}
