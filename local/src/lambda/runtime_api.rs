//! The Runtime API, version 2018-06-01, of one execution environment. The `Desk` is where the pool lays an event down
//! and the runtime fetches it; it holds at most one invocation.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::{HeaderMap, Method, Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, oneshot, watch},
    task::JoinSet,
    time::timeout,
};

use super::{
    answers::{self, Answer},
    body::{self, BodyError},
    error::InvokeError,
    invocation::{Invocation, RESPONSE_LIMIT_BYTES, Reply},
    wire::{WatchedStream, Wire},
};

/// How long connections of a dead process may take to end; its children could hold one open.
const CLOSING_LIMIT: Duration = Duration::from_millis(500);

/// Between the pool and the runtime of one environment.
pub(super) struct Desk {
    state: Mutex<State>,
    laid_down: Notify,
    /// None until the runtime has asked for work or reported that it cannot.
    initialised: watch::Sender<Option<Result<(), InvokeError>>>,
}

#[derive(Default)]
struct State {
    waiting: Option<Invocation>,
    running: Option<Running>,
}

struct Running {
    invocation: Invocation,
    wire: Arc<Wire>,
}

impl Desk {
    pub(super) fn new() -> Arc<Self> {
        let initialised = watch::Sender::new(None);
        Arc::new(Self { state: Mutex::default(), laid_down: Notify::new(), initialised })
    }

    /// Lays an event down for the next request of the runtime.
    pub(super) fn lay_down(&self, invocation: Invocation) {
        self.state().waiting = Some(invocation);
        self.laid_down.notify_one();
    }

    /// Whether the runtime has read the event; to be asked once its connections have ended.
    pub(super) fn event_was_read(&self) -> bool {
        let state = self.state();
        state.running.as_ref().is_some_and(|running| running.wire.took(running.invocation.event.len() as u64))
    }

    /// Waits for the runtime's first request for work, or its report that it cannot work.
    pub(super) async fn initialised(&self) -> Result<(), InvokeError> {
        let mut initialised = self.initialised.subscribe();
        match initialised.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Ok(())),
            Err(_) => Ok(()),
        }
    }

    /// Serves the runtime until `stop`, then lets open connections come to their end, within a bound.
    pub(super) async fn serve(self: Arc<Self>, listener: TcpListener, mut stop: oneshot::Receiver<()>) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                // A connection that a dead process has left behind may carry its last response.
                biased;
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => { connections.spawn(self.clone().serve_connection(stream)); }
                    // Out of file descriptors: the connection stays in the backlog.
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                },
                _ = &mut stop => break,
                Some(_) = connections.join_next() => {}
            }
        }
        let _ = timeout(CLOSING_LIMIT, async { while connections.join_next().await.is_some() {} }).await;
    }

    async fn serve_connection(self: Arc<Self>, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        let (stream, wire) = WatchedStream::new(stream);
        let service = service_fn(|request| {
            let (desk, wire) = (self.clone(), wire.clone());
            async move { Ok::<_, Infallible>(desk.answer(request, wire).await) }
        });
        // Header names as AWS writes them, for clients that compare them as they are.
        let mut http = http1::Builder::new();
        // A broken connection is the runtime's own affair: it connects again or ends.
        let _ = http.title_case_headers(true).serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(&self, request: Request<Incoming>, wire: Arc<Wire>) -> Answer {
        let path = request.uri().path().to_owned();
        let Some(operation) = path.strip_prefix("/2018-06-01/runtime/") else {
            return answers::unknown_path();
        };
        let segments: Vec<&str> = operation.split('/').collect();
        match (request.method(), segments.as_slice()) {
            (&Method::GET, ["invocation", "next"]) => self.next(wire).await,
            (&Method::POST, ["invocation", id, "response"]) => self.response(id, request.into_body()).await,
            (&Method::POST, ["invocation", id, "error"]) => self.error(id, request).await,
            (&Method::POST, ["init", "error"]) => self.init_error(request).await,
            _ => answers::unknown_path(),
        }
    }

    async fn next(&self, wire: Arc<Wire>) -> Answer {
        self.initialised.send_if_modified(|initialised| {
            let first = initialised.is_none();
            initialised.get_or_insert(Ok(()));
            first
        });
        loop {
            {
                let mut state = self.state();
                if state.running.is_some() {
                    return answers::wrong_state("The running invocation has no response yet");
                }
                if let Some(invocation) = state.waiting.take() {
                    let answer = answers::event(&invocation);
                    wire.rewind();
                    state.running = Some(Running { invocation, wire });
                    return answer;
                }
            }
            // The notification outlives a waiter that went away: it is stored for the one that takes its place.
            self.laid_down.notified().await;
        }
    }

    async fn response(&self, request_id: &str, body: Incoming) -> Answer {
        if !self.runs(request_id) {
            return answers::wrong_request_id();
        }
        match body::read(body, RESPONSE_LIMIT_BYTES).await {
            Ok(payload) => self.finish(request_id, Ok(payload), answers::accepted()),
            Err(BodyError::TooLarge) => {
                let error_type = "Function.ResponseSizeTooLarge".to_owned();
                let error = InvokeError::FunctionError { error_type, message: answers::too_large_message() };
                self.finish(request_id, Err(error), answers::too_large())
            }
            Err(BodyError::Broken) => answers::unreadable(),
        }
    }

    async fn error(&self, request_id: &str, request: Request<Incoming>) -> Answer {
        if !self.runs(request_id) {
            return answers::wrong_request_id();
        }
        let error = read_error(request).await;
        self.finish(request_id, Err(error.into_function_error()), answers::accepted())
    }

    async fn init_error(&self, request: Request<Incoming>) -> Answer {
        if self.initialised.borrow().is_some() {
            return answers::wrong_state("The runtime is initialised");
        }
        let error = read_error(request).await;
        self.initialised.send_replace(Some(Err(error.into_function_error())));
        answers::accepted()
    }

    fn runs(&self, request_id: &str) -> bool {
        self.state().running.as_ref().is_some_and(|running| running.invocation.request_id == request_id)
    }

    /// Ends the running invocation, unless another response was faster.
    fn finish(&self, request_id: &str, reply: Reply, answer: Answer) -> Answer {
        let running = self.state().running.take_if(|running| running.invocation.request_id == request_id);
        let Some(running) = running else { return answers::wrong_request_id() };
        // Nobody listens any more after a time-out.
        let _ = running.invocation.reply.send(reply);
        answer
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body of `/error` and `/init/error`; runtimes leave out what they do not have.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ReportedError {
    error_type: Option<String>,
    error_message: Option<String>,
}

impl ReportedError {
    fn into_function_error(self) -> InvokeError {
        InvokeError::FunctionError {
            error_type: self.error_type.unwrap_or_else(|| "Unhandled".to_owned()),
            message: self.error_message.unwrap_or_default(),
        }
    }
}

async fn read_error(request: Request<Incoming>) -> ReportedError {
    let (head, body) = request.into_parts();
    let body = body::read(body, RESPONSE_LIMIT_BYTES).await.unwrap_or_default();
    let mut error: ReportedError = serde_json::from_slice(&body).unwrap_or_default();
    error.error_type = error.error_type.or_else(|| error_type_header(&head.headers));
    error
}

fn error_type_header(headers: &HeaderMap) -> Option<String> {
    Some(headers.get("lambda-runtime-function-error-type")?.to_str().ok()?.to_owned())
}
