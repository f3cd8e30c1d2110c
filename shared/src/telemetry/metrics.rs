//! Metrics in CloudWatch's embedded format (EMF): one line per invocation, from which CloudWatch makes metrics. Their
//! dimensions are the service and the operation, nothing else: each further value would be a metric of its own.

use std::io;

use jiff::Timestamp;
use metrics::{Counter, Histogram, Unit};
use metrics_cloudwatch_embedded::{Builder, Collector};
use tracing_subscriber::filter::LevelFilter;

use super::{Settings, log, output};

/// Requests, whatever became of them. As every name here: a counter unless it says otherwise.
pub const REQUEST_COUNT: &str = "RequestCount";
/// Answers 2xx and 3xx.
pub const SUCCESS: &str = "Success";
/// Answers 4xx.
pub const CLIENT_ERROR: &str = "ClientError";
/// Answers 5xx, panics and time-outs among them, and events that nobody can read.
pub const FAILURE: &str = "Failure";
/// Time from event to answer, in milliseconds: a histogram.
pub const LATENCY: &str = "Latency";
/// First requests of an environment.
pub const COLD_START: &str = "ColdStart";
/// Statements that were sent again.
pub const DB_RETRY: &str = "DbRetry";
/// Reads that the cache answered.
pub const CACHE_HIT: &str = "CacheHit";
/// Reads that the cache could not answer.
pub const CACHE_MISS: &str = "CacheMiss";
/// Commands that the cache did not answer as it should.
pub const CACHE_ERROR: &str = "CacheError";
/// Answers from the cache because the database was away.
pub const STALE_SERVED: &str = "StaleServed";

/// Counts one of what `name` says, which is a constant of this module.
pub fn count(name: &'static str) {
    metrics::counter!(name).increment(1);
}

/// The metrics of an execution environment.
pub struct Metrics {
    collector: &'static Collector,
    /// The level that Lambda's own filter lets through, where that is above INFO.
    level: Option<&'static str>,
    requests: Counter,
    successes: Counter,
    client_errors: Counter,
    failures: Counter,
    cold_starts: Counter,
    latency: Histogram,
}

/// What the metrics say of a request.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// The status of its answer; 500 where there is none.
    pub status: u16,
    /// From event to answer.
    pub latency_ms: f64,
    /// Whether it was the first of its environment.
    pub is_cold: bool,
}

impl Metrics {
    /// Starts to collect metrics of `operation`, once in a process.
    ///
    /// # Errors
    /// When metrics are being collected already.
    pub fn new(
        settings: &Settings,
        operation: &'static str,
    ) -> Result<Self, metrics_cloudwatch_embedded::Error> {
        let collector = Builder::new()
            .cloudwatch_namespace(settings.metrics_namespace.clone())
            .with_dimension("service", settings.service.clone())
            .with_dimension("operation", operation)
            .init()?;
        let counters = [
            REQUEST_COUNT,
            SUCCESS,
            CLIENT_ERROR,
            FAILURE,
            COLD_START,
            DB_RETRY,
            CACHE_HIT,
            CACHE_MISS,
            CACHE_ERROR,
            STALE_SERVED,
        ];
        for name in counters {
            metrics::describe_counter!(name, Unit::Count, "");
        }
        metrics::describe_histogram!(LATENCY, Unit::Milliseconds, "");
        Ok(Self {
            collector,
            level: (settings.level < LevelFilter::INFO).then(|| log::lambda_level(settings.level)),
            requests: metrics::counter!(REQUEST_COUNT),
            successes: metrics::counter!(SUCCESS),
            client_errors: metrics::counter!(CLIENT_ERROR),
            failures: metrics::counter!(FAILURE),
            cold_starts: metrics::counter!(COLD_START),
            latency: metrics::histogram!(LATENCY),
        })
    }

    /// Counts a request, and writes all that was counted since the last one: the environment may be frozen the moment
    /// it has answered.
    pub fn request(&self, request: &Measured) {
        self.requests.increment(1);
        match request.status {
            200..400 => self.successes.increment(1),
            400..500 => self.client_errors.increment(1),
            _ => self.failures.increment(1),
        }
        self.latency.record(request.latency_ms);
        if request.is_cold {
            self.cold_starts.increment(1);
        }
        if let Err(error) = self.flush() {
            tracing::warn!(%error, "metrics were not written");
        }
    }

    fn flush(&self) -> io::Result<()> {
        if let Some(level) = self.level {
            // Lambda takes lines without a level, or without a time, for INFO, and drops them with the rest of that.
            self.collector.set_property("level", level);
            self.collector.set_property("timestamp", format!("{:.3}", Timestamp::now()));
        }
        let mut line = Vec::with_capacity(768);
        self.collector.flush(&mut line)?;
        output::write(&line);
        Ok(())
    }
}
