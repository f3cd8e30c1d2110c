//! One connection: how it is opened, how a statement runs on it, and when it is fit for another request.
//!
//! A statement that takes too long is cancelled, and keeps its connection until the server has answered: a connection
//! that is dropped sooner leaves its backend at work, and the next one adds a backend to it.

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
    telemetry::{self, Step},
};

/// Longest wait for one host. Longer than a healthy handshake ever takes, short enough for a client.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Interval after which a silent connection is probed by TCP: shorter than what middleboxes forget.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// Longest wait for the acknowledgement of sent data.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection that was idle for longer is asked before it is used: Lambda may have frozen the environment, and
/// the other end may have gone.
const IDLE_LIMIT: Duration = Duration::from_secs(30);

/// Longest wait for the answer to that question.
const CHECK_TIMEOUT: Duration = Duration::from_millis(500);

/// Longest time for cancelling a statement and for the answer that it then gets.
pub(super) const CANCEL_TIMEOUT: Duration = Duration::from_millis(250);

/// After this time an unanswered statement is given up along with its connection: longer than the `statement_timeout`
/// of the functions' roles, so no backend is at work on it any more.
const ABANDON_AFTER: Duration = Duration::from_secs(35);

/// A connection and what is known of its other end.
pub(super) struct Connection {
    client: Client,
    /// Reads and writes the socket. The socket is closed when this task ends.
    work: JoinHandle<()>,
    tls: MakeRustlsConnect,
    /// Wall-clock time, as a monotonic clock may stand still in a frozen environment.
    last_used: SystemTime,
    /// When a statement was sent that has not been answered.
    unanswered_since: Option<SystemTime>,
    /// Whether a cancel request was sent that may still arrive.
    has_open_cancel: bool,
    /// The time limit of a statement.
    alarm: Alarm,
}

/// Whether a connection can take a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fitness {
    /// It can.
    Ready,
    /// Its last statement has not been answered.
    Busy,
    /// It has to be closed and replaced.
    Spent,
}

impl Connection {
    /// Runs a statement and waits until `deadline` for its rows. A late statement is cancelled; this takes
    /// [`CANCEL_TIMEOUT`] more at most.
    pub(super) async fn ask(
        &mut self,
        sql: &str,
        parameters: &[Parameter<'_>],
        deadline: Instant,
    ) -> Result<Vec<Row>, Error> {
        // Set before anything is sent: the caller may stop waiting at any time.
        self.unanswered_since = Some(SystemTime::now());
        let mut query = pin!(self.client.query_typed(sql, parameters));
        if let Ok(answer) = self.alarm.watch(deadline, &mut query).await {
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
                // The one request has done its work, and cannot hit another statement.
                self.has_open_cancel = false;
                self.last_used = SystemTime::now();
                Err(Error::Cancelled)
            }
            answer => answer.map_err(Into::into),
        }
    }

    /// Whether a statement can be sent, which may take until `by` to find out: an unanswered statement is cancelled
    /// and waited for, and a connection that was idle for long is checked.
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
            // Answered, or closed. The cancel request may yet arrive, and must not hit another statement.
            Ok(_) => Fitness::Spent,
            Err(_) if is_abandoned => {
                tracing::warn!("an unanswered statement is given up with its connection");
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
            tracing::info!(idle_seconds = idle.as_secs(), "an idle connection was lost, opening another");
        }
        is_alive
    }

    /// Waits until the server has ended the transaction of a statement that it refused, or has closed the connection. It
    /// tells the error first, and until then holds what the next attempt needs, such as an idempotency key.
    pub(super) async fn settle(&self) {
        let _ = timeout(CANCEL_TIMEOUT, self.client.check_connection()).await;
    }

    /// Closes the socket, and returns when it is closed.
    pub(super) async fn close(mut self) {
        self.work.abort();
        let _ = (&mut self.work).await;
    }
}

/// Asks the server to cancel what `client` waits for, over another socket that is closed right after. RDS Proxy ignores
/// it.
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

    /// Opens a connection with the credentials in use. When the server refuses them, the versions of the
    /// secret are tried in turn, and the one that works is remembered: a rotation costs no request.
    async fn open(&self) -> Result<Connection, Error> {
        let current = self.credentials.current().await?;
        let refusal = match self.open_with(&current.config).await {
            Ok(client) => {
                self.credentials.remember(&current);
                return Ok(client);
            }
            Err(refusal) if self.credentials.can_be_renewed() && is_refused_login(&refusal) => refusal,
            Err(error) => return Err(error),
        };
        tracing::warn!(error = %refusal, "the database refused the credentials, fetching the secret again");
        let mut tried = vec![current.config];
        for (attempt, stage) in (1..).zip(Stage::AFTER_REFUSAL) {
            let is_last = attempt == Stage::AFTER_REFUSAL.len();
            let candidate = match self.credentials.fetch(stage).await {
                Ok(candidate) if is_last || !tried.contains(&candidate.config) => candidate,
                Ok(_) => continue,
                Err(error) => {
                    tracing::warn!(%error, "a version of the secret cannot be had");
                    continue;
                }
            };
            match self.open_with(&candidate.config).await {
                Ok(client) => {
                    self.credentials.remember(&candidate);
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
        if let (None, Ok(name)) = (config.get_application_name(), std::env::var("AWS_LAMBDA_FUNCTION_NAME")) {
            config.application_name(name);
        }
        let hosts = config.get_hosts().iter().filter_map(|host| match host {
            Host::Tcp(host) => Some(host.as_str()),
            Host::Unix(_) => None,
        });
        // One kind of connection, with TLS or without: each kind is a driver of its own in the binary.
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => tls::unused(),
            _ => tls::connector(hosts, self.extra_roots.as_deref()),
        };
        let tls = tls.map_err(Error::Tls)?;
        run(config.connect(tls.clone()), tls).await
    }
}

/// Waits for a connection and lets it work in the background.
async fn run<S, T>(
    connecting: impl Future<Output = Result<(Client, tokio_postgres::Connection<S, T>), tokio_postgres::Error>>,
    tls: MakeRustlsConnect,
) -> Result<Connection, Error>
where
    tokio_postgres::Connection<S, T>: Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static,
{
    // The driver's time-out is for each address of the host; this one is for all of them.
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

/// Whether the server refused who we say we are: a wrong password, or a role that is not there any more.
fn is_refused_login(error: &Error) -> bool {
    let refusals = [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION];
    error.code().is_some_and(|code| refusals.contains(code))
}

impl managed::Manager for Manager {
    type Type = Connection;
    type Error = Error;

    async fn create(&self) -> Result<Connection, Error> {
        // Boxed: opening is rare, and the state of every statement would have to hold it.
        let opening: Pin<Box<dyn Future<Output = _> + Send + '_>> = Box::pin(self.open());
        let connecting = telemetry::step(Step::Connect);
        connecting.end(opening.await)
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<Error> {
        // Whatever takes time is asked by `Connection::fitness`: the pool drops a connection that is waited for here.
        if connection.is_closed() {
            return Err(RecycleError::message("the connection is closed"));
        }
        Ok(())
    }
}
