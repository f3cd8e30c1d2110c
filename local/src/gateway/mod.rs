//! A stage of an API Gateway REST API with Lambda proxy integrations, on one machine: turns HTTP/1.1 requests into
//! proxy events for the functions, and their results into responses. The stage is not part of the path, as behind a
//! custom domain.
//!
//! Header names in events are in canonical case (`Content-Type`), whatever the client sent: the HTTP library keeps only
//! the lower-case name. API Gateway passes names on as sent, and this is how HTTP/1.1 clients send them. Functions must
//! not depend on the case.

mod access_log;
mod auth;
mod auth_request;
pub mod cognito;
mod connections;
mod cors;
mod errors;
mod event;
mod exchange;
mod hosts;
pub mod iam;
mod identity;
mod limits;
mod pipeline;
mod response;
mod routes;
mod stage;
mod throttle;
mod trace;
mod usage;

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::lambda::Functions;
pub use access_log::{AccessLine, AccessSink};
pub use auth::Auth;
pub use hosts::HostName;
pub use limits::{Limits, MethodThrottle};
pub use routes::Route;
pub use stage::{Clock, Options};
pub use throttle::Throttle;
pub use usage::ApiKey;

use limits::Meters;
use routes::Routes;
use stage::Stage;

/// A running gateway; dropping it closes its connections at once.
pub struct Gateway {
    address: SocketAddr,
    stopping: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Gateway {
    /// Starts listening and serving. Fails when the address is taken, or when routes conflict.
    pub async fn start(options: Options, routes: Vec<Route>, functions: Functions) -> anyhow::Result<Self> {
        let routes = Routes::new(routes)?;
        let listener = TcpListener::bind(options.address)
            .await
            .with_context(|| format!("the gateway cannot listen on {}", options.address))?;
        let address = listener.local_addr()?;
        let stage =
            Arc::new(Stage { meters: Meters::new(&options.limits), options, routes, functions, address });
        let stopping = watch::Sender::new(false);
        let serving = tokio::spawn(connections::serve(listener, stage, stopping.subscribe()));
        Ok(Self { address, stopping, serving })
    }

    /// The base of every URL, without a trailing slash: `http://127.0.0.1:3000`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no more connections, waits up to `Options::stop_timeout` for running requests, then closes the rest.
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
