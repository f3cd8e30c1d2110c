//! `GET /v1/products/{id}` with axum and sqlx.

use std::{env, io, time::Instant};

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::{StatusCode, header::ETAG},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use lambda_http::{Error, run, tracing};
use metrics::Unit;
use metrics_cloudwatch_embedded::{Builder, Collector};
use serde::Serialize;
use sqlx::{FromRow, PgPool, postgres::PgPoolOptions};
use time::OffsetDateTime;
use uuid::Uuid;

const SELECT: &str =
    "select id, artisan_id, name, description, price, currency, version, created_at, updated_at
    from products
    where id = $1";

#[derive(FromRow, Serialize)]
struct Product {
    id: Uuid,
    artisan_id: Option<Uuid>,
    name: String,
    description: String,
    price: i64,
    currency: String,
    version: i64,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

/// A response other than the product.
enum Failure {
    NotFound,
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "There is no such product.").into_response(),
            Self::Database(error) => {
                tracing::error!(%error, "the database failed");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

async fn get_product(State(pool): State<PgPool>, Path(id): Path<Uuid>) -> Result<impl IntoResponse, Failure> {
    let product: Product =
        sqlx::query_as(SELECT).bind(id).fetch_optional(&pool).await?.ok_or(Failure::NotFound)?;
    let etag = format!("\"{id}.{}\"", product.version);
    Ok(([(ETAG, etag)], Json(product)))
}

/// Writes the log line and the metrics of each request.
async fn telemetry(State(collector): State<&'static Collector>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = next.run(request).await;
    let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
    metrics::counter!("RequestCount").increment(1);
    metrics::histogram!("Latency").record(milliseconds);
    if let Err(error) = collector.flush(io::stdout()) {
        tracing::error!(%error, "the metrics are lost");
    }
    let status = response.status().as_u16();
    tracing::info!(%method, path, status, duration_ms = milliseconds, "request");
    response
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let collector =
        Builder::new().cloudwatch_namespace("Catalogue").with_dimension("service", "catalogue").init()?;
    metrics::describe_counter!("RequestCount", Unit::Count, "Requests");
    metrics::describe_histogram!("Latency", Unit::Milliseconds, "The time that a request takes");
    let pool = PgPoolOptions::new()
        // An execution environment of Lambda has one request at a time.
        .max_connections(1)
        // Saves the round trip that would check whether the connection still works.
        .test_before_acquire(false)
        .connect(&env::var("DATABASE_URL")?)
        .await?;
    let app = Router::new()
        .route("/v1/products/{id}", get(get_product))
        .layer(middleware::from_fn_with_state(collector, telemetry))
        .with_state(pool);
    run(app).await
}
