//! One execution environment: a process, its Runtime API, and a supervisor that waits for its end.

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
    invocation::{Invocation, InvocationResult},
    logs::{Log, LogSink},
    runtime_api::RuntimeApi,
    variables,
};

/// How long to wait for the last lines of a process: its children could hold its pipes open.
const LAST_LINES_LIMIT: Duration = Duration::from_millis(500);

/// SIGKILL in the signal masks of `/proc`. The kernel turns every fatal signal into a SIGKILL for each thread.
const SIGKILL_BIT: u64 = 1 << (9 - 1);

/// A snapshot of an execution environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Environment {
    /// The process id.
    pub pid: u32,
    /// Whether it is initialising or running an invocation.
    pub busy: bool,
    /// The number of events that it has received.
    pub invocations: u64,
}

/// A started execution environment.
pub(super) struct Instance {
    pub(super) pid: u32,
    pub(super) log: Log,
    runtime_api: Arc<RuntimeApi>,
    invocations: AtomicU64,
    to_kill: Notify,
    /// How the process ended; set once it has ended, its pipes are drained and its connections closed.
    exited: watch::Sender<Option<String>>,
}

/// How the run of an invocation ended.
pub(super) enum RunOutcome {
    /// The function posted a response or an error; the environment is free again.
    Completed(InvocationResult),
    /// The process ended before it read the event: another environment may run it.
    NotRead,
    /// The process ended during the invocation.
    Crashed { status: String },
    /// The timeout passed, and the process was killed.
    TimedOut,
}

impl Instance {
    /// Starts a process. `on_exit` is called once, when the process is gone and before any waiter is notified.
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
            // A separate group keeps Ctrl-C away from the function, and lets us kill its child processes, too.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().unwrap_or_default();
        let instance = Arc::new(Self {
            pid,
            log: Log::new(&function.name, pid, sink, [stdout.into(), stderr.into()])?,
            runtime_api: RuntimeApi::new(),
            invocations: AtomicU64::new(0),
            to_kill: Notify::new(),
            exited: watch::Sender::new(None),
        });
        tokio::spawn(instance.clone().supervise(child, listener, on_exit));
        Ok(instance)
    }

    /// Waits until the runtime requests its first event; fails with the reason if it does not within `limit`.
    pub(super) async fn initialised(&self, limit: Duration) -> Result<(), String> {
        let asked = async {
            tokio::select! {
                biased;
                asked = self.runtime_api.initialised() => asked.map_err(|error| error.to_string()),
                status = self.exited() => Err(format!("{status} before it asked for work")),
            }
        };
        match timeout(limit, asked).await {
            Ok(Err(reason)) => {
                // A runtime that reports a failure exits by itself, often after a last line of output.
                let _ = timeout(LAST_LINES_LIMIT, self.exited()).await;
                Err(reason)
            }
            Ok(Ok(())) => Ok(()),
            Err(_elapsed) => Err(format!("it did not ask for work within {} s", limit.as_secs_f64())),
        }
    }

    /// Runs one invocation. Unless it completes, the process is gone afterwards.
    pub(super) async fn run(&self, function: &Function, event: Bytes, trace_id: &str) -> RunOutcome {
        if self.has_pending_kill() {
            self.terminate().await;
            return RunOutcome::NotRead;
        }
        let (result, mut replied) = oneshot::channel();
        let deadline = Instant::now() + function.timeout;
        let deadline_epoch =
            SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() + function.timeout;
        let region = variables::region(function);
        self.invocations.fetch_add(1, Ordering::Relaxed);
        self.runtime_api.submit(Invocation {
            request_id: Uuid::now_v7().to_string(),
            event,
            deadline_epoch_ms: deadline_epoch.as_millis(),
            function_arn: format!("arn:aws:lambda:{region}:{ACCOUNT_ID}:function:{}", function.name),
            trace_id: trace_id.to_owned(),
            result,
        });
        tokio::select! {
            biased;
            Ok(result) = &mut replied => {
                // A caller that has the response must find every earlier line in the log.
                self.log.drain();
                RunOutcome::Completed(result)
            }
            status = self.exited() => match replied.try_recv() {
                Ok(result) => RunOutcome::Completed(result),
                Err(_) if self.runtime_api.event_was_read() => RunOutcome::Crashed { status },
                Err(_) => RunOutcome::NotRead,
            },
            () = sleep_until(deadline) => {
                self.terminate().await;
                RunOutcome::TimedOut
            }
        }
    }

    /// Whether a fatal signal is pending for the process. The kernel would still complete a blocking read for it, so
    /// the event would count as read although the process never returned from that call.
    fn has_pending_kill(&self) -> bool {
        // Linux only; elsewhere the event counts as read.
        let Ok(status) = std::fs::read_to_string(format!("/proc/{}/status", self.pid)) else { return false };
        let pending = status.lines().find_map(|line| line.strip_prefix("SigPnd:"));
        let pending = pending.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default();
        pending & SIGKILL_BIT != 0
    }

    /// The number of events that it has received.
    pub(super) fn invocations(&self) -> u64 {
        self.invocations.load(Ordering::Relaxed)
    }

    /// Asks the supervisor to kill the process.
    pub(super) fn kill(&self) {
        self.to_kill.notify_one();
    }

    /// Kills the process and waits until it is gone.
    pub(super) async fn terminate(&self) {
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
        let runtime_api = tokio::spawn(self.runtime_api.clone().serve(listener, stopped));

        let status = self.watch(&mut child).await;
        if timeout(LAST_LINES_LIMIT, &mut forwarding).await.is_err() {
            forwarding.abort();
        }
        self.log.flush();
        let _ = stop.send(());
        let _ = runtime_api.await;
        on_exit(&self, &status);
        self.exited.send_replace(Some(status));
    }

    /// Waits for the end of the process, and kills its process group when `to_kill` is notified.
    async fn watch(&self, child: &mut Child) -> String {
        let describe = |status: io::Result<ExitStatus>| match status {
            Ok(status) => status.to_string(),
            Err(error) => format!("unknown exit status: {error}"),
        };
        loop {
            tokio::select! {
                status = child.wait() => return describe(status),
                () = self.to_kill.notified() => {
                    // Not reaped yet, so the process id still belongs to this process.
                    let group = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
                    if group.is_none_or(|group| kill_process_group(group, Signal::KILL).is_err()) {
                        let _ = child.start_kill();
                    }
                }
            }
        }
    }
}
