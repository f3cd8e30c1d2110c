//! `GET /health`: whether the service can answer requests.

use std::time::Duration;

use http::{HeaderValue, Method, header};
use serde::Serialize;
use serde_json::{Value, json};
use shared::{
    App, Operation, Problem, Reply, Request, Result, Role, Route,
    contract::{Checked, Example},
    db,
};
use tokio::time::{Instant, timeout};
use utoipa::ToSchema;

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

/// Whether the service works
///
/// 200 if requests can be answered, 503 if not, each with what was checked.
#[utoipa::path(get, path = OPERATION.routes[0].path, tag = "service", responses(Checked))]
pub async fn get_health(app: &App, _request: &Request) -> Result<Reply> {
    let asked = Instant::now();
    let answered = timeout(PATIENCE, app.database.read("select 1", &[])).await;
    let latency_ms = (asked.elapsed().as_secs_f64() * 1e6).round() / 1e3;
    let checks = |status| Checks { database: Check { status, latency_ms } };
    match answered.unwrap_or(Err(db::Error::TimedOut)) {
        Ok(_) => {
            let reply = Reply::ok(&Health { status: Status::Ok, checks: checks(Status::Ok) });
            Ok(reply.with_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
        }
        Err(error) => Err(Problem::from(error).with_member("checks", &checks(Status::Unavailable))),
    }
}

/// What the service says of itself.
#[derive(Serialize, ToSchema)]
#[schema(example = Self::example)]
pub struct Health {
    /// `ok`, or the answer would be 503.
    status: Status,
    /// What was checked.
    checks: Checks,
}

impl Example for Health {
    fn example() -> Value {
        json!({"status": "ok", "checks": {"database": {"status": "ok", "latency_ms": 0.8}}})
    }
}

/// What was checked.
#[derive(Serialize, ToSchema)]
pub struct Checks {
    /// PostgreSQL.
    database: Check,
}

/// One check.
#[derive(Serialize, ToSchema)]
pub struct Check {
    /// What it came to.
    status: Status,
    /// How long it took, in milliseconds.
    #[schema(minimum = 0)]
    latency_ms: f64,
}

/// How something is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It works.
    Ok,
    /// It does not answer.
    Unavailable,
}
