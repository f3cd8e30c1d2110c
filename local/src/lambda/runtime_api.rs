//! The Runtime API, version 2018-06-01, of one execution environment. The pool submits an invocation, and the runtime
//! fetches it and posts its result. There is at most one invocation at a time.

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
    body::{self, BodyError},
    delivery::{Delivery, WatchedStream},
    error::InvokeError,
    invocation::{Invocation, InvocationResult, RESPONSE_LIMIT_BYTES},
    responses::{self, ApiResponse},
};

/// How long to wait for the connections of a process that has ended; its children could hold one open.
const CLOSING_LIMIT: Duration = Duration::from_millis(500);

/// The Runtime API of one environment.
pub(super) struct RuntimeApi {
    state: Mutex<State>,
    submitted: Notify,
    /// `None` until the runtime has requested its first event or reported an initialisation error.
    initialised: watch::Sender<Option<Result<(), InvokeError>>>,
}

#[derive(Default)]
struct State {
    waiting: Option<Invocation>,
    running: Option<Running>,
}

struct Running {
    invocation: Invocation,
    delivery: Arc<Delivery>,
}

impl RuntimeApi {
    pub(super) fn new() -> Arc<Self> {
        let initialised = watch::Sender::new(None);
        Arc::new(Self { state: Mutex::default(), submitted: Notify::new(), initialised })
    }

    /// Makes an invocation available to the runtime's next request.
    pub(super) fn submit(&self, invocation: Invocation) {
        self.state().waiting = Some(invocation);
        self.submitted.notify_one();
    }

    /// Whether the runtime has read the event. Valid once its connections are closed.
    pub(super) fn event_was_read(&self) -> bool {
        let state = self.state();
        state
            .running
            .as_ref()
            .is_some_and(|running| running.delivery.event_was_read(running.invocation.event.len() as u64))
    }

    /// Waits until the runtime requests its first event, or reports an initialisation error.
    pub(super) async fn initialised(&self) -> Result<(), InvokeError> {
        let mut initialised = self.initialised.subscribe();
        match initialised.wait_for(Option::is_some).await {
            Ok(outcome) => outcome.clone().unwrap_or(Ok(())),
            Err(_) => Ok(()),
        }
    }

    /// Serves the runtime until `stop`, then waits a bounded time for open connections to end.
    pub(super) async fn serve(self: Arc<Self>, listener: TcpListener, mut stop: oneshot::Receiver<()>) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                // Accept first: a connection from a process that has ended may carry its last response.
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
        let (stream, delivery) = WatchedStream::new(stream);
        let service = service_fn(|request| {
            let (runtime_api, delivery) = (self.clone(), delivery.clone());
            async move { Ok::<_, Infallible>(runtime_api.answer(request, delivery).await) }
        });
        // Header names in AWS's spelling, for clients that compare them case-sensitively.
        let mut http = http1::Builder::new();
        // Errors are ignored: a runtime whose connection breaks reconnects or exits.
        let _ = http.title_case_headers(true).serve_connection(TokioIo::new(stream), service).await;
    }

    async fn answer(&self, request: Request<Incoming>, delivery: Arc<Delivery>) -> ApiResponse {
        let path = request.uri().path().to_owned();
        let Some(operation) = path.strip_prefix("/2018-06-01/runtime/") else {
            return responses::unknown_path();
        };
        let segments: Vec<&str> = operation.split('/').collect();
        match (request.method(), segments.as_slice()) {
            (&Method::GET, ["invocation", "next"]) => self.next(delivery).await,
            (&Method::POST, ["invocation", id, "response"]) => self.response(id, request.into_body()).await,
            (&Method::POST, ["invocation", id, "error"]) => self.error(id, request).await,
            (&Method::POST, ["init", "error"]) => self.init_error(request).await,
            _ => responses::unknown_path(),
        }
    }

    async fn next(&self, delivery: Arc<Delivery>) -> ApiResponse {
        self.initialised.send_if_modified(|initialised| {
            let first = initialised.is_none();
            initialised.get_or_insert(Ok(()));
            first
        });
        loop {
            {
                let mut state = self.state();
                if state.running.is_some() {
                    return responses::wrong_state("The running invocation has no response yet");
                }
                if let Some(invocation) = state.waiting.take() {
                    let answer = responses::event(&invocation);
                    delivery.restart();
                    state.running = Some(Running { invocation, delivery });
                    return answer;
                }
            }
            // If a waiter goes away, its notification is kept for the next one.
            self.submitted.notified().await;
        }
    }

    async fn response(&self, request_id: &str, body: Incoming) -> ApiResponse {
        if !self.is_running(request_id) {
            return responses::wrong_request_id();
        }
        match body::read(body, RESPONSE_LIMIT_BYTES).await {
            Ok(payload) => self.complete(request_id, Ok(payload), responses::accepted()),
            Err(BodyError::TooLarge) => {
                let error_type = "Function.ResponseSizeTooLarge".to_owned();
                let error =
                    InvokeError::FunctionError { error_type, message: responses::too_large_message() };
                self.complete(request_id, Err(error), responses::too_large())
            }
            Err(BodyError::Broken) => responses::unreadable(),
        }
    }

    async fn error(&self, request_id: &str, request: Request<Incoming>) -> ApiResponse {
        if !self.is_running(request_id) {
            return responses::wrong_request_id();
        }
        let error = read_error(request).await;
        self.complete(request_id, Err(error.into_function_error()), responses::accepted())
    }

    async fn init_error(&self, request: Request<Incoming>) -> ApiResponse {
        if self.initialised.borrow().is_some() {
            return responses::wrong_state("The runtime is initialised");
        }
        let error = read_error(request).await;
        self.initialised.send_replace(Some(Err(error.into_function_error())));
        responses::accepted()
    }

    fn is_running(&self, request_id: &str) -> bool {
        self.state().running.as_ref().is_some_and(|running| running.invocation.request_id == request_id)
    }

    /// Completes the running invocation, unless another response has already done so.
    fn complete(&self, request_id: &str, result: InvocationResult, answer: ApiResponse) -> ApiResponse {
        let running = self.state().running.take_if(|running| running.invocation.request_id == request_id);
        let Some(running) = running else { return responses::wrong_request_id() };
        // After a timeout the receiver is gone.
        let _ = running.invocation.result.send(result);
        answer
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body of `/error` and `/init/error`; runtimes may omit any field.
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
