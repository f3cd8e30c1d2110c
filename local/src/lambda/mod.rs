//! What AWS Lambda does around a function: execution environments with one invocation at a time in each, the Runtime
//! API, timeouts, crash reports. Every environment is a real process. HTTP requests are the business of `gateway`.

mod delivery;
mod environment;
mod error;
mod function;
mod invocation;
mod logs;
mod pool;
mod responses;
mod runtime_api;
mod variables;

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

/// How long `shutdown` waits for the killed processes to end.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

/// Raises this process's soft limit on open files to the hard limit: an environment needs five or six, and the usual
/// limit of an ordinary user is 1,024, or 256 on macOS.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    // If the system refuses, the old limit still allows fewer environments.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// The functions of one API with their environments. Clones share them; dropping the last clone kills the processes.
#[derive(Clone)]
pub struct Functions {
    pools: Arc<HashMap<String, Arc<Pool>>>,
}

impl Functions {
    /// Registers `functions`; no process starts before the first invocation. `log` receives every line they write.
    pub fn new(functions: Vec<Function>, log: LogSink) -> Self {
        allow_many_files();
        let pools =
            functions.into_iter().map(|function| (function.name.clone(), Pool::new(function, log.clone())));
        Self { pools: Arc::new(pools.collect()) }
    }

    /// Runs one synchronous invocation and returns the function's payload as it was posted.
    ///
    /// Waits at most `wait` for a free environment, then at most 10 s for its start and the function's timeout for the
    /// run. Dropping the future only cancels the wait: an invocation that has an environment runs to its end.
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

    /// The running environments of a function, oldest first; empty for an unknown function.
    pub fn environments(&self, name: &str) -> Vec<Environment> {
        self.pools.get(name).map(|pool| pool.environments()).unwrap_or_default()
    }

    /// Checks whether programs have been replaced on disk, as a build does. From now on invocations of these functions
    /// run the new program. Returns their names in alphabetical order.
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

    /// Kills every process and returns when they are gone, or after 5 s. Running and later invocations fail with
    /// [`InvokeError::ShutDown`].
    pub async fn shutdown(&self) {
        let closing = self.pools.values().cloned().map(|pool| async move { pool.close().await });
        let mut ending: JoinSet<()> = closing.collect();
        let _ = timeout(SHUTDOWN_LIMIT, async { while ending.join_next().await.is_some() {} }).await;
    }
}
