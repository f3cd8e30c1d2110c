//! The one entry point of every binary: event in, deadline, panics, log line, metrics, answer out.

mod answer;
pub(crate) mod event;
mod path;
mod refused;
mod runtime_api;

use std::{
    any::Any,
    borrow::Cow,
    future::Future,
    panic::AssertUnwindSafe,
    pin::pin,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use ::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use futures_util::FutureExt;
use lambda_runtime::{Context, Diagnostic};
use tokio::time::Instant;

use crate::{
    alarm::Alarm,
    app::{Config, ConfigFaults, Platform},
    http::{AllowedOrigins, Caller, Problem, Reply, Request},
    operation::{Operation, Role, Route},
    telemetry::{
        self, Daemon, Invocation, Named, Settings,
        metrics::{Measured, Metrics},
    },
};
use answer::Answer;
use event::Event;
use refused::RefusedEvent;
use runtime_api::RuntimeApi;

/// API Gateway gives up after 29 s: an answer after this long would reach nobody.
const GATEWAY_TIMEOUT: Duration = Duration::from_secs(28);

/// Time kept back from the deadline to write the answer.
const ANSWER_TIME: Duration = Duration::from_millis(250);

/// Seconds after which a client should repeat a request that took too long.
const RETRY_AFTER_SECONDS: u32 = 5;

/// Serves `operation` as a Lambda function until the environment ends.
///
/// Returns only when it cannot go on: the configuration is not valid (every fault is logged), or the Runtime
/// API is gone.
pub fn serve(operation: &'static Operation) -> ExitCode {
    start(Served::One(operation))
}

/// Serves every one of `operations` as one Lambda function, which is `name` in what it says of itself outside of
/// requests. An event goes to the operation of its route: the gateway's, by its template.
///
/// What only reads has no right to write here either: the environment has a connection of each role, made when it is
/// needed. Of the variables, those of what writes may have a `WRITER_` before their names.
///
/// Returns only as [`serve`] does.
pub fn serve_all(name: &'static str, operations: &'static [&'static Operation]) -> ExitCode {
    start(Served::Each { name, operations })
}

/// What a function serves.
#[derive(Clone, Copy)]
enum Served {
    /// One operation, to which the gateway has routed every event.
    One(&'static Operation),
    /// Several.
    Each { name: &'static str, operations: &'static [&'static Operation] },
}

impl Served {
    fn name(self) -> &'static str {
        match self {
            Self::One(operation) => operation.name,
            Self::Each { name, .. } => name,
        }
    }

    fn operations(&self) -> &[&'static Operation] {
        match self {
            Self::One(operation) => std::slice::from_ref(operation),
            Self::Each { operations, .. } => operations,
        }
    }

    /// The operation that `event` is for.
    fn find(self, event: &Event) -> Option<&'static Operation> {
        let operations = match self {
            Self::One(operation) => return Some(operation),
            Self::Each { operations, .. } => operations,
        };
        let resource = event.resource.as_deref()?;
        let leads_here = |route: Route| route.path == resource && route.method == *event.request.method();
        operations.iter().copied().find(|operation| operation.all_routes().any(leads_here))
    }

    /// The configuration, and that of what writes where it is another one.
    fn configuration(self) -> Result<(Config, Option<Config>), ConfigFaults> {
        match self {
            Self::One(operation) => Ok((Config::from_env(operation.role)?, None)),
            Self::Each { .. } => Config::both_from_env().map(|(reader, writer)| (reader, Some(writer))),
        }
    }
}

fn start(served: Served) -> ExitCode {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        eprintln!(
            "{} is a Lambda function: `cargo xtask dev` or `cargo lambda watch` runs it",
            served.name()
        );
        return ExitCode::FAILURE;
    }
    let configs = served.configuration();
    let settings = configs.as_ref().map(|(config, _)| config.telemetry.clone()).unwrap_or_default();
    telemetry::init_all(&settings, served.name(), served.operations().iter().map(|operation| operation.name));
    match configs.map_err(Into::into).and_then(|configs| run(served, configs, settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "function cannot run");
            ExitCode::FAILURE
        }
    }
}

fn run(
    served: Served,
    (config, writer): (Config, Option<Config>),
    settings: Settings,
) -> Result<(), lambda_runtime::Error> {
    let allowed_origins = config.allowed_origins.clone();
    let platform = Platform::new(config)?;
    let function = Function {
        served,
        allowed_origins,
        writer: writer.map(|config| platform.beside(config)).transpose()?,
        platform,
        metrics: Metrics::new(&settings, served.name())?,
        daemon: settings.xray_daemon.as_deref().and_then(daemon),
        settings,
        is_cold: AtomicBool::new(true),
    };
    // One request at a time leaves nothing for a second thread to do.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // As a task, since what `block_on` itself waits for is woken by a system call each time.
    runtime.block_on(async { tokio::spawn(serve_events(function)).await? })
}

/// Answers one event after the other. Returns only when there are no more.
async fn serve_events(function: Function) -> Result<(), lambda_runtime::Error> {
    let function = Arc::new(function);
    let mut runtime_api = RuntimeApi::from_env()?;
    runtime_api.restored().await?;
    if !matches!(function.served, Served::One(Operation { role: Role::None, .. })) {
        if let Some(cache) = function.platform.cache() {
            cache.warm_up();
        }
        let function = Arc::clone(&function);
        tokio::spawn(async move { function.platform.connections().warm_up().await });
    }
    let (mut invocation, mut alarm) = (runtime_api::Invocation::new(), Alarm::new());
    loop {
        runtime_api.next(&mut invocation).await?;
        let answer = match invocation.event() {
            Ok(event) => guarded(function.invoke(event, invocation.context(), &mut alarm)).await,
            Err(_) => Ok(Err(RefusedEvent::from(event::ForeignEvent))),
        };
        match answer {
            Ok(Ok(answer)) => runtime_api.answer(&invocation, &answer).await?,
            Ok(Err(refused)) => runtime_api.fail(&invocation, &refused.into()).await?,
            Err(panic) => runtime_api.fail(&invocation, &panicked(&panic)).await?,
        }
    }
}

/// What an invocation fails with whose answer was lost in a panic. Operations have one of their own to answer with.
fn panicked(message: &str) -> Diagnostic {
    Diagnostic { error_type: "Panic".to_owned(), error_message: format!("panicked: {message}") }
}

/// The X-Ray daemon at `address`, for as long as the process lives. Without it the function does as well.
fn daemon(address: &str) -> Option<&'static Daemon> {
    match Daemon::new(address) {
        Ok(daemon) => Some(Box::leak(Box::new(daemon))),
        Err(error) => {
            tracing::warn!(%error, "AWS_XRAY_DAEMON_ADDRESS is of no use, nothing is traced");
            None
        }
    }
}

