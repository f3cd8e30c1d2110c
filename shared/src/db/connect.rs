//! One connection: opening it, running a statement on it, and checking that it can be reused.
//!
//! A statement that takes too long is cancelled and keeps its connection until the server has answered:
//! dropping the connection earlier would leave its backend running, and the next connection would add another
//! one.

use std::{
    fmt,
    future::Future,
    ops::{Deref, DerefMut},
    pin::{Pin, pin},
    time::{Duration, SystemTime},
};

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use tokio::{
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};
use tokio_postgres::{
    Client, Row,
    config::{Host, SslMode},
    error::SqlState,
};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Error, Parameter, credentials::Credentials, secrets_manager::Stage, tls};
use crate::{
    alarm::Alarm,
    environment::AWS_LAMBDA_FUNCTION_NAME,
    telemetry::{self, Step},
};

/// Longest attempt to connect to one host. Longer than any healthy handshake takes, short enough for a
/// client.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Interval after which TCP probes a silent connection: shorter than the idle time-outs of middleboxes.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// Longest wait for the acknowledgement of sent data.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that was idle for longer is checked before it is used: Lambda may have frozen the
/// environment, and the peer may be gone.
const IDLE_LIMIT: Duration = Duration::from_secs(30);

/// Longest wait for that check.
const CHECK_TIMEOUT: Duration = Duration::from_millis(500);

/// Longest wait for a cancel request and for the reply to the cancelled statement.
pub(super) const CANCEL_TIMEOUT: Duration = Duration::from_millis(250);

/// A connection whose statement is unanswered for this long is dropped. Longer than the `statement_timeout`
/// of the functions' roles, so its backend is no longer running the statement.
const ABANDON_AFTER: Duration = Duration::from_secs(35);

/// A connection and the state that decides whether it can be reused.
pub(super) struct Connection {
    client: Client,
    /// Reads and writes the socket. The socket is closed when this task ends.
    work: JoinHandle<()>,
    tls: MakeRustlsConnect,
    /// Wall-clock time, because a monotonic clock may stop in a frozen environment.
    last_used: SystemTime,
    /// When the unanswered statement was sent, if there is one.
    unanswered_since: Option<SystemTime>,
    /// Whether a cancel request may still be in flight.
    has_open_cancel: bool,
    /// The time limit of a statement.
    alarm: Alarm,
}

/// Whether a connection can run a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fitness {
    /// It can.
    Ready,
    /// Its last statement is still unanswered.
    Busy,
    /// It must be closed and replaced.
    Spent,
}

impl Connection {
    /// Runs a statement and waits until `deadline` for its rows. A late statement is cancelled, which takes
    /// at most [`CANCEL_TIMEOUT`] more.
    pub(super) async fn run(
        &mut self,
        sql: &str,
        parameters: &[Parameter<'_>],
        deadline: Instant,
    ) -> Result<Vec<Row>, Error> {
        // Set before anything is sent: the caller may stop waiting at any time.
        self.unanswered_since = Some(SystemTime::now());
        let mut query = pin!(self.client.query_typed(sql, parameters));
        if let Ok(answer) = self.alarm.timeout_at(deadline, &mut query).await {
            self.unanswered_since = None;
            self.last_used = SystemTime::now();
            return answer.map_err(Into::into);
        }
        self.has_open_cancel = true;
        let cancelled = timeout(CANCEL_TIMEOUT, async {
            cancel(&self.client, &self.tls).await;
            query.await
        });
        let Ok(answer) = cancelled.await else { return Err(Error::TimedOut) };
        self.unanswered_since = None;
        match answer {
            Err(error) if error.code() == Some(&SqlState::QUERY_CANCELED) => {
                // The cancel request has been consumed and cannot hit another statement.
                self.has_open_cancel = false;
                self.last_used = SystemTime::now();
                Err(Error::Cancelled)
            }
            answer => answer.map_err(Into::into),
        }
    }

    /// Checks whether a statement can be sent, within `by`: cancels an unanswered statement and waits for its
    /// end, and pings the server after a long idle time.
    pub(super) async fn fitness(&mut self, by: Instant) -> Fitness {
        let Some(since) = self.unanswered_since else {
            return if self.has_open_cancel || !self.is_alive_after_idling(by).await {
                Fitness::Spent
            } else {
                Fitness::Ready
            };
        };
        let is_abandoned = since.elapsed().unwrap_or(ABANDON_AFTER) >= ABANDON_AFTER;
        let by = if is_abandoned { by.min(Instant::now() + CHECK_TIMEOUT) } else { by };
        if !self.has_open_cancel {
            self.has_open_cancel = true;
            let _ = timeout_at(by, timeout(CANCEL_TIMEOUT, cancel(&self.client, &self.tls))).await;
        }
        match timeout_at(by, self.client.check_connection()).await {
            // Answered, or closed. The cancel request may still arrive and must not hit another statement.
            Ok(_) => Fitness::Spent,
            Err(_) if is_abandoned => {
                tracing::warn!("closing a connection whose statement is still unanswered");
                Fitness::Spent
            }
            Err(_) => Fitness::Busy,
        }
    }

    async fn is_alive_after_idling(&mut self, by: Instant) -> bool {
        let idle = self.last_used.elapsed().unwrap_or(IDLE_LIMIT);
        if idle < IDLE_LIMIT {
            return true;
        }
        let by = by.min(Instant::now() + CHECK_TIMEOUT);
        let is_alive =
            timeout_at(by, self.client.check_connection()).await.is_ok_and(|checked| checked.is_ok());
        if is_alive {
            self.last_used = SystemTime::now();
        } else {
            tracing::info!(idle_seconds = idle.as_secs(), "an idle connection was lost, opening a new one");
        }
        is_alive
    }

    /// Waits until the server has rolled back the transaction of a failed statement or closed the connection.
    /// The server reports the error first, and until the rollback the transaction holds locks that the next
    /// attempt needs, such as that on an idempotency key.
    pub(super) async fn await_rollback(&self) {
        let _ = timeout(CANCEL_TIMEOUT, self.client.check_connection()).await;
    }

    /// Closes the socket and waits until it is closed.
    pub(super) async fn close(mut self) {
        self.work.abort();
        let _ = (&mut self.work).await;
    }
}

/// Sends a cancel request for the statement that `client` waits for, over another socket that is closed right
/// after. RDS Proxy ignores cancel requests.
async fn cancel(client: &Client, tls: &MakeRustlsConnect) {
    if let Err(error) = client.cancel_token().cancel_query(tls.clone()).await {
        tracing::debug!(%error, "a statement could not be cancelled");
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("client", &self.client).finish_non_exhaustive()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.work.abort();
    }
}

impl Deref for Connection {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

/// Opens and checks connections for the pool.
#[derive(Debug)]
pub(super) struct Manager {
    credentials: Credentials,
    extra_roots: Option<String>,
}

impl Manager {
    pub(super) fn new(credentials: Credentials, extra_roots: Option<String>) -> Self {
        Self { credentials, extra_roots }
    }

