//! A Runtime API for measurements: one thread, poll(2), reused buffers.
//!
//! `local::lambda` implements the same for development and tests, with timeouts, logs and crash reports, whose cost
//! would distort the measurement.

mod message;

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use message::{Arrival, Call};

/// The time until the deadline that a subject receives with an event.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The size of one read; most responses are smaller.
const READ_BYTES: usize = 64 * 1024;

const ACCEPTED: &[u8] =
    b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"status\":\"OK\"}\n";
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
const REGISTERED: &[u8] =
    b"HTTP/1.1 200 OK\r\nLambda-Extension-Identifier: 5f0d9a40-0000-4000-8001-000000000000\r\n\
    Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
const UNKNOWN: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

/// The Runtime API of one execution environment.
pub struct RuntimeApi {
    listener: TcpListener,
    address: SocketAddr,
    connections: Vec<Connection>,
    /// The connection with a `next` request that waits for an event.
    waiting: Option<usize>,
    /// A descriptor that becomes readable when the subject has ended.
    subject: Option<OwnedFd>,
    served: u64,
    /// The head and the body of the event to send.
    output: Vec<u8>,
    /// The body of the last request.
    body: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    /// The buffer for a request, of which the first `filled` bytes have arrived.
    input: Vec<u8>,
    filled: usize,
    is_open: bool,
    was_continued: bool,
}

/// A request of the subject.
enum SubjectRequest {
    Next,
    Response { connection: usize, at: Instant },
    Error,
}

impl RuntimeApi {
    /// Listens on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When there is no free port.
    pub fn bind() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        Ok(Self {
            listener,
            address,
            connections: Vec::new(),
            waiting: None,
            subject: None,
            served: 0,
            output: Vec::new(),
            body: Vec::new(),
        })
    }

    /// The value of `AWS_LAMBDA_RUNTIME_API`.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends every wait once `subject` is readable. The descriptor of a process becomes readable when the process has
    /// ended.
    pub fn watch(&mut self, subject: OwnedFd) {
        self.subject = Some(subject);
    }

    /// Waits until the subject requests an event.
    ///
    /// # Errors
    /// When the subject does not do so within `limit`, or reports an error.
    pub fn wait_for_next(&mut self, limit: Duration) -> Result<()> {
        let until = Instant::now() + limit;
        while self.waiting.is_none() {
            match self.next_request(until).context("waiting for the subject to request an event")? {
                SubjectRequest::Next => {}
                SubjectRequest::Response { .. } => bail!("the subject has answered an event twice"),
                SubjectRequest::Error => bail!("the subject failed: {}", String::from_utf8_lossy(&self.body)),
            }
        }
        Ok(())
    }

    /// Sends `event` to the waiting `next` request. Returns the time from writing it until the whole response was read,
    /// which is then in [`Self::response`].
    ///
    /// # Errors
    /// When no `next` request is waiting, no response arrives within `limit`, or the subject reports an error.
    pub fn exchange(&mut self, event: &[u8], limit: Duration) -> Result<Duration> {
        let waiting = self.waiting.take().context("the subject has not requested an event")?;
        self.compose(event)?;
        let begin = Instant::now();
        self.connections[waiting].stream.write_all(&self.output)?;
        match self.next_request(begin + limit).context("waiting for the subject's response")? {
            SubjectRequest::Response { connection, at } => {
                self.connections[connection].stream.write_all(ACCEPTED)?;
                Ok(at - begin)
            }
            SubjectRequest::Next => {
                bail!("the subject asks for another event before it has answered the last")
            }
            SubjectRequest::Error => bail!("the subject failed: {}", String::from_utf8_lossy(&self.body)),
        }
    }

    /// The response of the last exchange.
    pub fn response(&self) -> &[u8] {
        &self.body
    }

    fn compose(&mut self, event: &[u8]) -> Result<()> {
        self.served += 1;
        let deadline = SystemTime::now().duration_since(UNIX_EPOCH)? + TIMEOUT;
        self.output.clear();
        write!(
            self.output,
            "HTTP/1.1 200 OK\r\n\
             Content-Type: application/json\r\n\
             Lambda-Runtime-Aws-Request-Id: 5f0d9a40-0000-4000-8000-{:012}\r\n\
             Lambda-Runtime-Deadline-Ms: {}\r\n\
             Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-central-1:123456789012:function:bench\r\n\
             Lambda-Runtime-Trace-Id: Root=1-67409a1b-5759e988bd862e3fe1be46a9;Parent=53995c3f42cd8ad8;Sampled=0\r\n\
             Content-Length: {}\r\n\r\n",
            self.served,
            deadline.as_millis(),
            event.len()
        )?;
        self.output.extend_from_slice(event);
        Ok(())
    }

    /// Waits for the next request of the subject, until `until`.
    fn next_request(&mut self, until: Instant) -> Result<SubjectRequest> {
        loop {
            let readable = self.readable(until)?;
            // Closed connections keep their indexes as long as an index is stored.
            if self.waiting.is_none() && readable.is_empty() {
                self.connections.retain(|connection| connection.is_open);
            }
            for connection in readable {
                let bytes = self.connections[connection].read()?;
                let at = Instant::now();
                if bytes > 0
                    && let Some(next_request) = self.handle(connection, at)?
                {
                    return Ok(next_request);
                }
            }
        }
    }

    /// Accepts new connections, and returns the indexes of those with data to read.
    fn readable(&mut self, until: Instant) -> Result<Vec<usize>> {
        let left = until.saturating_duration_since(Instant::now());
        ensure!(!left.is_zero(), "nothing came in time");
        let left = Timespec::try_from(left)?;
        let open: Vec<usize> =
            (0..self.connections.len()).filter(|&place| self.connections[place].is_open).collect();
        let mut polled = Vec::with_capacity(open.len() + 2);
        polled.push(PollFd::new(&self.listener, PollFlags::IN));
        polled.extend(open.iter().map(|&place| PollFd::new(&self.connections[place].stream, PollFlags::IN)));
        polled.extend(self.subject.iter().map(|subject| PollFd::new(subject, PollFlags::IN)));
        match poll(&mut polled, Some(&left)) {
            Ok(0) => bail!("nothing came in time"),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let is_ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
        let has_caller = is_ready(&polled[0]);
        let readable: Vec<_> =
            open.iter().zip(&polled[1..]).filter(|(_, fd)| is_ready(fd)).map(|(&place, _)| place).collect();
        // Data that the subject sent before its end is read first.
        if !has_caller && readable.is_empty() && polled[1 + open.len()..].iter().any(is_ready) {
            bail!("the subject has ended");
        }
        if has_caller {
            let (stream, _) = self.listener.accept()?;
            stream.set_nodelay(true)?;
            self.connections.push(Connection {
                stream,
                input: vec![0; READ_BYTES],
                filled: 0,
                is_open: true,
                was_continued: false,
            });
        }
        Ok(readable)
    }

    /// Handles the data that has arrived on `connection`, at the time `at`.
    fn handle(&mut self, connection: usize, at: Instant) -> Result<Option<SubjectRequest>> {
        let from = &mut self.connections[connection];
        match message::read(&from.input[..from.filled], &mut self.body)? {
            Arrival::Part { expects_continue } => {
                if expects_continue && !from.was_continued {
                    from.was_continued = true;
                    from.stream.write_all(CONTINUE)?;
                }
                Ok(None)
            }
            Arrival::Whole { call, length } => {
                ensure!(from.filled == length, "the subject does not wait for an answer to its request");
                from.filled = 0;
                from.was_continued = false;
                Ok(match call {
                    Call::Next => {
                        ensure!(self.waiting.is_none(), "the subject asks for two events at once");
                        self.waiting = Some(connection);
                        Some(SubjectRequest::Next)
                    }
                    Call::Response => Some(SubjectRequest::Response { connection, at }),
                    Call::Error => {
                        from.stream.write_all(ACCEPTED)?;
                        Some(SubjectRequest::Error)
                    }
                    Call::Register => {
                        from.stream.write_all(REGISTERED)?;
                        None
                    }
                    // The extension has registered for no events, so it never gets any.
                    Call::ExtensionNext => None,
                    Call::Unknown => {
                        from.stream.write_all(UNKNOWN)?;
                        None
                    }
                })
            }
        }
    }
}