/// What is served, in its execution environment.
struct Function {
    served: Served,
    allowed_origins: AllowedOrigins,
    platform: Platform,
    /// The platform of operations that write, where there are others beside them.
    writer: Option<Platform>,
    settings: Settings,
    metrics: Metrics,
    daemon: Option<&'static Daemon>,
    is_cold: AtomicBool,
}

/// What a request came to: the reply, and what only the log is told.
struct Outcome {
    reply: Reply,
    cause: Option<String>,
}

impl Function {
    /// Answers one event. Fails only for an event that is none of API Gateway's.
    async fn invoke(
        &self,
        event: &str,
        context: &Context,
        alarm: &mut Alarm,
    ) -> Result<Answer, RefusedEvent> {
        let started = Instant::now();
        let is_cold = self.is_cold.swap(false, Ordering::Relaxed);
        let event = self.routed(event, &context.request_id);
        let about = event.as_ref().ok().map(|(event, operation)| (&event.request, *operation));
        let invocation = self.begin(context, about, is_cold);
        let deadline = started + time_left(context);

        let answer = Arc::clone(&invocation).run(async {
            let (answer, status, cause) = match event {
                Ok((Event { request, version, .. }, operation)) => {
                    let Outcome { mut reply, cause } =
                        self.outcome(operation, &request, &invocation, started, deadline, alarm).await;
                    finish(&mut reply, &request);
                    self.allowed_origins.share(request.headers(), &mut reply.headers);
                    let status = reply.status;
                    (Ok(Answer::new(version, reply)), status, cause)
                }
                Err(error) => {
                    let cause = error.to_string();
                    (Err(error), StatusCode::INTERNAL_SERVER_ERROR, Some(cause))
                }
            };
            self.account(&invocation, started, status, cause.as_deref(), is_cold);
            answer
        });
        let answer = answer.await;
        invocation.end(answer.is_err());
        answer
    }

    /// The event of `json`, and the operation that it is for.
    fn routed(
        &self,
        json: &str,
        function_request_id: &str,
    ) -> Result<(Event, &'static Operation), RefusedEvent> {
        let event = Event::parse(json, function_request_id)?;
        match self.served.find(&event) {
            Some(operation) => Ok((event, operation)),
            None => {
                let resource = event.resource.as_deref().unwrap_or("no route");
                Err(RefusedEvent::NoRoute { route: format!("{} {resource}", event.request.method()) })
            }
        }
    }

