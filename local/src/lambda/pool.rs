//! The environments of one function: which one runs an invocation, when another one is started, which callers wait.
//!
//! A permit is the right to use one process. Permits are handed out first come, first served; an environment is
//! released before its permit; and only the holder of a permit that finds no idle environment starts a process. So
//! there are never more processes than permits.

use std::{
    fs, mem,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::timeout,
};

use super::{
    environment::{Environment, Instance, RunOutcome},
    error::InvokeError,
    function::Function,
    logs::LogSink,
};

/// How long an environment may take to request its first event: Lambda's own limit.
const INIT_LIMIT: Duration = Duration::from_secs(10);
/// How many environments in a row, in addition to the idle ones, may end without having read the event.
const UNREAD_LIMIT: usize = 3;

/// A function with its environments.
pub(super) struct Pool {
    function: Function,
    sink: LogSink,
    permits: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Every environment with a running process, oldest first.
    all: Vec<Arc<Instance>>,
    /// The free environments, the most recently used last.
    idle: Vec<Arc<Instance>>,
    /// Busy environments whose program has been replaced: they end after their invocation.
    outdated: Vec<Arc<Instance>>,
    /// The version of the program that was last seen on disk.
    program: Option<ProgramVersion>,
    closed: bool,
}

/// Identifies a build of a program: inode, modification time in seconds and nanoseconds, size.
type ProgramVersion = (u64, i64, i64, u64);

fn version(program: &Path) -> Option<ProgramVersion> {
    let file = fs::metadata(program).ok()?;
    Some((file.ino(), file.mtime(), file.mtime_nsec(), file.size()))
}

impl Pool {
    pub(super) fn new(function: Function, sink: LogSink) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(function.max_environments.min(Semaphore::MAX_PERMITS)));
        let state = State { program: version(&function.program), ..State::default() };
        Arc::new(Self { function, sink, permits, state: Mutex::new(state) })
    }

    pub(super) async fn invoke(
        self: &Arc<Self>,
        event: Bytes,
        trace_id: &str,
        wait: Duration,
    ) -> Result<Bytes, InvokeError> {
        let permit = match timeout(wait, self.permits.clone().acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_closed)) => return Err(InvokeError::ShutDown),
            Err(_elapsed) => return Err(InvokeError::Throttled { waited: wait }),
        };
        // In a separate task, so that an invocation runs to its end even if its caller goes away.
        let run = tokio::spawn(self.clone().run(permit, event, trace_id.to_owned()));
        run.await.unwrap_or(Err(InvokeError::ShutDown))
    }

    pub(super) fn environments(&self) -> Vec<Environment> {
        let state = self.state();
        let view = |instance: &Arc<Instance>| Environment {
            pid: instance.pid,
            busy: !state.idle.iter().any(|idle| Arc::ptr_eq(idle, instance)),
            invocations: instance.invocations(),
        };
        state.all.iter().map(view).collect()
    }

    /// Returns whether the program has been replaced since the last check. If so, environments with the old program
    /// take no further invocations: idle ones end now, busy ones after their invocation.
    pub(super) async fn reload(&self) -> bool {
        let idle = {
            let mut state = self.state();
            let program = version(&self.function.program);
            if program.is_none() || program == state.program {
                return false;
            }
            state.program = program;
            let idle = mem::take(&mut state.idle);
            let is_idle = |it: &Arc<Instance>| idle.iter().any(|idle| Arc::ptr_eq(idle, it));
            state.outdated = state.all.iter().filter(|it| !is_idle(it)).cloned().collect();
            idle
        };
        for instance in idle {
            instance.terminate().await;
        }
        true
    }

    /// Refuses further invocations, ends every process and returns when they are gone.
    pub(super) async fn close(&self) {
        self.permits.close();
        let all = {
            let mut state = self.state();
            state.closed = true;
            state.all.clone()
        };
        let mut ending: JoinSet<()> =
            all.into_iter().map(|instance| async move { instance.terminate().await }).collect();
        while ending.join_next().await.is_some() {}
    }

    async fn run(
        self: Arc<Self>,
        _permit: OwnedSemaphorePermit,
        event: Bytes,
        trace_id: String,
    ) -> Result<Bytes, InvokeError> {
        let mut unread = 0;
        loop {
            let instance = self.acquire().await?;
            match instance.run(&self.function, event.clone(), &trace_id).await {
                RunOutcome::Completed(result) => {
                    self.release(instance);
                    return result;
                }
                _ if self.state().closed => return Err(InvokeError::ShutDown),
                RunOutcome::NotRead if unread < self.function.max_environments + UNREAD_LIMIT => unread += 1,
                RunOutcome::NotRead => {
                    let status = "no environment lived long enough to read the event".to_owned();
                    return Err(InvokeError::Crashed { status, log_tail: instance.log.tail() });
                }
                RunOutcome::Crashed { status } => {
                    return Err(InvokeError::Crashed { status, log_tail: instance.log.tail() });
                }
                RunOutcome::TimedOut => return Err(InvokeError::TimedOut { after: self.function.timeout }),
            }
        }
    }

    /// Returns an idle environment, or else starts one.
    async fn acquire(self: &Arc<Self>) -> Result<Arc<Instance>, InvokeError> {
        let instance = {
            let mut state = self.state();
            if let Some(instance) = state.idle.pop() {
                return Ok(instance);
            }
            if state.closed {
                return Err(InvokeError::ShutDown);
            }
            // Under the lock, so that `close` sees every process.
            let instance = self.start().map_err(|error| {
                let reason = format!("{} cannot be started: {error}", self.function.program.display());
                InvokeError::InitFailed { reason, log_tail: Vec::new() }
            })?;
            state.all.push(instance.clone());
            instance
        };
        match instance.initialised(INIT_LIMIT).await {
            Ok(()) => Ok(instance),
            Err(reason) => {
                instance.terminate().await;
                if self.state().closed {
                    return Err(InvokeError::ShutDown);
                }
                Err(InvokeError::InitFailed { reason, log_tail: instance.log.tail() })
            }
        }
    }

    fn start(self: &Arc<Self>) -> std::io::Result<Arc<Instance>> {
        let pool: Weak<Self> = Arc::downgrade(self);
        Instance::start(&self.function, self.sink.clone(), move |instance, status| {
            if let Some(pool) = pool.upgrade() {
                pool.remove(instance, status);
            }
        })
    }

    fn release(&self, instance: Arc<Instance>) {
        let mut state = self.state();
        if state.outdated.iter().any(|outdated| Arc::ptr_eq(outdated, &instance)) {
            instance.kill();
        } else if state.all.iter().any(|known| Arc::ptr_eq(known, &instance)) {
            state.idle.push(instance);
        }
    }

    /// Removes an environment whose process is gone.
    fn remove(&self, instance: &Arc<Instance>, status: &str) {
        let was_idle = {
            let mut state = self.state();
            state.all.retain(|known| !Arc::ptr_eq(known, instance));
            state.outdated.retain(|known| !Arc::ptr_eq(known, instance));
            let idle = state.idle.len();
            state.idle.retain(|known| !Arc::ptr_eq(known, instance));
            state.idle.len() < idle && !state.closed
        };
        if was_idle {
            instance.log.emit(format!("the environment ended while it was idle: {status}"));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for instance in &self.state().all {
            instance.kill();
        }
    }
}