impl Connection {
    /// Reads once. Returns 0 at the end of the stream.
    fn read(&mut self) -> Result<usize> {
        if self.filled == self.input.len() {
            self.input.resize(2 * self.filled, 0);
        }
        match self.stream.read(&mut self.input[self.filled..]) {
            Ok(bytes) => {
                self.filled += bytes;
                self.is_open = bytes > 0;
                Ok(bytes)
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                self.is_open = false;
                Ok(0)
            }
            Err(error) => Err(error).context("reading from the subject"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn call(stream: &mut TcpStream, request: &str, end: &str) -> String {
        stream.write_all(request.as_bytes()).unwrap();
        let mut seen = String::new();
        while !seen.ends_with(end) {
            let mut bytes = [0; 4096];
            let count = stream.read(&mut bytes).unwrap();
            assert!(count > 0, "{seen}");
            seen.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
        seen
    }

    #[test]
    fn events_are_handed_out_and_responses_read_on_whichever_connection_they_come() {
        let mut api = RuntimeApi::bind().unwrap();
        let address = api.address();
        let subject = thread::spawn(move || {
            let [mut one, mut other] = [(); 2].map(|()| TcpStream::connect(address).unwrap());
            for number in 1..=3 {
                let next = "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n";
                let event = call(&mut one, next, "{\"a\":1}");
                let id = format!("5f0d9a40-0000-4000-8000-{number:012}");
                assert!(event.contains(&format!("Lambda-Runtime-Aws-Request-Id: {id}\r\n")), "{event}");
                let head = format!("POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\n");
                let answer = format!(
                    "{head}transfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\n1\r\n{number}\r\n0\r\n\r\n"
                );
                assert!(call(&mut other, &answer, "}\n").starts_with("HTTP/1.1 202 "));
            }
            let error = "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nContent-Length: 4\r\n\r\noops";
            call(&mut other, error, "}\n");
        });
        for number in 1..=3 {
            api.wait_for_next(LIMIT).unwrap();
            let elapsed = api.exchange(b"{\"a\":1}", LIMIT).unwrap();
            assert!(!elapsed.is_zero());
            assert_eq!(api.response(), format!("{{}}{number}").as_bytes());
        }
        let error = api.wait_for_next(LIMIT).unwrap_err().to_string();
        assert_eq!(error, "the subject failed: oops");
        subject.join().unwrap();
    }

    #[test]
    fn a_subject_that_says_nothing_ends_the_wait() {
        let mut api = RuntimeApi::bind().unwrap();
        let error = format!("{:#}", api.wait_for_next(Duration::from_millis(30)).unwrap_err());
        assert_eq!(error, "waiting for the subject to request an event: nothing came in time");
    }
}
