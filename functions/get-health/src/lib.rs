//! `GET /health`: whether the service can answer requests.

use std::time::Duration;

use http::{HeaderValue, Method, header};
use serde_json::json;
use shared::{App, Operation, Problem, Reply, Request, Result, Role, Route, db};
use tokio::time::{Instant, timeout};

/// The operation.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "getHealth",
    routes: &[Route::new(Method::GET, "/health")],
    role: Role::Reader,
    handler: |app, request| Box::pin(get_health(app, request)),
};

/// A database that takes longer is of no use to anybody.
const PATIENCE: Duration = Duration::from_secs(2);

async fn get_health(app: &App, _request: &Request) -> Result<Reply> {
    let asked = Instant::now();
    let answered = timeout(PATIENCE, app.database.read("select 1", &[])).await;
    let latency_ms = (asked.elapsed().as_secs_f64() * 1e6).round() / 1e3;
    let cache_status = match &app.cache {
        None => None,
        Some(cache) => Some(if cache.is_up().await { "ok" } else { "unavailable" }),
    };
    let checks = |status: &str| {
        let mut checks = json!({"database": {"status": status, "latency_ms": latency_ms}});
        if let Some(status) = cache_status {
            checks["cache"] = json!({"status": status});
        }
        checks
    };
    match answered.unwrap_or(Err(db::Error::TimedOut)) {
        Ok(_) => {
            // Every request is answered without a cache, only not as fast: no reason to take the service out of use.
            let status = if cache_status == Some("unavailable") { "degraded" } else { "ok" };
            let reply = Reply::ok(&json!({"status": status, "checks": checks("ok")}));
            Ok(reply.with_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
        }
        Err(error) => Err(Problem::from(error).with_member("checks", checks("unavailable"))),
    }
}
