//! The steps of a request, in API Gateway's order: host, resource policy, preflight, route, read, authorise, usage
//! plan, throttle, integrate. Each step either passes its result to the next one or ends the request with a
//! `GatewayError`.

use std::{net::SocketAddr, time::Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri, request::Parts};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::time::timeout;

use crate::lambda::{
    InvokeError,
    body::{self, BodyError},
};

use super::{
    auth_request::AuthRequest, cors, errors::GatewayError, event, exchange::Exchange, hosts, response,
    routes::Matched, stage::Stage,
};

/// API Gateway's quota for a request's body: 10 MB.
const BODY_LIMIT_BYTES: usize = 10 * 1024 * 1024;

/// Responds to one request, with an error response if a step fails.
pub(super) async fn respond(
    stage: &Stage,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let mut exchange = Exchange::new(peer, &head, (stage.options.clock)());
    let (mut response, failure) = match process(stage, &mut exchange, &head, body).await {
        Ok(response) => (response, None),
        Err(error) => {
            let mut response = error.to_response(head.uri.path(), &exchange.request_id);
            stage.options.allowed_origins.share(&head.headers, response.headers_mut());
            (response, Some(error))
        }
    };
    exchange.add_identifiers(response.headers_mut());
    if let Some(sink) = &stage.options.access_log {
        sink(exchange.into_access_line(&head, &response, failure));
    }
    response
}

async fn process(
    stage: &Stage,
    exchange: &mut Exchange,
    head: &Parts,
    body: Incoming,
) -> Result<Response<Full<Bytes>>, GatewayError> {
    let now = exchange.received;
    let host = hosts::host(head, stage.address, &stage.options.allowed_hosts)?;
    let resource = stage.resource_arn(head);
    stage.options.limits.admit_address(exchange.peer.ip(), &resource)?;
    if let Some(response) = cors::preflight(stage, exchange, head) {
        return Ok(response);
    }
    let route = route(stage, &head.method, &head.uri)?;
    exchange.resource = Some(route.resource.template.clone());
    let body = read_body(stage, &head.headers, body).await?;

    let region = &stage.options.region;
    let request = AuthRequest { region, resource: &resource, exchange, head, body: &body };
    let mut identity = stage.auth(&route).authorise(&request)?;

    (exchange.caller, exchange.user) = (identity.caller.clone(), identity.user.clone());
    if !route.is_open
        && let Some(key) = stage.meters.usage.key(&head.headers)?
    {
        (identity.api_key, identity.api_key_id) = (Some(key.value.clone()), Some(key.id.clone()));
        exchange.api_key_id = Some(key.id.clone());
        stage.meters.usage.admit(key, now)?;
    }
    stage.meters.admit(&head.method, &route, now)?;

    let started = Instant::now();
    let response = integrate(event::Input { stage, exchange, head, host, route, identity, body }).await;
    exchange.integration_duration = Some(started.elapsed());
    response
}

fn route<'s>(stage: &'s Stage, method: &Method, uri: &Uri) -> Result<Matched<'s>, GatewayError> {
    stage.routes.find(method, uri.path()).ok_or_else(GatewayError::missing_authentication_token)
}

async fn read_body(stage: &Stage, headers: &HeaderMap, body: Incoming) -> Result<Bytes, GatewayError> {
    let asks_first = headers.contains_key(http::header::EXPECT);
    if asks_first && hyper::body::Body::size_hint(&body).lower() > BODY_LIMIT_BYTES as u64 {
        return Err(GatewayError::request_too_large("the client announced more than 10 MB"));
    }
    match timeout(stage.options.body_timeout, body::read(body, BODY_LIMIT_BYTES)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(BodyError::TooLarge)) => Err(GatewayError::request_too_large("the body is over 10 MB")),
        Ok(Err(BodyError::Broken)) => Err(GatewayError::bad_request("The body could not be read")),
        Err(_elapsed) => Err(GatewayError::request_timed_out()),
    }
}

async fn integrate(input: event::Input<'_>) -> Result<Response<Full<Bytes>>, GatewayError> {
    let (stage, function) = (input.stage, input.route.function);
    let trace_id = input.exchange.function_trace_id(stage.options.is_traced);
    let event = input.into_event()?;
    let invocation = stage.functions.invoke(function, event, &trace_id, stage.options.queue_timeout);
    match timeout(stage.options.integration_timeout, invocation).await {
        Ok(Ok(payload)) => response::to_response(&payload).map_err(|reason| {
            GatewayError::integration_failed(format!("{function} returned a malformed response: {reason}"))
        }),
        Ok(Err(error @ InvokeError::Throttled { .. })) => {
            Err(GatewayError::throttled(format!("{function}: {error}")))
        }
        Ok(Err(error @ InvokeError::EventTooLarge { .. })) => {
            Err(GatewayError::request_too_large(&error.to_string()))
        }
        Ok(Err(error)) => Err(GatewayError::integration_failed(format!("{function}: {error}"))),
        Err(_elapsed) => Err(GatewayError::integration_timed_out(function)),
    }
}
