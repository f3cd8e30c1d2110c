//! Log lines: one JSON object each, with the keys of AWS Lambda Powertools, written to standard output in one
//! piece. On a terminal, outside of Lambda, they are short and coloured.
//!
//! `tracing_subscriber::fmt` is not used, because it can neither name the keys as Powertools does nor add
//! those of the invocation to every line without a span per invocation.

use std::{
    backtrace::Backtrace,
    cell::Cell,
    fmt::{self, Write as _},
    io::{self, IsTerminal, Write as _},
    panic,
    sync::OnceLock,
};

use jiff::Timestamp;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    subscriber::Interest,
};
use tracing_subscriber::{
    filter::LevelFilter,
    layer::{Context, Layer, SubscriberExt},
    util::SubscriberInitExt,
};

use super::{Invocation, Settings, json, output, terminal};
use crate::environment::{AWS_LAMBDA_FUNCTION_MEMORY_SIZE, AWS_LAMBDA_FUNCTION_NAME};

/// The keys that every line may have: a field with the same name is renamed.
pub(super) const RESERVED: [&str; 19] = [
    "level",
    "location",
    "message",
    "timestamp",
    "service",
    "sampling_rate",
    "operation",
    "function_name",
    "function_memory_size",
    "cold_start",
    "function_arn",
    "function_request_id",
    "correlation_id",
    "xray_trace_id",
    "route",
    "method",
    "path",
    "caller",
    "target",
];

/// The settings of log lines in this process.
static LINES: OnceLock<Lines> = OnceLock::new();

/// What all lines of a process have in common.
#[derive(Debug)]
struct Lines {
    /// JSON members with leading commas: of the service, and of the function.
    keys: [Vec<u8>; 2],
    /// The operation in lines outside of invocations.
    name: &'static str,
    is_terminal: bool,
}

/// Starts writing log lines of `operation` to standard output, and one line per panic. Only the first call
/// takes effect.
pub fn init(settings: &Settings, operation: &'static str) {
    init_all(settings, operation, std::iter::once(operation));
}

/// Like [`init`] for several `operations`, each in its own invocations; lines outside of invocations use
/// `name`.
pub fn init_all<'a>(settings: &Settings, name: &'static str, operations: impl Iterator<Item = &'a str>) {
    let is_first = LINES.set(Lines::new(settings, name, io::stdout().is_terminal())).is_ok();
    if is_first {
        let layer = PowertoolsLayer::new(settings, operations);
        // If another subscriber is installed, as in a test, these lines are not needed.
        let _ = tracing_subscriber::registry().with(layer).try_init();
        panic::set_hook(Box::new(log_panic));
    }
}

impl Lines {
    fn new(settings: &Settings, name: &'static str, is_terminal: bool) -> Self {
        let (mut service, mut function) = (Vec::with_capacity(64), Vec::with_capacity(128));
        json::member(&mut service, "service", &settings.service);
        if let Some(rate) = &settings.sample_rate {
            json::member(&mut service, "sampling_rate", &rate.text);
        }
        for (key, variable) in [
            ("function_name", AWS_LAMBDA_FUNCTION_NAME),
            ("function_memory_size", AWS_LAMBDA_FUNCTION_MEMORY_SIZE),
        ] {
            if let Some(value) = variable.read() {
                json::member(&mut function, key, value);
            }
        }
        Self { keys: [service, function], name, is_terminal }
    }

    /// Formats a line; `fields` are JSON members with leading commas.
    fn line(&self, line: &mut Vec<u8>, level: &str, location: &str, message: &str, fields: &[u8]) {
        line.extend_from_slice(b"{\"level\":");
        json::value(line, level);
        json::member(line, "location", location);
        json::member(line, "message", message);
        line.extend_from_slice(b",\"timestamp\":\"");
        // Writing to a Vec cannot fail.
        let _ = write!(line, "{:.3}\"", Timestamp::now());
        let invocation = Invocation::current();
        let [service, function] = &self.keys;
        line.extend_from_slice(service);
        json::member(
            line,
            "operation",
            invocation.as_ref().map_or(self.name, |invocation| invocation.operation()),
        );
        line.extend_from_slice(function);
        if let Some(invocation) = invocation {
            line.extend_from_slice(invocation.keys());
        }
        line.extend_from_slice(fields);
        line.extend_from_slice(b"}\n");
    }

