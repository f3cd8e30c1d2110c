//! A client of Lambda's Runtime API, version 2018-06-01: one event after the other, over one connection.
//!
//! `lambda_runtime` has a client as well, based on hyper's connection pool. It took a third of the
//! instructions of a warm request and five more system calls. This client sends the same as `lambda_runtime`
//! for every event and every failure: tests/contract/runtime_api.rs compares them on the same events.

use std::{fmt, io, io::Write as _, str};

use ::http::Uri;
use lambda_runtime::{Context, Diagnostic};
use project::NAME;
use serde::Serialize;
use tokio::net::TcpStream;

use crate::{
    environment::{AWS_LAMBDA_INITIALIZATION_TYPE, AWS_LAMBDA_RUNTIME_API},
    http1::{self, Response},
};

/// The release, sent in the User-Agent header.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A buffer that has grown larger than this is freed.
const KEPT_BYTES: usize = 256 * 1024;

/// Room for an event of the usual size with its headers, so that one read is enough.
const EXPECTED_BYTES: usize = 16 * 1024;

/// The Runtime API of this execution environment, with the connection to it.
pub(super) struct RuntimeApi {
    /// `host:port`.
    authority: String,
    /// The prefix of every path: `cargo lambda watch` serves all functions at one address.
    base_path: String,
    connection: Option<TcpStream>,
    head: Vec<u8>,
    body: Vec<u8>,
    /// The Runtime API's reply to a response or an error.
    receipt: Vec<u8>,
}

/// An event with Lambda's metadata of its invocation. Created once and reused for every event.
pub(super) struct Invocation {
    bytes: Vec<u8>,
    response: Response,
    context: Context,
    /// An id by which Lambda tells late responses from timely ones; sent back with the response.
    invocation_id: Option<String>,
}

/// Why no more events can be received.
#[derive(Debug)]
pub(super) enum Error {
    /// `AWS_LAMBDA_RUNTIME_API` is not an address.
    Address,
    /// The connection failed or was lost.
    Connection(io::Error),
    /// The Runtime API replied with an unexpected status.
    Answer {
        /// The status code.
        status: u16,
        /// The path of the request.
        asked: &'static str,
    },
    /// An event lacks a required header.
    Header(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address => f.write_str("AWS_LAMBDA_RUNTIME_API is not an address"),
            Self::Connection(error) => write!(f, "the Runtime API cannot be reached: {error}"),
            Self::Answer { status, asked } => write!(f, "the Runtime API replied with {status} to {asked}"),
            Self::Header(name) => write!(f, "the Runtime API sent an event without {name}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Connection(error)
    }
}

impl Invocation {
    pub(super) fn new() -> Self {
        let (response, context) = (Response::default(), Context::default());
        Self { bytes: Vec::new(), response, context, invocation_id: None }
    }

    /// The event, if it is valid UTF-8.
    pub(super) fn event(&self) -> Result<&str, str::Utf8Error> {
        str::from_utf8(self.response.body(&self.bytes))
    }

    /// The invocation's metadata.
    pub(super) fn context(&self) -> &Context {
        &self.context
    }

    /// Stores the value of a header. Strings reuse their memory.
    fn take(context: &mut Context, invocation_id: &mut Option<String>, name: &str, value: &[u8]) {
        let Some(name) = strip_prefix_ignoring_case(name, "lambda-runtime-") else { return };
        let copy = |to: &mut String| {
            to.clear();
            to.push_str(&String::from_utf8_lossy(value));
        };
        let text = || String::from_utf8_lossy(value);
        if name.eq_ignore_ascii_case("aws-request-id") {
            copy(&mut context.request_id);
        } else if name.eq_ignore_ascii_case("deadline-ms") {
            context.deadline = text().trim().parse().unwrap_or_default();
        } else if name.eq_ignore_ascii_case("invoked-function-arn") {
            copy(&mut context.invoked_function_arn);
        } else if name.eq_ignore_ascii_case("trace-id") {
            copy(context.xray_trace_id.get_or_insert_default());
        } else if name.eq_ignore_ascii_case("invocation-id") {
            *invocation_id = str::from_utf8(value).ok().filter(|id| is_visible(id)).map(str::to_owned);
        }
    }

