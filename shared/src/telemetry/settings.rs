//! The telemetry's part of the configuration.

use tracing_subscriber::filter::LevelFilter;

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
            service: "atelier".to_owned(),
            metrics_namespace: "Atelier".to_owned(),
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
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let settings = Self::read(&variable, &mut faults);
        if faults.is_empty() { Ok(settings) } else { Err(faults) }
    }

    /// Reads the settings; what is wrong is added to `faults`.
    pub(crate) fn read(variable: &impl Fn(&str) -> Option<String>, faults: &mut Vec<String>) -> Self {
        let default = Self::default();
        let level = ["AWS_LAMBDA_LOG_LEVEL", "POWERTOOLS_LOG_LEVEL"].into_iter().find_map(|name| {
            let text = variable(name)?;
            let level = parse_level(&text);
            if level.is_none() {
                faults.push(format!("{name} is none of TRACE, DEBUG, INFO, WARN, ERROR and FATAL"));
            }
            level
        });
        let sample_rate = variable("POWERTOOLS_LOGGER_SAMPLE_RATE").and_then(|text| {
            let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
            if share.is_none() {
                faults.push("POWERTOOLS_LOGGER_SAMPLE_RATE is not a number from 0 to 1".to_owned());
            }
            share.map(|share| SampleRate { share, text })
        });
        Self {
            service: variable("POWERTOOLS_SERVICE_NAME").unwrap_or(default.service),
            metrics_namespace: variable("POWERTOOLS_METRICS_NAMESPACE").unwrap_or(default.metrics_namespace),
            level: level.unwrap_or(default.level),
            sample_rate,
            xray_daemon: variable("AWS_XRAY_DAEMON_ADDRESS"),
        }
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

    fn read(variables: &[(&str, &str)]) -> (Settings, Vec<String>) {
        let mut faults = Vec::new();
        let variable =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        (Settings::read(&variable, &mut faults), faults)
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
    fn names_what_is_wrong() {
        for rate in ["1.1", "-0.5", "half", "NaN"] {
            let (settings, faults) =
                read(&[("POWERTOOLS_LOGGER_SAMPLE_RATE", rate), ("POWERTOOLS_LOG_LEVEL", "LOUD")]);
            assert_eq!((settings.sample_rate, faults.len()), (None, 2), "{rate}: {faults:?}");
        }
    }
}