    /// Writes a line, in its terminal form if standard output is a terminal.
    fn write(&self, line: &[u8]) {
        let shown = if self.is_terminal { str::from_utf8(line).ok().and_then(terminal::line) } else { None };
        match shown {
            Some(shown) => output::write(format!("{shown}\n").as_bytes()),
            None => output::write(line),
        }
    }
}

/// The name of a level, as Lambda's log filter expects it.
pub(super) fn lambda_level(level: LevelFilter) -> &'static str {
    match level.into_level() {
        Some(Level::TRACE) => "TRACE",
        Some(Level::DEBUG) => "DEBUG",
        Some(Level::INFO) => "INFO",
        Some(Level::WARN) => "WARN",
        Some(Level::ERROR) | None => "ERROR",
    }
}

/// A `tracing` layer that writes events as lines. Spans are ignored, at no cost.
#[derive(Debug)]
struct PowertoolsLayer {
    level: LevelFilter,
    samples: bool,
    /// The crates of this project. DEBUG lines of others are dropped, because they may quote a client's
    /// values.
    own_crates: Vec<String>,
}

impl PowertoolsLayer {
    fn new<'a>(settings: &Settings, operations: impl Iterator<Item = &'a str>) -> Self {
        Self {
            level: settings.level,
            samples: settings.sample_rate.as_ref().is_some_and(|rate| rate.share > 0.0),
            own_crates: ["shared"].into_iter().chain(operations).map(|name| name.replace('-', "_")).collect(),
        }
    }

    fn is_own(&self, metadata: &Metadata<'_>) -> bool {
        let name = metadata.target().split("::").next().unwrap_or_default();
        self.own_crates.iter().any(|own| own == name)
    }

    /// Whether lines from a call site are written: always, never, or depending on the invocation.
    fn interest(&self, metadata: &Metadata<'_>) -> Interest {
        let is_wanted = *metadata.level() <= self.level;
        let is_own = self.is_own(metadata);
        // TRACE is for those who want to see everything.
        let is_shown = is_own || *metadata.level() <= LevelFilter::INFO || self.level == LevelFilter::TRACE;
        if metadata.is_span() || !is_shown {
            Interest::never()
        } else if is_wanted {
            Interest::always()
        } else if self.samples && *metadata.level() <= LevelFilter::DEBUG {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }
}

impl<S: Subscriber> Layer<S> for PowertoolsLayer {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.interest(metadata)
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let interest = self.interest(metadata);
        interest.is_always()
            || interest.is_sometimes() && Invocation::current().is_some_and(|current| current.is_sampled())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(if self.samples { self.level.max(LevelFilter::DEBUG) } else { self.level })
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let Some(lines) = LINES.get() else { return };
        BUFFERS.with(|kept| {
            // Taken out, not borrowed: a value that logs while it is being formatted gets empty buffers.
            let mut buffers = kept.take();
            buffers.clear();
            event.record(&mut buffers);
            let metadata = event.metadata();
            // Writing to a String cannot fail.
            let _ = match (metadata.module_path(), metadata.line()) {
                (Some(module), Some(line)) => write!(buffers.location, "{module}:{line}"),
                _ => buffers.location.write_str(metadata.target()),
            };
            let Buffers { line, location, message, fields, .. } = &mut buffers;
            let level = lambda_level((*metadata.level()).into());
            lines.line(line, level, location, message, fields);
            lines.write(line);
            kept.set(buffers);
        });
    }
}

thread_local! {
    static BUFFERS: Cell<Buffers> = Cell::default();
}

/// The buffers of a line, reused for the next one.
#[derive(Default)]
struct Buffers {
    line: Vec<u8>,
    location: String,
    message: String,
    fields: Vec<u8>,
    scratch: String,
}

