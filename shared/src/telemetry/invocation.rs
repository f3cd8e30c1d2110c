//! The running invocation: the keys of its log lines, its current step, and how long it has waited.

use std::{
    fmt,
    future::Future,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use lambda_runtime::Context;
use tokio::time::Instant;

use super::{
    Settings, json,
    steps::{Described, Step, Verb},
    trace::{Daemon, Trace},
};

tokio::task_local! {
    static CURRENT: Arc<Invocation>;
}

/// The latest invocation, for work outside of its task: opening a connection, or a panic in another task.
static LATEST: Mutex<Option<Arc<Invocation>>> = Mutex::new(None);

/// The keys of an invocation that come from its event.
#[derive(Debug, Clone, Copy)]
pub struct EventKeys<'a> {
    /// The client's correlation id, or else API Gateway's request id.
    pub correlation_id: &'a str,
    /// The path template of the route.
    pub route: &'a str,
    /// The HTTP method.
    pub method: &'a str,
    /// The path, without text that a client may have written into it.
    pub path: &'a str,
    /// The caller's identity.
    pub caller: Option<&'a str>,
}

/// A running invocation.
#[derive(Debug)]
pub struct Invocation {
    operation: &'static str,
    /// The members of the JSON object of every log line, each with a leading comma.
    keys: Vec<u8>,
    is_sampled: bool,
    trace: Option<Trace>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    current_step: Option<Step>,
    statements: u16,
    measures: Measures,
}

/// How long an invocation has waited, by resource.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measures {
    /// For the database, including connections.
    pub database: Duration,
    /// For the cache.
    pub cache: Duration,
    /// For a change, because the client asked for that: no part of the latency.
    pub change: Duration,
}

impl Invocation {
    /// Begins the invocation of `context`; `named` is `None` if its event cannot be parsed.
    pub fn begin(
        settings: &Settings,
        operation: &'static str,
        context: &Context,
        named: Option<EventKeys<'_>>,
        is_cold: bool,
        daemon: Option<&'static Daemon>,
    ) -> Arc<Self> {
        let header = context.xray_trace_id.as_deref().unwrap_or_default();
        let mut keys = Vec::with_capacity(640);
        json::member(&mut keys, "cold_start", is_cold);
        json::member(&mut keys, "function_arn", &context.invoked_function_arn);
        json::member(&mut keys, "function_request_id", &context.request_id);
        if let Some(named) = named {
            json::member(&mut keys, "correlation_id", named.correlation_id);
            json::member(&mut keys, "route", named.route);
            json::member(&mut keys, "method", named.method);
            json::member(&mut keys, "path", named.path);
            if let Some(caller) = named.caller {
                json::member(&mut keys, "caller", caller);
            }
        }
        if let Some(root) = Trace::root(header) {
            json::member(&mut keys, "xray_trace_id", root);
        }
        let invocation = Arc::new(Self {
            operation,
            keys,
            is_sampled: is_sampled(settings, &context.request_id),
            trace: daemon.and_then(|daemon| Trace::of(header, daemon)),
            state: Mutex::default(),
        });
        *latest() = Some(Arc::clone(&invocation));
        invocation
    }

    /// Runs `work` as a part of this invocation.
    pub async fn run<T>(self: Arc<Self>, work: impl Future<Output = T>) -> T {
        CURRENT.scope(self, work).await
    }

    /// The step that the invocation is waiting for, if any.
    pub fn current_step(&self) -> Option<impl fmt::Display + use<>> {
        self.state().current_step.map(|step| Described(self.operation, step))
    }

    /// How long the invocation has waited so far.
    pub fn measures(&self) -> Measures {
        self.state().measures
    }

    /// Sends its subsegments to X-Ray. Later log lines belong to no invocation, unless this one has failed:
    /// then the runtime may still log something about it.
    pub fn end(&self, has_failed: bool) {
        if let Some(trace) = &self.trace {
            trace.send();
        }
        if has_failed {
            return;
        }
        latest().take_if(|latest| std::ptr::eq(&raw const **latest, self));
    }

