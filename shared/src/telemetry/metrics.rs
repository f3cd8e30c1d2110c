//! Metrics in CloudWatch's embedded format (EMF): one line per invocation. The dimensions are only service
//! and operation, because each further value would create another metric.

use std::io;

use jiff::Timestamp;
use metrics::{Counter, Histogram, Unit};
use metrics_cloudwatch_embedded::{Builder, Collector};
use tracing_subscriber::filter::LevelFilter;

use super::{Settings, log, output};

/// All requests. Like all names here, a counter unless it says otherwise.
pub const REQUEST_COUNT: &str = "RequestCount";
/// Responses with 2xx and 3xx.
pub const SUCCESS: &str = "Success";
/// Responses with 4xx.
pub const CLIENT_ERROR: &str = "ClientError";
/// Responses with 5xx, including panics and time-outs, and rejected events.
pub const FAILURE: &str = "Failure";
/// Time from event to response in milliseconds, a histogram.
pub const LATENCY: &str = "Latency";
/// The first request of each environment.
pub const COLD_START: &str = "ColdStart";
/// Repeated statements.
pub const DB_RETRY: &str = "DbRetry";
/// Reads served from the cache while fresh.
pub const CACHE_HIT: &str = "CacheHit";
/// Reads that the cache could not serve.
pub const CACHE_MISS: &str = "CacheMiss";
/// Commands that the cache did not answer or answered with an error.
pub const CACHE_ERROR: &str = "CacheError";
/// Stale values served because the database was unavailable.
pub const STALE_SERVED: &str = "StaleServed";

/// Increments the counter `name`, a constant of this module.
pub fn count(name: &'static str) {
    metrics::counter!(name).increment(1);
}

/// The metrics of an execution environment.
pub struct Metrics {
    collector: &'static Collector,
    /// The level to which Lambda's own filter is set, if that is above INFO.
    level: Option<&'static str>,
    requests: Counter,
    successes: Counter,
    client_errors: Counter,
    failures: Counter,
    cold_starts: Counter,
    latency: Histogram,
}

/// The measurements of a request.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// The status of the response; 500 if there is none.
    pub status: u16,
    /// The time from event to response.
    pub latency_ms: f64,
    /// Whether it was the first request of its environment.
    pub is_cold: bool,
}

impl Metrics {
    /// Starts collecting the metrics of `operation`, once per process.
    ///
    /// # Errors
    /// If metrics are already being collected.
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

    /// Counts a request, and writes everything counted since the last one: the environment may be frozen as
    /// soon as it has responded.
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
            // Lambda treats lines without a level or timestamp as INFO, and would drop them.
            self.collector.set_property("level", level);
            self.collector.set_property("timestamp", format!("{:.3}", Timestamp::now()));
        }
        let mut line = Vec::with_capacity(768);
        self.collector.flush(&mut line)?;
        output::write(&line);
        Ok(())
    }
}
