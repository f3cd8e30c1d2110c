//! A stage: its configuration, and the state that its requests share.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http::request::Parts;
use jiff::Timestamp;
use shared::http::{AllowedHeaders, AllowedOrigins};

use super::{
    access_log::AccessSink,
    auth::Auth,
    hosts::HostName,
    limits::{Limits, Meters},
    routes::{Matched, Routes},
};
use crate::lambda::{ACCOUNT_ID, Functions, REGION};

/// Returns the current time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The gateway's settings. The default has API Gateway's quotas and listens on a free port of this machine.
#[derive(Clone)]
pub struct Options {
    /// The address to listen on; port 0 selects a free port.
    pub address: SocketAddr,
    /// `requestContext.stage`.
    pub stage: String,
    /// The region of the API, in ARNs and signatures.
    pub region: String,
    /// `requestContext.accountId`.
    pub account_id: String,
    /// `requestContext.apiId`.
    pub api_id: String,
    /// The authoriser.
    pub auth: Auth,
    /// The time at which a request is received, for credentials and limits.
    pub clock: Clock,
    /// The host names to accept in addition to those of this machine.
    pub allowed_hosts: Vec<HostName>,
    /// The origins whose pages may call the API.
    pub allowed_origins: AllowedOrigins,
    /// The headers that such pages may send in addition to those of the API and of common clients.
    pub allowed_headers: AllowedHeaders,
    /// Address ranges, API keys, throttles and quotas.
    pub limits: Limits,
    /// Receives a line for every response.
    pub access_log: Option<AccessSink>,
    /// Whether requests without a sampling decision in `X-Amzn-Trace-Id` are traced, as by X-Ray's active tracing.
    pub is_traced: bool,
    /// How long a function may take, including the wait for a free environment; then 504.
    pub integration_timeout: Duration,
    /// How long a request may wait for a free environment; then 500, as for a throttled function.
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

/// The state that all requests share.
pub(super) struct Stage {
    pub(super) options: Options,
    pub(super) routes: Routes,
    pub(super) functions: Functions,
    pub(super) meters: Meters,
    pub(super) address: SocketAddr,
}

/// The authoriser of open routes.
static OPEN: Auth = Auth::None;

impl Stage {
    /// The authoriser of `route`.
    pub(super) fn auth(&self, route: &Matched<'_>) -> &Auth {
        if route.is_open { &OPEN } else { &self.options.auth }
    }

    /// The ARN of the method that a request calls. Like API Gateway, it shows only the end of the account id.
    pub(super) fn resource_arn(&self, head: &Parts) -> String {
        let Options { region, account_id, api_id, stage, .. } = &self.options;
        let account = account_id.get(account_id.len().saturating_sub(4)..).unwrap_or_default();
        let (method, path) = (&head.method, head.uri.path());
        format!("arn:aws:execute-api:{region}:********{account}:{api_id}/{stage}/{method}{path}")
    }
}
