//! `GET /health`: whether the service can answer requests.

use std::time::Duration;

use http::{HeaderValue, Method, header};
use serde::Serialize;
use serde_json::{Value, json};
use shared::{
    App, Operation, Problem, Reply, Request, Result, Role, Route,
    contract::{BadRequest, Checked, Example},
    telemetry::milliseconds,
};
use tokio::time::Instant;
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
#[utoipa::path(get, path = OPERATION.routes[0].path, responses(Checked, BadRequest))]
pub async fn get_health(app: &App, _request: &Request) -> Result<Reply> {
    let ((database, answered), cache) = tokio::join!(
        check(async { app.database.within(PATIENCE).read("select 1", &[]).await.map(|_| ()) }),
        async {
            match &app.cache {
                Some(cache) => Some(check(cache.ping()).await.0),
                None => None,
            }
        },
    );
    let has_no_cache = cache.as_ref().is_some_and(|cache| cache.status == CheckStatus::Unavailable);
    let checks = Checks { database, cache };
    match answered {
        Ok(()) => {
            // Every request is answered without a cache, only not as fast: no reason to take the service out of use.
            let status = if has_no_cache { Status::Degraded } else { Status::Ok };
            let reply = Reply::ok(&Health { status, checks });
            Ok(reply.with_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
        }
        Err(error) => Err(Problem::from(error).with_member("checks", &checks)),
    }
}

/// What `work` comes to, and what that says of who does it.
async fn check<E>(work: impl Future<Output = Result<(), E>>) -> (Check, Result<(), E>) {
    let asked = Instant::now();
    let answered = work.await;
    let latency_ms = milliseconds(asked.elapsed());
    let status = if answered.is_ok() { CheckStatus::Ok } else { CheckStatus::Unavailable };
    (Check { status, latency_ms }, answered)
}

/// What the service says of itself.
#[derive(Serialize, ToSchema)]
#[schema(example = Self::example)]
pub struct Health {
    /// Whether requests are answered; if they are not, the answer is 503.
    status: Status,
    /// What was checked.
    checks: Checks,
}

impl Example for Health {
    fn example() -> Value {
        json!({"status": "ok", "checks": {"database": {"status": "ok", "latency_ms": 0.8}}})
    }
}

/// Whether requests are answered.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All is well.
    Ok,
    /// They are, only not as fast as with a cache.
    Degraded,
}

/// What was checked.
#[derive(Serialize, ToSchema)]
pub struct Checks {
    /// PostgreSQL.
    database: Check,
    /// The cache, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    cache: Option<Check>,
}

/// One check.
#[derive(Serialize, ToSchema)]
pub struct Check {
    /// What it came to.
    status: CheckStatus,
    /// How long it took, in milliseconds.
    #[schema(minimum = 0)]
    latency_ms: f64,
}

/// What a check came to.
#[derive(PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// It works.
    Ok,
    /// It does not answer.
    Unavailable,
}
