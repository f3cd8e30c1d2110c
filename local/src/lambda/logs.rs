//! Forwards what functions write to stdout and stderr line by line to the caller's sink, and keeps the last lines for
//! crash reports.
//!
//! A function's response does not pass through the pipes that carry its lines. A caller that has the response must have
//! every earlier line, too, so the pipes are drained before a response is passed on.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind},
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::net::unix::pipe;

/// Lines kept for a crash report.
const TAIL_LINES: usize = 20;
/// A longer line is split, as Lambda splits at the size of a CloudWatch event: 256 KB.
const LINE_LIMIT_BYTES: usize = 256 * 1024;
/// The size of one read.
const CHUNK_BYTES: usize = 8 * 1024;
/// The most that a pipe can hold without privileges, and so the most that draining it has to read.
const PIPE_LIMIT_BYTES: usize = 1024 * 1024;

/// One line that an environment wrote, without its line feed. Invalid UTF-8 is replaced.
#[derive(Clone, Debug)]
pub struct LogLine {
    /// The function's name.
    pub function: String,
    /// The process id of its environment.
    pub environment: u32,
    /// The text of the line.
    pub text: String,
}

/// Receives the lines of all functions. It is called on the runtime's threads, so it must not block.
pub type LogSink = Arc<dyn Fn(LogLine) + Send + Sync>;

/// The output pipe of one stream.
struct Pipe {
    end: pipe::Receiver,
    /// The beginning of a line whose end has not been read yet. Locked from a read until the sink has its lines, which
    /// keeps them in order.
    unfinished: Mutex<Vec<u8>>,
}

/// The log of one environment.
pub(super) struct Log {
    function: String,
    environment: u32,
    sink: LogSink,
    tail: Mutex<VecDeque<String>>,
    /// stdout and stderr.
    pipes: [Pipe; 2],
}

impl Pipe {
    fn new(end: OwnedFd) -> io::Result<Self> {
        Ok(Self { end: pipe::Receiver::from_owned_fd(end)?, unfinished: Mutex::default() })
    }
}

impl Log {
    pub(super) fn new(
        function: &str,
        environment: u32,
        sink: LogSink,
        [stdout, stderr]: [OwnedFd; 2],
    ) -> io::Result<Self> {
        let pipes = [Pipe::new(stdout)?, Pipe::new(stderr)?];
        Ok(Self { function: function.to_owned(), environment, sink, tail: Mutex::default(), pipes })
    }

    /// Sends a line to the sink without keeping it in the tail; also used for messages of the environment itself.
    pub(super) fn emit(&self, text: String) {
        (self.sink)(LogLine { function: self.function.clone(), environment: self.environment, text });
    }

    /// The last lines that the function wrote, oldest first.
    pub(super) fn tail(&self) -> Vec<String> {
        lock(&self.tail).iter().cloned().collect()
    }

    /// Forwards lines until both pipes reach their end.
    pub(super) async fn forward(&self) {
        let [stdout, stderr] = &self.pipes;
        tokio::join!(self.forward_pipe(stdout), self.forward_pipe(stderr));
    }

    async fn forward_pipe(&self, pipe: &Pipe) {
        while pipe.end.readable().await.is_ok() {
            match self.read(pipe, |chunk| pipe.end.try_read(chunk)) {
                Ok(0) => return,
                Err(error) if error.kind() != ErrorKind::WouldBlock => return,
                _ => {}
            }
        }
    }

    /// Forwards what is in the pipes now.
    pub(super) fn drain(&self) {
        for pipe in &self.pipes {
            let mut read_bytes = 0;
            // Read directly, since tokio may not have noticed the latest writes yet.
            while read_bytes < PIPE_LIMIT_BYTES
                && let Ok(bytes @ 1..) = self.read(pipe, |chunk| Ok(rustix::io::read(&pipe.end, chunk)?))
            {
                read_bytes += bytes;
            }
        }
    }

    /// Forwards what is left in the pipes, including an unfinished last line. Called after the process has ended.
    pub(super) fn flush(&self) {
        self.drain();
        for pipe in &self.pipes {
            let mut unfinished = lock(&pipe.unfinished);
            if !unfinished.is_empty() {
                self.forward_line(&unfinished);
                unfinished.clear();
            }
        }
    }

    /// Forwards the lines that one call of `read` completes. Returns the number of bytes read.
    fn read(&self, pipe: &Pipe, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        let mut unfinished = lock(&pipe.unfinished);
        let mut chunk = [0; CHUNK_BYTES];
        let bytes = read(&mut chunk)?;
        unfinished.extend_from_slice(&chunk[..bytes]);
        while let Some(length) = line_length(&unfinished) {
            self.forward_line(&unfinished[..length]);
            unfinished.drain(..length);
        }
        Ok(bytes)
    }

    fn forward_line(&self, line: &[u8]) {
        let text = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line)).into_owned();
        self.keep_in_tail(text.clone());
        self.emit(text);
    }

    fn keep_in_tail(&self, text: String) {
        let mut tail = lock(&self.tail);
        if tail.len() == TAIL_LINES {
            tail.pop_front();
        }
        tail.push_back(text);
    }
}

/// The length of the first line, which is split at the limit, or `None` while its end is missing.
fn line_length(bytes: &[u8]) -> Option<usize> {
    let within = &bytes[..bytes.len().min(LINE_LIMIT_BYTES)];
    let line = within.iter().position(|byte| *byte == b'\n').map(|end| end + 1);
    line.or_else(|| (within.len() == LINE_LIMIT_BYTES).then_some(LINE_LIMIT_BYTES))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
