//! What AWS Lambda does around a function: execution environments, one invocation at a time in each, the Runtime API,
//! time-outs, crash reports. Every environment is a real process; it knows no HTTP API (that is `gateway`).

mod answers;
mod environment;
mod error;
mod function;
mod invocation;
mod logs;
mod pool;
mod runtime_api;
mod variables;
mod wire;

pub(crate) mod body;

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{task::JoinSet, time::timeout};

pub use environment::Environment;
pub use error::InvokeError;
pub use function::{ACCOUNT_ID, Function, REGION};
pub use invocation::{EVENT_LIMIT_BYTES, RESPONSE_LIMIT_BYTES};
pub use logs::{LogLine, LogSink};
use pool::Pool;

/// How long `shutdown` waits for processes that were told to end.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

/// Raises this process's limit of open files to what it may be: an environment takes five or six, and the usual limit of
/// an ordinary user is 1,024, or 256 on macOS.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    // A system that refuses leaves the limit as it was, which is enough for fewer environments.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// The functions of one API with their environments. Clones share them; the last one dropped kills the processes.
#[derive(Clone)]
pub struct Functions {
    pools: Arc<HashMap<String, Arc<Pool>>>,
}

impl Functions {
    /// Registers `functions`; no process starts before the first invocation. `log` gets every line they write.
    pub fn new(functions: Vec<Function>, log: LogSink) -> Self {
        allow_many_files();
        let pools =
            functions.into_iter().map(|function| (function.name.clone(), Pool::new(function, log.clone())));
        Self { pools: Arc::new(pools.collect()) }
    }

    /// Runs one synchronous invocation and returns the function's payload as it was posted.
    ///
    /// Waits at most `wait` for a free environment, then at most 10 s for its start and the function's time-out for
    /// the run. A dropped future stops the waiting, never an invocation that has an environment: it runs to its end.
    pub async fn invoke(
        &self,
        name: &str,
        event: Bytes,
        trace_id: &str,
        wait: Duration,
    ) -> Result<Bytes, InvokeError> {
        let pool =
            self.pools.get(name).ok_or_else(|| InvokeError::UnknownFunction { name: name.to_owned() })?;
        if event.len() > EVENT_LIMIT_BYTES {
            return Err(InvokeError::EventTooLarge { bytes: event.len() });
        }
        pool.invoke(event, trace_id, wait).await
    }

    /// The environments of a function that have a process now, oldest first; none for an unknown function.
    pub fn environments(&self, name: &str) -> Vec<Environment> {
        self.pools.get(name).map(|pool| pool.environments()).unwrap_or_default()
    }

    /// Looks whether programs have been replaced on disk, as a build does, and returns the names of those functions, in
    /// alphabetical order: from now on their invocations run the new program.
    pub async fn reload(&self) -> Vec<String> {
        let mut reloaded = Vec::new();
        for (name, pool) in self.pools.iter() {
            if pool.reload().await {
                reloaded.push(name.clone());
            }
        }
        reloaded.sort();
        reloaded
    }

    /// Kills every process and returns when they are gone (or after 5 s, should the system not let go of one). Running
    /// and later invocations fail with [`InvokeError::ShutDown`].
    pub async fn shutdown(&self) {
        let closing = self.pools.values().cloned().map(|pool| async move { pool.close().await });
        let mut ending: JoinSet<()> = closing.collect();
        let _ = timeout(SHUTDOWN_LIMIT, async { while ending.join_next().await.is_some() {} }).await;
    }
}