    fn begin(
        &self,
        context: &Context,
        about: Option<(&Request, &'static Operation)>,
        is_cold: bool,
    ) -> Arc<Invocation> {
        let Self { settings, served, daemon, .. } = self;
        let place =
            about.map(|(request, operation)| path::of(operation.routes, &request.gateway().public_path));
        let name = about.map_or(served.name(), |(_, operation)| operation.name);
        let named = about.zip(place.as_ref()).map(|((request, _), (route, path))| Named {
            correlation_id: request.correlation_id(),
            route,
            method: request.method().as_str(),
            path,
            caller: request.gateway().caller.as_ref().map(Caller::identity),
        });
        Invocation::begin(settings, name, context, named, is_cold, *daemon)
    }

    async fn outcome(
        &self,
        operation: &'static Operation,
        request: &Request,
        invocation: &Invocation,
        started: Instant,
        deadline: Instant,
        alarm: &mut Alarm,
    ) -> Outcome {
        let platform = match &self.writer {
            Some(writer) if operation.role == Role::Writer => writer,
            _ => &self.platform,
        };
        let app = platform.until(deadline);
        let mut handled = pin!(guarded(async {
            request.check_syntax()?;
            (operation.handler)(&app, request).await
        }));
        let nearly = deadline - deadline.saturating_duration_since(started) / 10;
        let mut result = alarm.watch(nearly, &mut handled).await;
        if result.is_err() {
            let remaining_ms = telemetry::milliseconds(deadline.saturating_duration_since(Instant::now()));
            let doing = doing(invocation);
            tracing::warn!(remaining_ms, doing, "less than a tenth of the time is left");
            result = alarm.watch(deadline, &mut handled).await;
        }
        let problem = match result {
            Ok(Ok(Ok(reply))) => return Outcome { reply, cause: None },
            Ok(Ok(Err(problem))) => problem,
            Ok(Err(panic)) => Problem::internal(format!("panicked: {panic}")),
            Err(_) => {
                let cause = format!("the operation took too long: {}", doing(invocation));
                Problem::unavailable(RETRY_AFTER_SECONDS, cause)
            }
        };
        let cause = problem.log_message();
        let reply = problem.into_reply(request);
        Outcome { reply, cause: Some(cause) }
    }

    /// Logs and counts one request.
    fn account(
        &self,
        invocation: &Invocation,
        started: Instant,
        status: StatusCode,
        cause: Option<&str>,
        is_cold: bool,
    ) {
        let duration_ms = telemetry::milliseconds(started.elapsed());
        let measures = invocation.measures();
        let database_ms = telemetry::milliseconds(measures.database);
        let cache_ms = telemetry::milliseconds(measures.cache);
        let status = status.as_u16();
        let _one_write = telemetry::hold();
        if status < 500 {
            tracing::info!(status, duration_ms, database_ms, cache_ms, cause, "request");
        } else {
            tracing::error!(status, duration_ms, database_ms, cache_ms, cause, "request");
        }
        self.metrics.request(&Measured { status, latency_ms: duration_ms, is_cold });
    }
}

/// What an invocation is waiting for, in words.
fn doing(invocation: &Invocation) -> String {
    invocation.doing().map_or_else(|| "nothing that it waits for".to_owned(), |step| step.to_string())
}

/// Runs `work` and turns a panic into its message.
async fn guarded<T>(work: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| panic_message(&*panic))
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

/// Time that is left to answer the invocation of `context`.
fn time_left(context: &Context) -> Duration {
    // A deadline in the past is none: `cargo lambda watch` sends an interval instead of a point in time.
    let until_deadline = context.deadline().duration_since(SystemTime::now()).unwrap_or(GATEWAY_TIMEOUT);
    until_deadline.min(GATEWAY_TIMEOUT).saturating_sub(ANSWER_TIME)
}

/// Adds what every reply has.
fn finish(reply: &mut Reply, request: &Request) {
    let headers = &mut reply.headers;
    if let Ok(id) = HeaderValue::from_str(request.correlation_id()) {
        headers.insert(HeaderName::from_static("x-correlation-id"), id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
    if request.method() == Method::HEAD {
        reply.body = Cow::Borrowed("");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_a_panic_into_its_message() {
        assert_eq!(guarded(async { 1 }).await, Ok(1));
        assert_eq!(guarded(async { panic!("kiln {}", 7) }).await, Err::<(), _>("kiln 7".to_owned()));
    }
}
