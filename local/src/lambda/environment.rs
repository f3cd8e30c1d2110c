//! One execution environment: a process, its Runtime API, and a supervisor that sees it end.

use std::{
    io,
    net::Ipv4Addr,
    process::{ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    sync::{Notify, oneshot, watch},
    time::{Instant, sleep_until, timeout},
};
use uuid::Uuid;

use super::{
    function::{ACCOUNT_ID, Function},
    invocation::{Invocation, Reply},
    logs::{Log, LogSink},
    runtime_api::Desk,
    variables,
};

/// How long the last lines of a process are waited for: its children could hold its pipes open.
const LAST_LINES_LIMIT: Duration = Duration::from_millis(500);

/// SIGKILL in the signal masks of `/proc`. Every fatal signal is turned into one for each thread.
const SIGKILL_BIT: u64 = 1 << (9 - 1);

/// An execution environment at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Environment {
    /// The process id.
    pub pid: u32,
    /// Whether it initialises or runs an invocation.
    pub busy: bool,
    /// Events handed to it so far.
    pub invocations: u64,
}

/// A started execution environment.
pub(super) struct Instance {
    pub(super) pid: u32,
    pub(super) log: Log,
    desk: Arc<Desk>,
    invocations: AtomicU64,
    to_kill: Notify,
    /// How the process ended, once it has, its pipes are read and its connections closed.
    exited: watch::Sender<Option<String>>,
}

/// How a run ended.
pub(super) enum Outcome {
    /// The function answered; the environment is free again.
    Answered(Reply),
    /// The process ended without having read the event: another one may run it.
    NotRead,
    /// The process ended in the middle.
    Crashed { status: String },
    /// The process was killed.
    TimedOut,
}

impl Instance {
    /// Starts a process; `on_exit` is called once, when it is gone, before anyone else learns of it.
    pub(super) fn start(
        function: &Function,
        sink: LogSink,
        on_exit: impl FnOnce(&Arc<Self>, &str) + Send + 'static,
    ) -> io::Result<Arc<Self>> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let ((stdout, to_stdout), (stderr, to_stderr)) = (io::pipe()?, io::pipe()?);
        let child = Command::new(&function.program)
            .args(&function.arguments)
            .env_clear()
            .envs(variables::of(function, listener.local_addr()?))
            .stdin(Stdio::null())
            .stdout(to_stdout)
            .stderr(to_stderr)
            // Ctrl-C in a terminal is for us; its own group also lets us kill what the function has started.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().unwrap_or_default();
        let instance = Arc::new(Self {
            pid,
            log: Log::new(&function.name, pid, sink, [stdout.into(), stderr.into()])?,
            desk: Desk::new(),
            invocations: AtomicU64::new(0),
            to_kill: Notify::new(),
            exited: watch::Sender::new(None),
        });
        tokio::spawn(instance.clone().supervise(child, listener, on_exit));
        Ok(instance)
    }

    /// Waits until the runtime asks for work; the error says why it did not within `limit`.
    pub(super) async fn initialised(&self, limit: Duration) -> Result<(), String> {
        let asked = async {
            tokio::select! {
                biased;
                asked = self.desk.initialised() => asked.map_err(|error| error.to_string()),
                status = self.exited() => Err(format!("{status} before it asked for work")),
            }
        };
        match timeout(limit, asked).await {
            Ok(Err(reason)) => {
                // A runtime that reports its failure ends by itself, often with a last line.
                let _ = timeout(LAST_LINES_LIMIT, self.exited()).await;
                Err(reason)
            }
            Ok(Ok(())) => Ok(()),
            Err(_elapsed) => Err(format!("it did not ask for work within {} s", limit.as_secs_f64())),
        }
    }

    /// Runs one invocation; after anything but an answer the process is gone.
    pub(super) async fn run(&self, function: &Function, event: Bytes, trace_id: &str) -> Outcome {
        if self.is_doomed() {
            self.end().await;
            return Outcome::NotRead;
        }
        let (reply, mut replied) = oneshot::channel();
        let deadline = Instant::now() + function.timeout;
        let deadline_epoch =
            SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + function.timeout;
        let region = variables::region(function);
        self.invocations.fetch_add(1, Ordering::Relaxed);
        self.desk.lay_down(Invocation {
            request_id: Uuid::now_v7().to_string(),
            event,
            deadline_epoch_ms: deadline_epoch.as_millis(),
            function_arn: format!("arn:aws:lambda:{region}:{ACCOUNT_ID}:function:{}", function.name),
            trace_id: trace_id.to_owned(),
            reply,
        });
        tokio::select! {
            biased;
            Ok(reply) = &mut replied => {
                // Whoever has the answer finds in the log what was written before it.
                self.log.catch_up();
                Outcome::Answered(reply)
            }
            status = self.exited() => match replied.try_recv() {
                Ok(reply) => Outcome::Answered(reply),
                Err(_) if self.desk.event_was_read() => Outcome::Crashed { status },
                Err(_) => Outcome::NotRead,
            },
            () = sleep_until(deadline) => {
                self.end().await;
                Outcome::TimedOut
            }
        }
    }

    /// Whether a fatal signal waits for the process to run again. The kernel would still complete a blocking read for
    /// it, and the event would look read by a process that never returned from that call.
    fn is_doomed(&self) -> bool {
        // Linux only; elsewhere the event counts as read.
        let Ok(status) = std::fs::read_to_string(format!("/proc/{}/status", self.pid)) else { return false };
        let pending = status.lines().find_map(|line| line.strip_prefix("SigPnd:"));
        let pending = pending.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
        pending & SIGKILL_BIT != 0
    }

    /// Events handed to it so far.
    pub(super) fn invocations(&self) -> u64 {
        self.invocations.load(Ordering::Relaxed)
    }

    /// Tells the supervisor to kill the process.
    pub(super) fn kill(&self) {
        self.to_kill.notify_one();
    }

    /// Kills the process and waits until it is gone.
    pub(super) async fn end(&self) {
        self.kill();
        self.exited().await;
    }

    /// Waits until the process is gone and returns how it ended.
    async fn exited(&self) -> String {
        let mut exited = self.exited.subscribe();
        match exited.wait_for(Option::is_some).await {
            Ok(status) => status.clone().unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    async fn supervise(
        self: Arc<Self>,
        mut child: Child,
        listener: TcpListener,
        on_exit: impl FnOnce(&Arc<Self>, &str) + Send,
    ) {
        let mut forwarding = tokio::spawn({
            let instance = self.clone();
            async move { instance.log.forward().await }
        });
        let (stop, stopped) = oneshot::channel();
        let runtime_api = tokio::spawn(self.desk.clone().serve(listener, stopped));

        let status = self.watch(&mut child).await;
        if timeout(LAST_LINES_LIMIT, &mut forwarding).await.is_err() {
            forwarding.abort();
        }
        self.log.finish();
        let _ = stop.send(());
        let _ = runtime_api.await;
        on_exit(&self, &status);
        self.exited.send_replace(Some(status));
    }

    /// Waits for the end of the process, killing its group when told to.
    async fn watch(&self, child: &mut Child) -> String {
        let describe = |status: io::Result<ExitStatus>| match status {
            Ok(status) => status.to_string(),
            Err(error) => format!("unknown exit status: {error}"),
        };
        loop {
            tokio::select! {
                status = child.wait() => return describe(status),
                () = self.to_kill.notified() => {
                    // Not reaped yet, so the number still belongs to this process.
                    let group = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
                    if group.is_none_or(|group| kill_process_group(group, Signal::KILL).is_err()) {
                        let _ = child.start_kill();
                    }
                }
            }
        }
    }
}
