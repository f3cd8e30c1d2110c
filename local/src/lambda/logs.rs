//! What functions write to stdout and stderr: line by line to the caller's sink, the last lines kept for crash reports.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

/// Lines kept for a crash report.
const TAIL_LINES: usize = 20;
/// A longer line is split, as Lambda splits at the size of a CloudWatch event: 256 KB.
const LINE_LIMIT_BYTES: u64 = 256 * 1024;

/// One line of an environment, without its line feed; not UTF-8 is replaced.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// The function's name.
    pub function: String,
    /// The process id of its environment.
    pub environment: u32,
    /// The text.
    pub text: String,
}

/// Takes the lines of all functions; called from the runtime's threads, so it must not block.
pub type LogSink = Arc<dyn Fn(LogLine) + Send + Sync>;

/// The log of one environment.
pub(super) struct Log {
    pub(super) function: String,
    pub(super) environment: u32,
    pub(super) sink: LogSink,
    pub(super) tail: Mutex<VecDeque<String>>,
}

impl Log {
    pub(super) fn new(function: &str, environment: u32, sink: LogSink) -> Self {
        Self { function: function.to_owned(), environment, sink, tail: Mutex::default() }
    }

    /// Tells the sink something that the function did not write.
    pub(super) fn note(&self, text: String) {
        (self.sink)(LogLine { function: self.function.clone(), environment: self.environment, text });
    }

    /// The last lines, oldest first.
    pub(super) fn tail(&self) -> Vec<String> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Forwards lines until the pipe ends.
    pub(super) async fn forward(self: Arc<Self>, pipe: impl AsyncRead + Unpin) {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while let Ok(1..) = (&mut reader).take(LINE_LIMIT_BYTES).read_until(b'\n', &mut line).await {
            let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned();
            self.keep(text.clone());
            self.note(text);
            line.clear();
        }
    }

    fn keep(&self, text: String) {
        let mut tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        if tail.len() == TAIL_LINES {
            tail.pop_front();
        }
        tail.push_back(text);
    }
}