impl Buffers {
    fn clear(&mut self) {
        self.line.clear();
        self.location.clear();
        self.message.clear();
        self.fields.clear();
    }

    fn member(&mut self, name: &str, content: impl serde::Serialize) {
        if RESERVED.contains(&name) {
            json::member(&mut self.fields, &format!("field_{name}"), content);
        } else {
            json::member(&mut self.fields, name, content);
        }
    }
}

impl Visit for Buffers {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Writing to a String cannot fail.
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            let mut text = std::mem::take(&mut self.scratch);
            text.clear();
            let _ = write!(text, "{value:?}");
            self.member(field.name(), &text);
            self.scratch = text;
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message.push_str(value)
        } else {
            self.member(field.name(), value)
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.record_debug(field, &format_args!("{}", super::Cause(value)));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field.name(), value);
    }
}

/// Writes the line of a panic, with its location and backtrace under the keys that Powertools uses for
/// exceptions. Bypasses `tracing`, so that the location is that of the panic.
fn log_panic(panic: &panic::PanicHookInfo<'_>) {
    let Some(lines) = LINES.get() else { return };
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let message = panic.payload_as_str().unwrap_or("no message");
    let mut fields = Vec::new();
    json::member(&mut fields, "exception_name", "panic");
    json::member(&mut fields, "exception", message);
    json::member(&mut fields, "backtrace", Backtrace::force_capture().to_string());
    let mut line = Vec::new();
    lines.line(&mut line, "ERROR", &location, &format!("panicked: {message}"), &fields);
    lines.write(&line);
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::telemetry::settings::SampleRate;

    #[test]
    fn a_line_is_one_json_object_whatever_is_in_it() {
        let lines = Lines::new(&Settings::default(), "get-product", false);
        let mut line = Vec::new();
        let mut buffers = Buffers::default();
        buffers.member("level", "mine");
        buffers.member("a\"b\n", 1.5);
        lines.line(&mut line, "WARN", "shared::db:7", "\"quoted\"\n\u{1b}[31m", &buffers.fields);
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        let line: Value = serde_json::from_slice(&line).unwrap();
        assert_eq!((&line["level"], &line["field_level"]), (&"WARN".into(), &"mine".into()));
        assert_eq!((&line["message"], &line["a\"b\n"]), (&"\"quoted\"\n\u{1b}[31m".into(), &1.5.into()));
        assert_eq!((&line["service"], &line["location"]), (&project::NAME.into(), &"shared::db:7".into()));
    }

    #[test]
    fn debug_lines_of_others_are_not_written() {
        let layer = |level, share| {
            let sample_rate = Some(SampleRate { share, text: share.to_string() });
            PowertoolsLayer::new(
                &Settings { level, sample_rate, ..Settings::default() },
                ["get-product"].into_iter(),
            )
        };
        macro_rules! interest {
            ($layer:expr, $target:literal, $level:ident) => {{
                let callsite = tracing::callsite!(
                    name: "event",
                    kind: tracing::metadata::Kind::EVENT,
                    target: $target,
                    level: Level::$level,
                    fields: message
                );
                $layer.interest(tracing::callsite::Callsite::metadata(callsite))
            }};
        }
        let debug = layer(LevelFilter::DEBUG, 0.0);
        assert!(interest!(debug, "shared::db", DEBUG).is_always());
        assert!(interest!(debug, "get_product", DEBUG).is_always());
        assert!(interest!(debug, "hyper::client", DEBUG).is_never());
        assert!(interest!(debug, "hyper::client", INFO).is_always());
        assert!(interest!(layer(LevelFilter::TRACE, 0.0), "hyper::client", TRACE).is_always());
        let sampled = layer(LevelFilter::INFO, 0.1);
        assert!(interest!(sampled, "shared::db", DEBUG).is_sometimes());
        assert!(interest!(sampled, "hyper::client", DEBUG).is_never());
        assert!(interest!(sampled, "shared::db", TRACE).is_never());
        assert!(interest!(layer(LevelFilter::INFO, 0.0), "shared::db", DEBUG).is_never());
    }
}
