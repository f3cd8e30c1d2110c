//! The one entry point of every binary: event in, deadline, panics, log line, metrics, answer out.

mod answer;
mod event;
mod telemetry;

use std::{
    any::Any,
    future::Future,
    panic::AssertUnwindSafe,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use ::http::{HeaderName, HeaderValue, Method, header};
use futures_util::FutureExt;
use lambda_runtime::{Context, LambdaEvent, service_fn};
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};

use crate::{
    app::{Config, Platform},
    http::{AllowedOrigins, Problem, Reply, Request},
    operation::{Operation, Role},
};
use answer::Answer;
use event::Event;
use telemetry::Telemetry;

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
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        eprintln!(
            "{} is a Lambda function: `cargo xtask dev` or `cargo lambda watch` runs it",
            operation.name
        );
        return ExitCode::FAILURE;
    }
    telemetry::log_to_stdout();
    match run(operation) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(operation = operation.name, %error, "function cannot run");
            ExitCode::FAILURE
        }
    }
}

fn run(operation: &'static Operation) -> Result<(), lambda_runtime::Error> {
    let config = Config::from_env(operation.role)?;
    let telemetry = Telemetry::new(operation, &config)?;
    let function = Arc::new(Function {
        operation,
        allowed_origins: config.allowed_origins.clone(),
        platform: Platform::new(config)?,
        telemetry,
        is_cold: AtomicBool::new(true),
    });
    // One request at a time leaves nothing for a second thread to do.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        if operation.role != Role::None {
            let function = Arc::clone(&function);
            if let Some(cache) = function.platform.cache() {
                cache.warm_up();
            }
            tokio::spawn(async move { function.platform.connections().warm_up().await });
        }
        lambda_runtime::run(service_fn(move |event: LambdaEvent<Box<RawValue>>| {
            let function = Arc::clone(&function);
            async move { function.invoke(event).await }
        }))
        .await
    })
}

/// An operation in its execution environment.
struct Function {
    operation: &'static Operation,
    allowed_origins: AllowedOrigins,
    platform: Platform,
    telemetry: Telemetry,
    is_cold: AtomicBool,
}

/// What a request came to: the reply, and what only the log is told.
struct Outcome {
    reply: Reply,
    cause: Option<String>,
}

impl Function {
    /// Answers one event. Fails only for an event that is none of API Gateway's.
    async fn invoke(&self, event: LambdaEvent<Box<RawValue>>) -> Result<Answer, lambda_runtime::Error> {
        let started = Instant::now();
        let is_cold = self.is_cold.swap(false, Ordering::Relaxed);
        let Event { request, version } = Event::parse(event.payload.get(), &event.context.request_id)?;
        let deadline = started + time_left(&event.context);

        let Outcome { mut reply, cause } = self.outcome(&request, deadline).await;
        finish(&mut reply, &request);
        self.allowed_origins.share(request.headers(), &mut reply.headers);
        self.telemetry.request(&telemetry::Access {
            request: &request,
            function_request_id: &event.context.request_id,
            status: reply.status,
            cause: cause.as_deref(),
            is_cold,
            duration: started.elapsed(),
        });
        Ok(Answer::new(version, reply))
    }

    async fn outcome(&self, request: &Request, deadline: Instant) -> Outcome {
        let app = self.platform.until(deadline);
        let handled = guarded(async { (self.operation.handler)(&app, request).await });
        let problem = match timeout_at(deadline, handled).await {
            Ok(Ok(Ok(reply))) => return Outcome { reply, cause: None },
            Ok(Ok(Err(problem))) => problem,
            Ok(Err(panic)) => Problem::internal(format!("panicked: {panic}")),
            Err(_) => Problem::unavailable(RETRY_AFTER_SECONDS, "the operation took too long"),
        };
        let cause = problem.log_message();
        let reply = problem.into_reply(&request.public_path(), &request.gateway().request_id);
        Outcome { reply, cause: Some(cause) }
    }
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
        reply.body.clear();
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
