//! The functions' telemetry: log lines, metrics and traces, written by real functions and read by third-party programs.

mod failures;
mod logs;
mod metrics;
mod redaction;
mod traces;

use harness::Service;
use serde_json::Value;

/// The lines that functions have written, one JSON object per line.
struct Written(Vec<Value>);

impl Written {
    /// The lines that the functions of `service` have written so far.
    ///
    /// # Panics
    /// When a line is not JSON.
    fn by(service: &Service) -> Self {
        let parse = |line: &String| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        Self(service.log().iter().map(parse).collect())
    }

    /// The log lines.
    fn lines(&self) -> Vec<&Value> {
        self.0.iter().filter(|line| line["_aws"].is_null()).collect()
    }

    /// The access log lines, one for each request.
    fn access(&self) -> Vec<&Value> {
        self.lines().into_iter().filter(|line| line["message"] == "request").collect()
    }

    /// The log lines with this correlation id.
    fn of(&self, correlation_id: &str) -> Vec<&Value> {
        self.lines().into_iter().filter(|line| line["correlation_id"] == correlation_id).collect()
    }

    /// The lines with metrics.
    fn metrics(&self) -> Vec<&Value> {
        self.0.iter().filter(|line| line["_aws"].is_object()).collect()
    }
}

fn documents(lines: &[&Value]) -> Vec<String> {
    lines.iter().map(ToString::to_string).collect()
}

fn variables(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