    fn clear(&mut self) {
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        self.bytes.reserve(EXPECTED_BYTES);
        self.context.request_id.clear();
        self.context.deadline = 0;
        self.context.invoked_function_arn.clear();
        if let Some(trace) = &mut self.context.xray_trace_id {
            trace.clear();
        }
        self.invocation_id = None;
    }
}

/// Whether `text` is a valid header value.
fn is_visible(text: &str) -> bool {
    text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

fn strip_prefix_ignoring_case<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let (start, rest) = name.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

impl RuntimeApi {
    /// The Runtime API at the environment's address: `host:port`, or a URL whose path is the prefix of all
    /// others.
    pub(super) fn from_env() -> Result<Self, Error> {
        Self::at(&AWS_LAMBDA_RUNTIME_API.read().ok_or(Error::Address)?)
    }

    fn at(address: &str) -> Result<Self, Error> {
        let uri: Uri = address.parse().map_err(|_| Error::Address)?;
        let authority = uri.authority().ok_or(Error::Address)?.as_str().to_owned();
        let base_path = uri.path().trim_end_matches('/').to_owned();
        Ok(Self {
            authority,
            base_path,
            connection: None,
            head: Vec::with_capacity(512),
            body: Vec::new(),
            receipt: Vec::new(),
        })
    }

    /// With SnapStart (`AWS_LAMBDA_INITIALIZATION_TYPE`), waits until the environment has been restored from
    /// its snapshot. Connections from before the snapshot are closed.
    pub(super) async fn restored(&mut self) -> Result<(), Error> {
        if AWS_LAMBDA_INITIALIZATION_TYPE.read().as_deref() != Some("snap-start") {
            return Ok(());
        }
        self.body.clear();
        self.begin("GET", format_args!("restore/next"));
        self.end_head(None);
        let restored = self.exchange_for_receipt().await?;
        self.connection = None;
        if restored.is_success() {
            return Ok(());
        }
        let error = Error::Answer { status: restored.status, asked: "restore/next" };
        let diagnostic =
            Diagnostic { error_type: "Runtime.InitError".to_owned(), error_message: error.to_string() };
        self.write_body(&diagnostic);
        self.begin("POST", format_args!("init/error"));
        self.head.extend_from_slice(b"lambda-runtime-function-error-type: Runtime.InitError\r\n");
        self.send_answer(None).await?;
        Err(error)
    }

    /// Waits for the next event, without a time-out: Lambda may freeze the environment meanwhile.
    pub(super) async fn next(&mut self, invocation: &mut Invocation) -> Result<(), Error> {
        loop {
            invocation.clear();
            self.body.clear();
            self.begin("GET", format_args!("invocation/next"));
            self.end_head(None);
            let Invocation { bytes, context, invocation_id, .. } = invocation;
            let take = |name: &str, value: &[u8]| Invocation::take(context, invocation_id, name, value);
            let response = self.exchange(bytes, take).await?;
            match response.status {
                200 => invocation.response = response,
                // No event yet, as some local environments report it.
                204 => continue,
                status => return Err(Error::Answer { status, asked: "invocation/next" }),
            }
            invocation.context.xray_trace_id.take_if(|trace| trace.is_empty());
            if invocation.context.request_id.is_empty() {
                return Err(Error::Header("Lambda-Runtime-Aws-Request-Id"));
            }
            return Ok(());
        }
    }

    /// Responds to `invocation` with `answer` as JSON. A rejection by the Runtime API is only logged, because
    /// it does not affect the next event.
    pub(super) async fn answer(
        &mut self,
        invocation: &Invocation,
        answer: &impl Serialize,
    ) -> Result<(), Error> {
        self.write_body(answer);
        self.begin("POST", format_args!("invocation/{}/response", invocation.context.request_id));
        self.send_answer(Some(invocation)).await
    }

    /// Fails `invocation`. The caller gets a `FunctionError` with `diagnostic`.
    pub(super) async fn fail(
        &mut self,
        invocation: &Invocation,
        diagnostic: &Diagnostic,
    ) -> Result<(), Error> {
        self.write_body(diagnostic);
        self.begin("POST", format_args!("invocation/{}/error", invocation.context.request_id));
        self.head.extend_from_slice(b"lambda-runtime-function-error-type: unhandled\r\n");
        self.send_answer(Some(invocation)).await
    }

    fn write_body(&mut self, content: &impl Serialize) {
        if self.body.capacity() > KEPT_BYTES {
            self.body = Vec::new();
        }
        self.body.clear();
        // The types serialised here have string keys, and writing to a Vec cannot fail.
        if let Err(error) = serde_json::to_writer(&mut self.body, content) {
            tracing::error!(%error, "the response could not be serialised");
        }
    }

    async fn send_answer(&mut self, invocation: Option<&Invocation>) -> Result<(), Error> {
        let id = invocation.and_then(|invocation| invocation.invocation_id.as_deref());
        if let Some(id) = id {
            for part in ["lambda-runtime-invocation-id: ", id, "\r\n"] {
                self.head.extend_from_slice(part.as_bytes());
            }
        }
        self.end_head(Some(self.body.len()));
        let answered = self.exchange_for_receipt().await?;
        if !answered.is_success() {
            let reason = String::from_utf8_lossy(answered.body(&self.receipt));
            tracing::error!(status = answered.status, %reason, "Lambda rejected the response");
        }
        Ok(())
    }

    /// Starts the head of a request. Writing to a Vec cannot fail.
    fn begin(&mut self, method: &str, path: fmt::Arguments<'_>) {
        let Self { base_path, authority, head, .. } = self;
        head.clear();
        let _ = write!(
            head,
            "{method} {base_path}/2018-06-01/runtime/{path} HTTP/1.1\r\nhost: {authority}\r\nuser-agent: {NAME}/{VERSION}\r\n"
        );
    }

    fn end_head(&mut self, content_length: Option<usize>) {
        if let Some(length) = content_length {
            let _ = write!(self.head, "content-length: {length}\r\n");
        }
        self.head.extend_from_slice(b"\r\n");
    }

    /// Like [`exchange`](Self::exchange), with a response that is short and replaces the last receipt.
    async fn exchange_for_receipt(&mut self) -> Result<Response, Error> {
        let mut receipt = std::mem::take(&mut self.receipt);
        receipt.clear();
        let exchanged = self.exchange(&mut receipt, |_, _| ()).await;
        self.receipt = receipt;
        exchanged
    }

    /// Sends the request and reads the response into `into`. If the peer has closed the idle connection,
    /// retries once on a new one: Lambda rejects a repeated response without any effect.
    async fn exchange(
        &mut self,
        into: &mut Vec<u8>,
        mut on_header: impl FnMut(&str, &[u8]),
    ) -> Result<Response, Error> {
        if let Some(mut connection) = self.connection.take() {
            let exchanged =
                http1::exchange(&mut connection, &self.head, &self.body, into, &mut on_header).await;
            match exchanged {
                Err(_) if into.is_empty() => {}
                exchanged => return self.exchanged(connection, exchanged),
            }
        }
        let mut connection = TcpStream::connect(&self.authority).await?;
        connection.set_nodelay(true)?;
        let exchanged = http1::exchange(&mut connection, &self.head, &self.body, into, &mut on_header).await;
        self.exchanged(connection, exchanged)
    }

    fn exchanged(
        &mut self,
        connection: TcpStream,
        exchanged: io::Result<Response>,
    ) -> Result<Response, Error> {
        let response = exchanged?;
        if response.keeps_connection {
            self.connection = Some(connection);
        }
        Ok(response)
    }
}