    pub(super) fn operation(&self) -> &'static str {
        self.operation
    }

    pub(super) fn keys(&self) -> &[u8] {
        &self.keys
    }

    /// Whether its DEBUG lines are written regardless of the level.
    pub(super) fn is_sampled(&self) -> bool {
        self.is_sampled
    }

    /// The invocation of this task, or else the latest one.
    pub(super) fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(Arc::clone).ok().or_else(|| latest().clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn latest() -> MutexGuard<'static, Option<Arc<Invocation>>> {
    LATEST.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lambda's request ids are random, so their hash is a random but reproducible decision.
fn is_sampled(settings: &Settings, request_id: &str) -> bool {
    settings.sample_rate.as_ref().is_some_and(|rate| {
        let die = BuildHasherDefault::<DefaultHasher>::default().hash_one(request_id);
        // The upper 32 bits fit into a float exactly, and suffice.
        f64::from((die >> 32) as u32) < rate.share * f64::from(u32::MAX) || rate.share >= 1.0
    })
}

/// The step of the next statement of the running invocation.
pub fn statement(verb: Verb) -> Step {
    let count = |current: &Arc<Invocation>| {
        let mut state = current.state();
        state.statements = state.statements.saturating_add(1);
        state.statements
    };
    Step::Statement { verb, number: CURRENT.try_with(count).unwrap_or_default() }
}

/// Starts a step of this task's invocation. Outside of an invocation, as during the initialisation of an
/// environment, nothing is measured.
pub fn step(step: Step) -> StepTimer {
    let invocation = CURRENT.try_with(Arc::clone).ok();
    let before = invocation.as_ref().and_then(|current| current.state().current_step.replace(step));
    StepTimer { invocation, step, before, started: Instant::now(), has_failed: true }
}

/// A step in progress, which ends when this is dropped. Without a call of `end` it counts as failed, because
/// it was abandoned.
#[derive(Debug)]
pub struct StepTimer {
    invocation: Option<Arc<Invocation>>,
    step: Step,
    before: Option<Step>,
    started: Instant,
    has_failed: bool,
}

impl StepTimer {
    /// Ends the step with its result.
    pub fn end<T, E>(mut self, result: Result<T, E>) -> Result<T, E> {
        self.has_failed = result.is_err();
        result
    }
}

impl Drop for StepTimer {
    fn drop(&mut self) {
        let Some(invocation) = &self.invocation else { return };
        let duration = self.started.elapsed();
        let mut state = invocation.state();
        state.current_step = self.before;
        match self.step {
            Step::Connection | Step::Statement { .. } => state.measures.database += duration,
            Step::Cache(_) => state.measures.cache += duration,
            Step::Change => state.measures.change += duration,
            // Included in the wait for a connection.
            Step::Connect | Step::Secret => {}
        }
        drop(state);
        if let Some(trace) = &invocation.trace {
            trace.record(invocation.operation, self.step, duration, self.has_failed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::settings::SampleRate;

    fn begin(request_id: &str, share: f64) -> Arc<Invocation> {
        let settings = Settings {
            sample_rate: Some(SampleRate { share, text: share.to_string() }),
            ..Settings::default()
        };
        let mut context = Context::default();
        context.request_id = request_id.to_owned();
        Invocation::begin(&settings, "get-product", &context, None, false, None)
    }

    #[test]
    fn a_share_of_the_requests_is_sampled() {
        for (share, range) in [(0.0, 0..=0), (0.25, 200..=300), (1.0, 1_000..=1_000)] {
            let sampled = (0..1_000).filter(|id| begin(&id.to_string(), share).is_sampled).count();
            assert!(range.contains(&sampled), "{share}: {sampled}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn steps_are_named_and_measured() {
        let invocation = begin("r", 0.0);
        let current_step = || invocation.current_step().map(|step| step.to_string()).unwrap_or_default();
        Arc::clone(&invocation)
            .run(async {
                let connection = step(Step::Connection);
                let connect = step(Step::Connect);
                assert_eq!(current_step(), "connecting to the database");
                tokio::time::advance(Duration::from_millis(2)).await;
                let _: Result<(), ()> = connect.end(Ok(()));
                assert_eq!(current_step(), "waiting for a database connection");
                drop(connection);
                let (first, second) = (statement(Verb::Read), statement(Verb::Write));
                let running = step(first);
                assert_eq!(current_step(), "get-product read");
                tokio::time::advance(Duration::from_millis(3)).await;
                drop(running);
                let cache = step(Step::Cache("GET"));
                tokio::time::advance(Duration::from_millis(5)).await;
                drop(cache);
                let running = step(second);
                assert_eq!(current_step(), "get-product write 2");
                drop(running);
                let waiting = step(Step::Change);
                assert_eq!(current_step(), "waiting for a change");
                tokio::time::advance(Duration::from_millis(7)).await;
                drop(waiting);
            })
            .await;
        assert_eq!(current_step(), "");
        let [database, cache, change] = [5, 5, 7].map(Duration::from_millis);
        assert_eq!(invocation.measures(), Measures { database, cache, change });
    }
}