    /// Opens a connection with the current credentials. If the server rejects them, tries the versions of the
    /// secret in turn and caches the one that works, so that a rotation fails no request.
    async fn open(&self) -> Result<Connection, Error> {
        let current = self.credentials.current().await?;
        let refusal = match self.open_with(&current.config).await {
            Ok(client) => {
                self.credentials.cache(&current);
                return Ok(client);
            }
            Err(refusal) if self.credentials.can_be_renewed() && is_refused_login(&refusal) => refusal,
            Err(error) => return Err(error),
        };
        tracing::warn!(error = %refusal, "the database rejected the credentials, fetching the secret again");
        let mut tried = vec![current.config];
        for (attempt, stage) in (1..).zip(Stage::AFTER_REFUSAL) {
            let is_last = attempt == Stage::AFTER_REFUSAL.len();
            let candidate = match self.credentials.fetch(stage).await {
                Ok(candidate) if is_last || !tried.contains(&candidate.config) => candidate,
                Ok(_) => continue,
                Err(error) => {
                    tracing::warn!(%error, "a version of the secret cannot be fetched");
                    continue;
                }
            };
            match self.open_with(&candidate.config).await {
                Ok(client) => {
                    self.credentials.cache(&candidate);
                    return Ok(client);
                }
                Err(error) if is_refused_login(&error) => tried.push(candidate.config),
                Err(error) => return Err(error),
            }
        }
        Err(refusal)
    }

    async fn open_with(&self, config: &tokio_postgres::Config) -> Result<Connection, Error> {
        let mut config = config.clone();
        config.connect_timeout(CONNECT_TIMEOUT);
        config.keepalives_idle(KEEPALIVE_IDLE);
        config.tcp_user_timeout(TCP_USER_TIMEOUT);
        if let (None, Some(name)) = (config.get_application_name(), AWS_LAMBDA_FUNCTION_NAME.read()) {
            config.application_name(name);
        }
        let hosts = config.get_hosts().iter().filter_map(|host| match host {
            Host::Tcp(host) => Some(host.as_str()),
            Host::Unix(_) => None,
        });
        // One driver type with and without TLS: a second instantiation would add a second driver to the
        // binary.
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => tls::unused(),
            _ => tls::connector(hosts, self.extra_roots.as_deref()),
        };
        let tls = tls.map_err(Error::Tls)?;
        run(config.connect(tls.clone()), tls).await
    }
}

/// Waits for the connection and spawns the task that drives it.
async fn run<S, T>(
    connecting: impl Future<Output = Result<(Client, tokio_postgres::Connection<S, T>), tokio_postgres::Error>>,
    tls: MakeRustlsConnect,
) -> Result<Connection, Error>
where
    tokio_postgres::Connection<S, T>: Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static,
{
    // The driver's time-out applies to each address of the host; this one to all of them together.
    let connected = timeout(CONNECT_TIMEOUT, connecting).await.map_err(|_| Error::TimedOut)?;
    let (client, connection) = connected.map_err(Error::Unreachable)?;
    let work = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection ended");
        }
    });
    Ok(Connection {
        client,
        work,
        tls,
        last_used: SystemTime::now(),
        unanswered_since: None,
        has_open_cancel: false,
        alarm: Alarm::new(),
    })
}

/// Whether the server rejected the login: a wrong password, or a role that does not exist.
fn is_refused_login(error: &Error) -> bool {
    let refusals = [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION];
    error.code().is_some_and(|code| refusals.contains(code))
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = Error;

    async fn create(&self) -> Result<Connection, Error> {
        // Boxed because opening is rare: otherwise the future of every statement would be as large.
        let opening: Pin<Box<dyn Future<Output = _> + Send + '_>> = Box::pin(self.open());
        let connecting = telemetry::step(Step::Connect);
        connecting.end(opening.await)
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<Error> {
        // Checks that take time are left to `Connection::fitness`: the pool drops a connection whose check
        // here times out.
        if connection.is_closed() {
            return Err(RecycleError::message("the connection is closed"));
        }
        Ok(())
    }
}
