//! The environments of one function: which one runs an invocation, when another is started, who waits.
//!
//! A permit of `places` stands for the right to use a process. Permits are handed out in the order of asking, an
//! environment is given back before its permit, and a process is started only by a permit's holder that finds none
//! idle: so there are never more processes than permits.

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
    environment::{Environment, Instance, Outcome},
    error::InvokeError,
    function::Function,
    logs::LogSink,
};

/// How long an environment may take until it asks for work: Lambda's own limit.
const INIT_LIMIT: Duration = Duration::from_secs(10);
/// How many environments in a row may die under an event that they have not read, beyond those that were idle.
const UNREAD_LIMIT: usize = 3;

/// A function with its environments.
pub(super) struct Pool {
    function: Function,
    sink: LogSink,
    places: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Every environment that has a process, oldest first.
    all: Vec<Arc<Instance>>,
    /// Those that are free, the most recently used last.
    idle: Vec<Arc<Instance>>,
    /// Those that run a program which has been replaced: they end after their invocation.
    outdated: Vec<Arc<Instance>>,
    /// The program that new environments run, as it was last looked at.
    program: Option<ProgramVersion>,
    closed: bool,
}

/// Tells one build of a program from another: inode, time of change in seconds and nanoseconds, size.
type ProgramVersion = (u64, i64, i64, u64);

fn version(program: &Path) -> Option<ProgramVersion> {
    let file = fs::metadata(program).ok()?;
    Some((file.ino(), file.mtime(), file.mtime_nsec(), file.size()))
}

impl Pool {
    pub(super) fn new(function: Function, sink: LogSink) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(function.max_environments.min(Semaphore::MAX_PERMITS)));
        let state = State { program: version(&function.program), ..State::default() };
        Arc::new(Self { function, sink, places, state: Mutex::new(state) })
    }

    pub(super) async fn invoke(
        self: &Arc<Self>,
        event: Bytes,
        trace_id: &str,
        wait: Duration,
    ) -> Result<Bytes, InvokeError> {
        let place = match timeout(wait, self.places.clone().acquire_owned()).await {
            Ok(Ok(place)) => place,
            Ok(Err(_closed)) => return Err(InvokeError::ShutDown),
            Err(_elapsed) => return Err(InvokeError::Throttled { waited: wait }),
        };
        // A task of its own: an invocation runs to its end, whether or not its caller is still there.
        let run = tokio::spawn(self.clone().run(place, event, trace_id.to_owned()));
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

    /// Whether the program has been replaced since it was last looked at. Then no environment of the old one takes another
    /// invocation; one that runs ends after its answer.
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
            instance.end().await;
        }
        true
    }

    /// Takes no more invocations, ends every process and returns when they are gone.
    pub(super) async fn close(&self) {
        self.places.close();
        let all = {
            let mut state = self.state();
            state.closed = true;
            state.all.clone()
        };
        let mut ending: JoinSet<()> =
            all.into_iter().map(|instance| async move { instance.end().await }).collect();
        while ending.join_next().await.is_some() {}
    }

    async fn run(
        self: Arc<Self>,
        _place: OwnedSemaphorePermit,
        event: Bytes,
        trace_id: String,
    ) -> Result<Bytes, InvokeError> {
        let mut unread = 0;
        loop {
            let instance = self.take().await?;
            match instance.run(&self.function, event.clone(), &trace_id).await {
                Outcome::Answered(reply) => {
                    self.give_back(instance);
                    return reply;
                }
                _ if self.state().closed => return Err(InvokeError::ShutDown),
                Outcome::NotRead if unread < self.function.max_environments + UNREAD_LIMIT => unread += 1,
                Outcome::NotRead => {
                    let status = "no environment lived long enough to read the event".to_owned();
                    return Err(InvokeError::Crashed { status, log_tail: instance.log.tail() });
                }
                Outcome::Crashed { status } => {
                    return Err(InvokeError::Crashed { status, log_tail: instance.log.tail() });
                }
                Outcome::TimedOut => return Err(InvokeError::TimedOut { after: self.function.timeout }),
            }
        }
    }

    /// An idle environment, or else a new one.
    async fn take(self: &Arc<Self>) -> Result<Arc<Instance>, InvokeError> {
        let instance = {
            let mut state = self.state();
            if let Some(instance) = state.idle.pop() {
                return Ok(instance);
            }
            if state.closed {
                return Err(InvokeError::ShutDown);
            }
            // Under the lock, so that `close` knows of every process there is.
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
                instance.end().await;
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
                pool.forget(instance, status);
            }
        })
    }

    fn give_back(&self, instance: Arc<Instance>) {
        let mut state = self.state();
        if state.outdated.iter().any(|outdated| Arc::ptr_eq(outdated, &instance)) {
            instance.kill();
        } else if state.all.iter().any(|known| Arc::ptr_eq(known, &instance)) {
            state.idle.push(instance);
        }
    }

    /// Removes an environment whose process is gone.
    fn forget(&self, instance: &Arc<Instance>, status: &str) {
        let was_idle = {
            let mut state = self.state();
            state.all.retain(|known| !Arc::ptr_eq(known, instance));
            state.outdated.retain(|known| !Arc::ptr_eq(known, instance));
            let idle = state.idle.len();
            state.idle.retain(|known| !Arc::ptr_eq(known, instance));
            state.idle.len() < idle && !state.closed
        };
        if was_idle {
            instance.log.note(format!("the environment ended while it was idle: {status}"));
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
