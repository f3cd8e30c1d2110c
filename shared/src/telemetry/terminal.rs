//! Log lines for people: short and coloured. Output to a pipe is JSON.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::log::RESERVED;

/// Keys with a fixed place in a line, besides those of every line.
const PLACED: [&str; 5] = ["status", "duration_ms", "database_ms", "cache_ms", "exception"];

/// The terminal form of a log line; `None` if `json` is not one.
///
/// An access line reads `14:44:00.123 INFO  get-product GET /v1/products/{id} 200 in 3.4 ms (database 1.2)`.
pub fn line(json: &str) -> Option<String> {
    let line: Map<String, Value> = serde_json::from_str(json).ok()?;
    (line.contains_key("level") && line.contains_key("message")).then(|| render(&line))
}

fn render(line: &Map<String, Value>) -> String {
    let text = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default();
    let level = text("level");
    let colour = match level {
        "ERROR" => 31,
        "WARN" => 33,
        "INFO" => 32,
        _ => 34,
    };
    let time = text("timestamp");
    let time = time.split_once('T').map_or(time, |(_, time)| time.trim_end_matches('Z'));
    let mut shown = format!("\u{1b}[2m{time}\u{1b}[0m \u{1b}[{colour}m{level:5}\u{1b}[0m ");
    // Writing to a String cannot fail.
    let _ = write!(shown, "\u{1b}[1m{}\u{1b}[0m", text("operation"));
    match line.get("status").and_then(Value::as_u64) {
        Some(status) => {
            let number = |name: &str| line.get(name).and_then(Value::as_f64).unwrap_or_default();
            let colour = [32, 36, 33, 31][usize::try_from(status / 100).unwrap_or(5).clamp(2, 5) - 2];
            let _ = write!(shown, " {} {}", text("method"), printable(text("path")));
            let _ = write!(shown, " \u{1b}[{colour}m{status}\u{1b}[0m in {:.1} ms", number("duration_ms"));
            let _ = write!(shown, " (database {:.1}", number("database_ms"));
            if number("cache_ms") > 0.0 {
                let _ = write!(shown, ", cache {:.1}", number("cache_ms"));
            }
            let _ = write!(shown, ")");
            if line.get("cold_start") == Some(&Value::Bool(true)) {
                let _ = write!(shown, " cold");
            }
        }
        None => {
            let _ = write!(shown, " {}", printable(text("message")));
        }
    }
    let is_shown = |name: &str| !RESERVED.contains(&name) && !PLACED.contains(&name);
    for (name, value) in line.iter().filter(|(name, _)| is_shown(name)) {
        match value.as_str() {
            // A backtrace is printed line by line.
            Some(text) if text.contains('\n') => {
                for line in text.lines() {
                    let _ = write!(shown, "\n    {}", printable(line));
                }
            }
            Some(text) => {
                let _ = write!(shown, " {name}={}", printable(text));
            }
            None => {
                let _ = write!(shown, " {name}={value}");
            }
        }
    }
    shown
}

/// `text` with control characters replaced, so that it cannot send commands to the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(json: &str) -> String {
        let mut shown = line(json).unwrap();
        for code in ["0", "1", "2", "31", "32", "33", "34", "36"] {
            shown = shown.replace(&format!("\u{1b}[{code}m"), "");
        }
        shown
    }

    #[test]
    fn an_access_line_is_short() {
        let json = r#"{"level":"INFO","location":"shared::serve:1","message":"request","timestamp":"2026-11-21T14:44:00.123Z",
            "service":"catalogue","operation":"get-product","cold_start":true,"correlation_id":"c","method":"GET",
            "path":"/v1/products/7","status":200,"duration_ms":3.4321,"database_ms":1.2,"cache_ms":0.0}"#;
        assert_eq!(
            plain(json),
            "14:44:00.123 INFO  get-product GET /v1/products/7 200 in 3.4 ms (database 1.2) cold"
        );
    }

    #[test]
    fn another_line_shows_its_message_and_its_own_fields() {
        let json = r#"{"level":"WARN","message":"trying\u001b[2J again","timestamp":"x","operation":"a","error":"lost","n":1}"#;
        assert_eq!(plain(json), "x WARN  a trying [2J again error=lost n=1");
    }

    #[test]
    fn knows_what_is_no_log_line() {
        for text in ["", "Traceback", "{}", "[1]", r#"{"_aws":{}}"#] {
            assert_eq!(line(text), None, "{text}");
        }
    }
}
