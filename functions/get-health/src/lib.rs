//! `GET /health`: whether the service can serve requests.

use std::time::Duration;

use http::{HeaderValue, Method, header};
use serde::Serialize;
use serde_json::{Value, json};
use shared::{
    App, Operation, Problem, Request, Response, Result, Role, Route,
    contract::{BadRequest, Checked, Example},
    telemetry::milliseconds,
};
use tokio::time::Instant;
use utoipa::ToSchema;

/// The operation's declaration.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "getHealth",
    routes: &[Route::new(Method::GET, "/health")],
    role: Role::Reader,
    handler: |app, request| Box::pin(get_health(app, request)),
};

/// Longest wait for the database: a slower one cannot serve requests anyway.
const PATIENCE: Duration = Duration::from_secs(2);

/// Check the health of the service
///
/// 200 if requests can be served, 503 if not, each with the results of the checks.
#[utoipa::path(get, path = OPERATION.routes[0].path, responses(Checked, BadRequest))]
pub async fn get_health(app: &App, _request: &Request) -> Result<Response> {
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
            // All requests work without a cache, only more slowly: no reason to take the service out of
            // rotation.
            let status = if has_no_cache { Status::Degraded } else { Status::Ok };
            let response = Response::ok(&Health { status, checks });
            Ok(response.with_header(header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
        }
        Err(error) => Err(Problem::from(error).with_member("checks", &checks)),
    }
}

/// Runs `work` and returns its result, once as a check with its latency.
async fn check<E>(work: impl Future<Output = Result<(), E>>) -> (Check, Result<(), E>) {
    let asked = Instant::now();
    let answered = work.await;
    let latency_ms = milliseconds(asked.elapsed());
    let status = if answered.is_ok() { CheckStatus::Ok } else { CheckStatus::Unavailable };
    (Check { status, latency_ms }, answered)
}

/// The health of the service.
#[derive(Serialize, ToSchema)]
#[schema(example = Self::example)]
pub struct Health {
    /// The overall status; if requests cannot be served, the response is 503 instead.
    status: Status,
    /// The results of the checks.
    checks: Checks,
}

impl Example for Health {
    fn example() -> Value {
        json!({"status": "ok", "checks": {"database": {"status": "ok", "latency_ms": 0.8}}})
    }
}

/// Whether requests can be served.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// All checks have passed.
    Ok,
    /// Requests are served, but more slowly, because the cache is unavailable.
    Degraded,
}

/// The results of the checks.
#[derive(Serialize, ToSchema)]
pub struct Checks {
    /// PostgreSQL.
    database: Check,
    /// The cache, if one is configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    cache: Option<Check>,
}

/// The result of a check.
#[derive(Serialize, ToSchema)]
pub struct Check {
    /// Whether the dependency answered.
    status: CheckStatus,
    /// The duration of the check, in milliseconds.
    #[schema(minimum = 0)]
    latency_ms: f64,
}

/// The status of a dependency.
#[derive(PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// It answered.
    Ok,
    /// It did not answer, or with an error.
    Unavailable,
}
