//! How a connection is opened, and how it is judged fit for another request.

use std::{
    future::Future,
    pin::Pin,
    time::{Duration, SystemTime},
};

use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use deadpool_postgres::ClientWrapper;
use tokio::time::timeout;
use tokio_postgres::{NoTls, config::Host, error::SqlState};

use super::{
    Error,
    credentials::{Credentials, Stage},
    tls,
};
use crate::telemetry::{self, Step};

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

/// A connection and the wall-clock time of its last use: a monotonic clock may stand still in a frozen environment.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) client: ClientWrapper,
    last_used: SystemTime,
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
    async fn open(&self) -> Result<ClientWrapper, Error> {
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

    async fn open_with(&self, config: &tokio_postgres::Config) -> Result<ClientWrapper, Error> {
        let mut config = config.clone();
        config.connect_timeout(CONNECT_TIMEOUT);
        config.keepalives_idle(KEEPALIVE_IDLE);
        config.tcp_user_timeout(TCP_USER_TIMEOUT);
        if let (None, Ok(name)) = (config.get_application_name(), std::env::var("AWS_LAMBDA_FUNCTION_NAME")) {
            config.application_name(name);
        }
        if config.get_ssl_mode() == tokio_postgres::config::SslMode::Disable {
            return run(config.connect(NoTls)).await;
        }
        let hosts = config.get_hosts().iter().filter_map(|host| match host {
            Host::Tcp(host) => Some(host.as_str()),
            Host::Unix(_) => None,
        });
        let tls = tls::connector(hosts, self.extra_roots.as_deref()).map_err(Error::Tls)?;
        run(config.connect(tls)).await
    }
}

/// Waits for a connection and lets it work in the background.
async fn run<S, T>(
    connecting: impl Future<
        Output = Result<(tokio_postgres::Client, tokio_postgres::Connection<S, T>), tokio_postgres::Error>,
    >,
) -> Result<ClientWrapper, Error>
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
    Ok(ClientWrapper::new(client, work))
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
        Ok(Connection { client: connecting.end(opening.await)?, last_used: SystemTime::now() })
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<Error> {
        if connection.client.is_closed() {
            return Err(RecycleError::message("the connection is closed"));
        }
        let idle = connection.last_used.elapsed().unwrap_or(IDLE_LIMIT);
        if idle >= IDLE_LIMIT && !is_alive(connection).await {
            tracing::info!(idle_seconds = idle.as_secs(), "an idle connection was lost, opening another");
            return Err(RecycleError::message("the connection was lost while it was idle"));
        }
        connection.last_used = SystemTime::now();
        Ok(())
    }
}

async fn is_alive(connection: &Connection) -> bool {
    timeout(CHECK_TIMEOUT, connection.client.check_connection()).await.is_ok_and(|checked| checked.is_ok())
}
