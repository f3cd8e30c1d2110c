//! The telemetry's part of the configuration.

use tracing_subscriber::filter::LevelFilter;

use crate::environment::{Variable, variables};

variables! {
    /// Lines below this level are not written: `TRACE`, `DEBUG`, `INFO`, `WARN`, `ERROR` or `FATAL`. Lambda sets it from
    /// the function's logging configuration.
    AWS_LAMBDA_LOG_LEVEL = "`POWERTOOLS_LOG_LEVEL`";
    /// The same, where `AWS_LAMBDA_LOG_LEVEL` is not set.
    POWERTOOLS_LOG_LEVEL = "INFO";
    /// Share of the requests, 0 to 1, that are logged at `DEBUG`.
    POWERTOOLS_LOGGER_SAMPLE_RATE = "";
    /// `service` in log lines and metrics: a value that a CloudWatch dimension may have, up to 1,024 printable ASCII
    /// characters.
    POWERTOOLS_SERVICE_NAME = project::NAME;
    /// CloudWatch namespace: up to 255 of `A-Z a-z 0-9 . - _ / # :` and space, not beginning with `AWS/` or `:`.
    POWERTOOLS_METRICS_NAMESPACE = project::METRICS_NAMESPACE;
    /// `IP:PORT` that the subsegments of sampled requests are sent to. Lambda sets it. `cargo xtask dev` samples every
    /// request if you set it.
    AWS_XRAY_DAEMON_ADDRESS = "";
}

/// What is logged and counted, and under which names.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `POWERTOOLS_SERVICE_NAME`: the service's name in logs and metrics.
    pub service: String,
    /// `POWERTOOLS_METRICS_NAMESPACE`: the CloudWatch namespace.
    pub metrics_namespace: String,
    /// `AWS_LAMBDA_LOG_LEVEL`, else `POWERTOOLS_LOG_LEVEL`: lines below it are not written.
    pub level: LevelFilter,
    /// `POWERTOOLS_LOGGER_SAMPLE_RATE`: the share of requests, 0 to 1, that are logged at DEBUG.
    pub sample_rate: Option<SampleRate>,
    /// `AWS_XRAY_DAEMON_ADDRESS`: where subsegments are sent.
    pub xray_daemon: Option<String>,
}

/// A share of requests.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleRate {
    /// From 0 to 1.
    pub share: f64,
    /// As it was given: this is what Powertools writes into its lines.
    pub text: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            service: project::NAME.to_owned(),
            metrics_namespace: project::METRICS_NAMESPACE.to_owned(),
            level: LevelFilter::INFO,
            sample_rate: None,
            xray_daemon: None,
        }
    }
}

impl Settings {
    /// What the environment says, for a program that serves no operation.
    ///
    /// # Errors
    /// All faults, each with the name of its variable.
    pub fn from_env() -> Result<Self, Vec<String>> {
        let mut faults = Vec::new();
        let settings = Self::read(&Variable::read, &mut faults);
        if faults.is_empty() { Ok(settings) } else { Err(faults) }
    }

    /// Reads the settings; what is wrong is added to `faults`.
    pub(crate) fn read(variable: &impl Fn(&Variable) -> Option<String>, faults: &mut Vec<String>) -> Self {
        let default = Self::default();
        let level = [&AWS_LAMBDA_LOG_LEVEL, &POWERTOOLS_LOG_LEVEL].into_iter().find_map(|name| {
            let text = variable(name)?;
            let level = parse_level(&text);
            if level.is_none() {
                faults.push(format!("{name} is none of TRACE, DEBUG, INFO, WARN, ERROR and FATAL"));
            }
            level
        });
        let sample_rate = variable(&POWERTOOLS_LOGGER_SAMPLE_RATE).and_then(|text| {
            let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
            if share.is_none() {
                faults.push(format!("{POWERTOOLS_LOGGER_SAMPLE_RATE} is not a number from 0 to 1"));
            }
            share.map(|share| SampleRate { share, text })
        });
        let mut name = |name: &Variable, fault_of: fn(&str) -> Option<&'static str>| {
            let value = name.or_default(variable);
            faults.extend(fault_of(&value).map(|fault| format!("{name} {fault}")));
            value
        };
        Self {
            service: name(&POWERTOOLS_SERVICE_NAME, dimension_fault),
            metrics_namespace: name(&POWERTOOLS_METRICS_NAMESPACE, namespace_fault),
            level: level.unwrap_or(default.level),
            sample_rate,
            xray_daemon: variable(&AWS_XRAY_DAEMON_ADDRESS),
        }
    }
}

