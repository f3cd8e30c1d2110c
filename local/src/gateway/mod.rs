//! API Gateway REST (a stage with Lambda proxy integrations) on one machine: HTTP/1.1 in, proxy events to the functions,
//! their answers out. The stage is not part of the path, as behind a custom domain.
//!
//! Header names in events are in canonical case (`Content-Type`), whatever the client sent: the HTTP library keeps only
//! lower case, API Gateway passes names on as sent, and HTTP/1.1 clients send them like this. A function must not care.

mod access_log;
mod answer;
mod auth;
pub mod cognito;
mod connections;
mod cors;
mod errors;
mod event;
mod exchange;
mod hosts;
pub mod iam;
mod limits;
mod pipeline;
mod routes;
mod throttle;
mod trace;
mod usage;

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use http::Method;
use jiff::Timestamp;
use shared::http::{AllowedHeaders, AllowedOrigins};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::lambda::{ACCOUNT_ID, Functions, REGION};
pub use access_log::{AccessLine, AccessSink};
pub use auth::Auth;
pub use hosts::HostName;
pub use limits::{Limits, MethodThrottle};
pub use throttle::Throttle;
pub use usage::ApiKey;

/// One method of one resource and the function behind it.
#[derive(Clone, Debug)]
pub struct Route {
    /// The HTTP method; HEAD is not derived from GET.
    pub method: Method,
    /// The resource's template: `/v1/products/{id}`, or `/files/{path+}` for all that is below.
    pub path: String,
    /// The function's name.
    pub function: String,
    /// Whether everybody may call it: no authoriser and no API key, whatever the stage has.
    pub is_open: bool,
}

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How the gateway runs; the default is API Gateway's quotas on a free port of this machine.
#[derive(Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// `requestContext.stage`.
    pub stage: String,
    /// The region that the API claims to be in.
    pub region: String,
    /// `requestContext.accountId`.
    pub account_id: String,
    /// `requestContext.apiId`.
    pub api_id: String,
    /// Who may call what.
    pub auth: Auth,
    /// When a request was received, by which credentials and limits are judged.
    pub clock: Clock,
    /// The names that it answers to besides those of this machine.
    pub allowed_hosts: Vec<HostName>,
    /// The origins whose pages may call the API.
    pub allowed_origins: AllowedOrigins,
    /// What such pages may send besides the headers that the contract and common clients have.
    pub allowed_headers: AllowedHeaders,
    /// Who and how many are let through, whoever they are.
    pub limits: Limits,
    /// Gets a line for every request that was answered.
    pub access_log: Option<AccessSink>,
    /// Whether a request is traced whose `X-Amzn-Trace-Id` does not say so: X-Ray's active tracing, of every request.
    pub is_traced: bool,
    /// How long a function may take to answer, the wait for a free environment included; then 504.
    pub integration_timeout: Duration,
    /// How long a request waits for a free environment; then 500, as for a throttled function.
    pub queue_timeout: Duration,
    /// How long a connection may be idle, or take to send a request's head.
    pub header_timeout: Duration,
    /// How long a client may take to send a body; then 408.
    pub body_timeout: Duration,
    /// How long `stop` waits for running requests.
    pub stop_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            stage: "local".to_owned(),
            region: REGION.to_owned(),
            account_id: ACCOUNT_ID.to_owned(),
            api_id: project::NAME.to_owned(),
            auth: Auth::None,
            clock: Arc::new(Timestamp::now),
            allowed_hosts: Vec::new(),
            allowed_origins: AllowedOrigins::default(),
            allowed_headers: AllowedHeaders::default(),
            limits: Limits::default(),
            access_log: None,
            is_traced: false,
            integration_timeout: Duration::from_secs(29),
            queue_timeout: Duration::from_secs(20),
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            stop_timeout: Duration::from_secs(5),
        }
    }
}

/// What every request needs.
struct Stage {
    options: Options,
    routes: routes::Routes,
    functions: Functions,
    meters: limits::Meters,
    address: SocketAddr,
}

/// A running gateway; dropping it closes its connections at once.
pub struct Gateway {
    address: SocketAddr,
    stopping: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Gateway {
    /// Listens and serves. Fails when the address is taken, or when routes contradict each other.
    pub async fn start(options: Options, routes: Vec<Route>, functions: Functions) -> anyhow::Result<Self> {
        let routes = routes::Routes::new(routes)?;
        let listener = TcpListener::bind(options.address)
            .await
            .with_context(|| format!("the gateway cannot listen on {}", options.address))?;
        let address = listener.local_addr()?;
        let stage = Arc::new(Stage {
            meters: limits::Meters::new(&options.limits),
            options,
            routes,
            functions,
            address,
        });
        let stopping = watch::Sender::new(false);
        let serving = tokio::spawn(connections::serve(listener, stage, stopping.subscribe()));
        Ok(Self { address, stopping, serving })
    }

    /// The base of every URL, without a trailing slash: `http://127.0.0.1:3000`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections, waits for running requests within `Options::stop_timeout`, then closes the rest.
    pub async fn stop(mut self) {
        self.stopping.send_replace(true);
        let _ = (&mut self.serving).await;
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
