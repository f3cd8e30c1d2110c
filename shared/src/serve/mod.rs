//! The entry point of every binary: receives events, enforces the deadline, catches panics, logs, counts and
//! responds.

pub(crate) mod event;
mod path;
mod refused;
mod response;
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
    app::{Config, ConfigFaults, Environment},
    environment::AWS_LAMBDA_RUNTIME_API,
    http::{AllowedOrigins, Caller, Problem, Request, Response},
    operation::{Operation, Role, Route},
    telemetry::{
        self, Daemon, EventKeys, Invocation, Settings,
        metrics::{Measured, Metrics},
    },
};
use event::Event;
use refused::RefusedEvent;
use response::LambdaResponse;
use runtime_api::RuntimeApi;

/// API Gateway times out after 29 s, so a later response would not reach the client.
const GATEWAY_TIMEOUT: Duration = Duration::from_secs(28);

/// Time reserved before the deadline to send the response.
const RESPONSE_TIME: Duration = Duration::from_millis(250);

/// `Retry-After` in seconds for a request that took too long.
const RETRY_AFTER_SECONDS: u32 = 5;

/// Serves `operation` as a Lambda function until the environment ends.
///
/// Returns only if the function cannot run or continue: the configuration is invalid (every error is logged),
/// or the Runtime API is gone.
pub fn serve(operation: &'static Operation) -> ExitCode {
    start(Served::One(operation))
}