/// Why CloudWatch would drop metrics whose dimension has this value. API reference of CloudWatch, `Dimension`: 1 to 1,024
/// ASCII characters, no control characters, one of them at least no white space. A colon at the beginning is refused
/// as well, which that page forbids for names of dimensions.
fn dimension_fault(value: &str) -> Option<&'static str> {
    if value.len() > 1_024 {
        Some("is longer than the 1024 characters of a CloudWatch dimension")
    } else if !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        Some("has other characters than the printable ones of ASCII, which a CloudWatch dimension is made of")
    } else if value.trim().is_empty() {
        Some("is blank")
    } else if value.starts_with(':') {
        Some("begins with a colon, which a CloudWatch dimension must not")
    } else {
        None
    }
}

/// Why CloudWatch would not take metrics under this namespace. User guide of CloudWatch, "Metrics concepts": 1 to 255 of
/// these characters. `PutMetricData`: not the namespaces of AWS, no colon at the beginning.
fn namespace_fault(value: &str) -> Option<&'static str> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/#: ".contains(&byte);
    if value.len() > 255 {
        Some("is longer than the 255 characters of a CloudWatch namespace")
    } else if !value.bytes().all(is_allowed) {
        Some("has other characters than A-Z, a-z, 0-9, space and . - _ / # :")
    } else if value.trim().is_empty() {
        Some("is blank")
    } else if value.starts_with(':') {
        Some("begins with a colon, which a CloudWatch namespace must not")
    } else if value.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("AWS/")) {
        Some("begins with AWS/, which is for the services of AWS")
    } else {
        None
    }
}

/// A level by Lambda's name or Python's. Nothing here is worse than an error.
fn parse_level(text: &str) -> Option<LevelFilter> {
    match text.to_ascii_uppercase().as_str() {
        "TRACE" => Some(LevelFilter::TRACE),
        "DEBUG" => Some(LevelFilter::DEBUG),
        "INFO" => Some(LevelFilter::INFO),
        "WARN" | "WARNING" => Some(LevelFilter::WARN),
        "ERROR" | "FATAL" | "CRITICAL" => Some(LevelFilter::ERROR),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::given;

    fn read(variables: &[(&str, &str)]) -> (Settings, Vec<String>) {
        let mut faults = Vec::new();
        (Settings::read(&given(variables), &mut faults), faults)
    }

    #[test]
    fn lambda_decides_on_the_level_before_powertools() {
        for (variables, level) in [
            (&[][..], LevelFilter::INFO),
            (&[("POWERTOOLS_LOG_LEVEL", "debug")], LevelFilter::DEBUG),
            (&[("POWERTOOLS_LOG_LEVEL", "CRITICAL")], LevelFilter::ERROR),
            (&[("AWS_LAMBDA_LOG_LEVEL", "WARN"), ("POWERTOOLS_LOG_LEVEL", "DEBUG")], LevelFilter::WARN),
            (&[("AWS_LAMBDA_LOG_LEVEL", "FATAL")], LevelFilter::ERROR),
        ] {
            let (settings, faults) = read(variables);
            assert_eq!((settings.level, faults), (level, Vec::new()), "{variables:?}");
        }
    }

    #[test]
    fn takes_names_that_cloudwatch_takes_and_no_other() {
        let long = |length: usize| "x".repeat(length);
        for (name, taken, refused) in [
            (
                "POWERTOOLS_SERVICE_NAME",
                ["my-service", "my service (blue)", "a:b", "~", &long(1_024)],
                ["\u{5de5}\u{623f}", " ", "\t", "a\nb", "a\u{7f}", ":x", &long(1_025), &long(2_000)],
            ),
            (
                "POWERTOOLS_METRICS_NAMESPACE",
                ["Mine", "store/mine.v1-x_#:", "AWSome/x", "My Store", &long(255)],
                ["AWS/Lambda", "aws/x", "a(b)", "\u{5de5}", "  ", ":x", "a\tb", &long(256)],
            ),
        ] {
            for value in taken {
                assert_eq!(read(&[(name, value)]).1, Vec::<String>::new(), "{name}={value:?}");
            }
            for value in refused {
                let (_, faults) = read(&[(name, value)]);
                assert!(matches!(&*faults, [fault] if fault.starts_with(name)), "{value:?}: {faults:?}");
            }
        }
    }

    #[test]
    fn names_what_is_wrong() {
        for rate in ["1.1", "-0.5", "half", "NaN"] {
            let (settings, faults) =
                read(&[("POWERTOOLS_LOGGER_SAMPLE_RATE", rate), ("POWERTOOLS_LOG_LEVEL", "LOUD")]);
            assert_eq!((settings.sample_rate, faults.len()), (None, 2), "{rate}: {faults:?}");
        }
    }
}
