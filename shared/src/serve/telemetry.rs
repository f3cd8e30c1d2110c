//! One log line and one set of metrics per request.

use std::{backtrace::Backtrace, io, panic, time::Duration};

use ::http::StatusCode;
use metrics_cloudwatch_embedded::Collector;
use tracing::Level;
use tracing_subscriber::filter::LevelFilter;

use crate::{app::Config, http::Request, operation::Operation};

/// Writes JSON log lines to standard output, which Lambda sends to CloudWatch. The level is Lambda's own switch.
pub(super) fn log_to_stdout() {
    let level =
        std::env::var("AWS_LAMBDA_LOG_LEVEL").ok().and_then(|level| level.parse::<LevelFilter>().ok());
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_max_level(level.unwrap_or(LevelFilter::INFO))
        .with_target(false)
        .init();
    panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(location, backtrace = %Backtrace::force_capture(), "panicked: {message}");
    }));
}

/// The metrics of an execution environment.
pub(super) struct Telemetry {
    operation: &'static Operation,
    collector: &'static Collector,
}

/// What the access line and the metrics say of a request.
pub(super) struct Access<'a> {
    pub(super) request: &'a Request,
    pub(super) function_request_id: &'a str,
    pub(super) status: StatusCode,
    /// Why the request failed, in words that the client is not told.
    pub(super) cause: Option<&'a str>,
    pub(super) is_cold: bool,
    pub(super) duration: Duration,
}

impl Telemetry {
    /// Starts to collect metrics for `operation`.
    pub(super) fn new(
        operation: &'static Operation,
        config: &Config,
    ) -> Result<Self, metrics_cloudwatch_embedded::Error> {
        let collector = metrics_cloudwatch_embedded::Builder::new()
            .cloudwatch_namespace(config.metrics_namespace.clone())
            .with_dimension("service", config.service.clone())
            .with_dimension("operation", operation.name)
            .init()?;
        metrics::describe_counter!("RequestCount", metrics::Unit::Count, "Requests");
        metrics::describe_counter!("ColdStart", metrics::Unit::Count, "First requests of an environment");
        metrics::describe_histogram!("Latency", metrics::Unit::Milliseconds, "Time from event to answer");
        Ok(Self { operation, collector })
    }

    /// Logs and counts one request, and flushes: the environment may be frozen the moment it has answered.
    pub(super) fn request(&self, access: &Access<'_>) {
        let latency_ms = (access.duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0;
        self.log(access, latency_ms);
        metrics::counter!("RequestCount").increment(1);
        metrics::histogram!("Latency").record(latency_ms);
        if access.is_cold {
            metrics::counter!("ColdStart").increment(1);
        }
        if let Err(error) = self.collector.flush(io::stdout().lock()) {
            tracing::warn!(%error, "metrics were not written");
        }
    }

    fn log(&self, access: &Access<'_>, duration_ms: f64) {
        let request = access.request;
        macro_rules! access_line {
            ($level:expr) => {
                tracing::event!(
                    $level,
                    operation = self.operation.name,
                    method = %request.method(),
                    path = request.gateway().public_path,
                    status = access.status.as_u16(),
                    duration_ms,
                    cold_start = access.is_cold,
                    function_request_id = access.function_request_id,
                    correlation_id = request.correlation_id(),
                    caller = request.gateway().caller,
                    cause = access.cause,
                    "request"
                )
            };
        }
        if access.status.is_server_error() { access_line!(Level::ERROR) } else { access_line!(Level::INFO) }
    }
}
