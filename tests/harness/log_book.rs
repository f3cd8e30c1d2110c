//! What functions have written, and a way to wait for it: an answer comes by another pipe than the log.

use std::{sync::Arc, time::Duration};

use local::lambda::{LogLine, LogSink};
use serde_json::Value;
use tokio::{sync::watch, time::timeout};

/// How long lines may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// The lines of some functions.
#[derive(Clone, Default)]
pub struct LogBook(watch::Sender<Vec<LogLine>>);

impl LogBook {
    /// Where functions write to.
    pub fn sink(&self) -> LogSink {
        let lines = self.0.clone();
        Arc::new(move |line| lines.send_modify(|lines| lines.push(line)))
    }

    /// Every line so far.
    pub fn lines(&self) -> Vec<LogLine> {
        self.0.borrow().clone()
    }

    /// The `count` access lines of requests, once they are there.
    ///
    /// # Panics
    /// When there are fewer in the end, or more.
    pub async fn requests(&self, count: usize) -> Vec<Value> {
        let mut lines = self.0.subscribe();
        let _ = timeout(LIMIT, lines.wait_for(|lines| requests(lines).len() >= count)).await;
        let requests = requests(&self.0.borrow());
        assert_eq!(requests.len(), count, "{requests:?}");
        requests
    }
}

fn requests(lines: &[LogLine]) -> Vec<Value> {
    let lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(&line.text).ok());
    lines.filter(|line| line["message"] == "request").collect()
}