/// Serves all `operations` as one Lambda function, which is called `name` in logs outside of requests. Each
/// event is dispatched by its route's path template.
///
/// Read-only operations have no write access here either: the environment has one connection per role, opened
/// on first use. The variables of the writer may have the prefix `WRITER_`.
///
/// Returns only in the cases of [`serve`].
pub fn serve_all(name: &'static str, operations: &'static [&'static Operation]) -> ExitCode {
    start(Served::Each { name, operations })
}

/// The operations of a function.
#[derive(Clone, Copy)]
enum Served {
    /// One operation, to which the gateway has routed every event.
    One(&'static Operation),
    /// Several operations, chosen by the event's route.
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

    /// The configuration, and the writer's if it differs.
    fn configuration(self) -> Result<(Config, Option<Config>), ConfigFaults> {
        match self {
            Self::One(operation) => Ok((Config::from_env(operation.role)?, None)),
            Self::Each { .. } => Config::both_from_env().map(|(reader, writer)| (reader, Some(writer))),
        }
    }
}

fn start(served: Served) -> ExitCode {
    if AWS_LAMBDA_RUNTIME_API.read().is_none() {
        eprintln!(
            "{} is a Lambda function: run it with `cargo xtask dev` or `cargo lambda watch`",
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
            tracing::error!(%error, "the function cannot run");
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
    let environment = Environment::new(config)?;
    let function = Function {
        served,
        allowed_origins,
        writer: writer.map(|config| environment.with_connections(config)).transpose()?,
        environment,
        metrics: Metrics::new(&settings, served.name())?,
        daemon: settings.xray_daemon.as_deref().and_then(daemon),
        settings,
        is_cold: AtomicBool::new(true),
    };
    // With one request at a time, a second thread would have nothing to do.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Spawned as a task, because waking the future of `block_on` itself takes a system call each time.
    runtime.block_on(async { tokio::spawn(serve_events(function)).await? })
}

/// Responds to one event after the other. Returns only when there are no more.
async fn serve_events(function: Function) -> Result<(), lambda_runtime::Error> {
    let function = Arc::new(function);
    let mut runtime_api = RuntimeApi::from_env()?;
    runtime_api.restored().await?;
    if !matches!(function.served, Served::One(Operation { role: Role::None, .. })) {
        if let Some(cache) = function.environment.cache() {
            cache.warm_up();
        }
        let function = Arc::clone(&function);
        tokio::spawn(async move { function.environment.connections().warm_up().await });
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

/// The error of an invocation whose response was lost in a panic outside of the handler. A panic in a handler
/// becomes a 500.
fn panicked(message: &str) -> Diagnostic {
    Diagnostic { error_type: "Panic".to_owned(), error_message: format!("panicked: {message}") }
}

/// The X-Ray daemon at `address`, which lives as long as the process. The function works without it.
fn daemon(address: &str) -> Option<&'static Daemon> {
    match Daemon::new(address) {
        Ok(daemon) => Some(Box::leak(Box::new(daemon))),
        Err(error) => {
            tracing::warn!(%error, "AWS_XRAY_DAEMON_ADDRESS is invalid, tracing is disabled");
            None
        }
    }
}

/// A function in its execution environment.
struct Function {
    served: Served,
    allowed_origins: AllowedOrigins,
    environment: Environment,
    /// The environment of operations that write, if the function also has others.
    writer: Option<Environment>,
    settings: Settings,
    metrics: Metrics,
    daemon: Option<&'static Daemon>,
    is_cold: AtomicBool,
}

/// The response to a request, and the cause that only goes to the log.
struct Outcome {
    response: Response,
    cause: Option<String>,
}

impl Function {
    /// Responds to one event. Fails only for an event that no operation can answer.
    async fn invoke(
        &self,
        event: &str,
        context: &Context,
        alarm: &mut Alarm,
    ) -> Result<LambdaResponse, RefusedEvent> {
        let started = Instant::now();
        let is_cold = self.is_cold.swap(false, Ordering::Relaxed);
        let event = self.routed(event, &context.request_id);
        let about = event.as_ref().ok().map(|(event, operation)| (&event.request, *operation));
        let invocation = self.begin(context, about, is_cold);
        let deadline = started + time_left(context);

        let answer = Arc::clone(&invocation).run(async {
            let (answer, status, cause) = match event {
                Ok((Event { request, format, .. }, operation)) => {
                    let Outcome { mut response, cause } =
                        self.outcome(operation, &request, &invocation, started, deadline, alarm).await;
                    finish(&mut response, &request);
                    self.allowed_origins.share(request.headers(), &mut response.headers);
                    let status = response.status;
                    (Ok(LambdaResponse::new(format, response)), status, cause)
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

    /// Parses the event and finds its operation.
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
        let named = about.zip(place.as_ref()).map(|((request, _), (route, path))| EventKeys {
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
        let environment = match &self.writer {
            Some(writer) if operation.role == Role::Writer => writer,
            _ => &self.environment,
        };
        let app = environment.until(deadline);
        let mut handled = pin!(guarded(async {
            request.check_syntax()?;
            (operation.handler)(&app, request).await
        }));
        let nearly = deadline - deadline.saturating_duration_since(started) / 10;
        let mut result = alarm.timeout_at(nearly, &mut handled).await;
        if result.is_err() {
            let remaining_ms = telemetry::milliseconds(deadline.saturating_duration_since(Instant::now()));
            let doing = current_step(invocation);
            tracing::warn!(remaining_ms, doing, "less than a tenth of the time is left");
            result = alarm.timeout_at(deadline, &mut handled).await;
        }
        let problem = match result {
            Ok(Ok(Ok(response))) => return Outcome { response, cause: None },
            Ok(Ok(Err(problem))) => problem,
            Ok(Err(panic)) => Problem::internal(format!("panicked: {panic}")),
            Err(_) => {
                let cause = format!("the operation took too long: {}", current_step(invocation));
                Problem::unavailable(RETRY_AFTER_SECONDS, cause)
            }
        };
        let cause = problem.log_message();
        let response = problem.into_response(request);
        Outcome { response, cause: Some(cause) }
    }

    /// Logs and counts a request.
    fn account(
        &self,
        invocation: &Invocation,
        started: Instant,
        status: StatusCode,
        cause: Option<&str>,
        is_cold: bool,
    ) {
        let (duration, measures) = (started.elapsed(), invocation.measures());
        let duration_ms = telemetry::milliseconds(duration);
        let latency_ms = telemetry::milliseconds(duration.saturating_sub(measures.change));
        let database_ms = telemetry::milliseconds(measures.database);
        let cache_ms = telemetry::milliseconds(measures.cache);
        let status = status.as_u16();
        let _one_write = telemetry::hold();
        if status < 500 {
            tracing::info!(status, duration_ms, database_ms, cache_ms, cause, "request");
        } else {
            tracing::error!(status, duration_ms, database_ms, cache_ms, cause, "request");
        }
        self.metrics.request(&Measured { status, latency_ms, is_cold });
    }
}

/// What an invocation is waiting for, as text.
fn current_step(invocation: &Invocation) -> String {
    invocation.current_step().map_or_else(|| "no measured step".to_owned(), |step| step.to_string())
}

/// Runs `work` and converts a panic into its message.
async fn guarded<T>(work: impl Future<Output = T>) -> Result<T, String> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|panic| panic_message(&*panic))
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

/// The time until the response to the invocation of `context` is due.
fn time_left(context: &Context) -> Duration {
    // A deadline in the past is ignored: `cargo lambda watch` sends a duration instead of a point in time.
    let until_deadline = context.deadline().duration_since(SystemTime::now()).unwrap_or(GATEWAY_TIMEOUT);
    until_deadline.min(GATEWAY_TIMEOUT).saturating_sub(RESPONSE_TIME)
}

/// Sets the headers that every response has, and removes the body of a response to HEAD.
fn finish(response: &mut Response, request: &Request) {
    let headers = &mut response.headers;
    if let Ok(id) = HeaderValue::from_str(request.correlation_id()) {
        headers.insert(HeaderName::from_static("x-correlation-id"), id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
    if request.method() == Method::HEAD {
        response.body = Cow::Borrowed("");
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
