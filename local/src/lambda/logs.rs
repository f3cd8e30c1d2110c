//! What functions write to stdout and stderr: line by line to the caller's sink, the last lines kept for crash reports.
//!
//! A function's answer comes by another way than its lines. Whoever has the answer must have the lines as well, so the
//! pipes are read to their end once more before an answer is passed on.

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
/// Read at once.
const CHUNK_BYTES: usize = 8 * 1024;
/// As much as a pipe holds, by default and at most without privileges: what was in it at one moment is in so many bytes.
const PIPE_LIMIT_BYTES: usize = 1024 * 1024;

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

/// One stream of an environment.
struct Pipe {
    end: pipe::Receiver,
    /// The beginning of a line whose end has not been read yet. Locked from a read until its lines are with the sink, so
    /// that they keep their order.
    unfinished: Mutex<Vec<u8>>,
}

/// The log of one environment.
pub(super) struct Log {
    function: String,
    environment: u32,
    sink: LogSink,
    tail: Mutex<VecDeque<String>>,
    /// Of stdout and stderr.
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

    /// Tells the sink something that the function did not write.
    pub(super) fn note(&self, text: String) {
        (self.sink)(LogLine { function: self.function.clone(), environment: self.environment, text });
    }

    /// The last lines, oldest first.
    pub(super) fn tail(&self) -> Vec<String> {
        lock(&self.tail).iter().cloned().collect()
    }

    /// Forwards lines until both pipes end.
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

    /// Forwards what is in the pipes at this moment.
    pub(super) fn catch_up(&self) {
        for pipe in &self.pipes {
            let mut read_bytes = 0;
            // Past tokio, which does not know yet of what was written a moment ago.
            while read_bytes < PIPE_LIMIT_BYTES
                && let Ok(bytes @ 1..) = self.read(pipe, |chunk| Ok(rustix::io::read(&pipe.end, chunk)?))
            {
                read_bytes += bytes;
            }
        }
    }

    /// Forwards what is in the pipes, and a line without an end as well: nothing comes any more.
    pub(super) fn finish(&self) {
        self.catch_up();
        for pipe in &self.pipes {
            let mut unfinished = lock(&pipe.unfinished);
            if !unfinished.is_empty() {
                self.forward_line(&unfinished);
                unfinished.clear();
            }
        }
    }

    /// Forwards the lines that one call of `read` completes. Returns how many bytes that was.
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
        self.keep(text.clone());
        self.note(text);
    }

    fn keep(&self, text: String) {
        let mut tail = lock(&self.tail);
        if tail.len() == TAIL_LINES {
            tail.pop_front();
        }
        tail.push_back(text);
    }
}

/// The length of the first line, which is split at the limit, or none while its end is missing.
fn line_length(bytes: &[u8]) -> Option<usize> {
    let within = &bytes[..bytes.len().min(LINE_LIMIT_BYTES)];
    let line = within.iter().position(|byte| *byte == b'\n').map(|end| end + 1);
    line.or_else(|| (within.len() == LINE_LIMIT_BYTES).then_some(LINE_LIMIT_BYTES))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
