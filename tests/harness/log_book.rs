//! The lines that functions have written. The local Lambda forwards earlier lines before a response, so a test that has
//! the response finds them here. It has to wait only for lines that are written during a request.

use std::{sync::Arc, time::Duration};

use local::lambda::{LogLine, LogSink};
use serde_json::Value;
use tokio::{sync::watch, time::timeout};

/// How long to wait for a line; generous, for a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// The lines of several functions.
#[derive(Clone, Default)]
pub struct LogBook(watch::Sender<Vec<LogLine>>);

impl LogBook {
    /// A sink for the functions' lines.
    pub fn sink(&self) -> LogSink {
        let lines = self.0.clone();
        Arc::new(move |line| lines.send_modify(|lines| lines.push(line)))
    }

    /// Every line so far.
    pub fn lines(&self) -> Vec<LogLine> {
        self.0.borrow().clone()
    }

    /// The access log lines of all requests so far.
    pub fn requests(&self) -> Vec<Value> {
        let lines = self.lines();
        let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(&line.text).ok());
        lines.filter(|line| line["message"] == "request").collect()
    }

    /// Waits for a line that contains `text`.
    ///
    /// # Panics
    /// When there is none within 30 s.
    pub async fn logged(&self, text: &str) {
        let mut lines = self.0.subscribe();
        let logged = lines.wait_for(|lines| lines.iter().any(|line| line.text.contains(text)));
        let is_there = timeout(LIMIT, logged).await.is_ok_and(|logged| logged.is_ok());
        assert!(is_there, "no line with {text:?} within {LIMIT:?}");
    }
}
