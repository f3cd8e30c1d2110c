//! `POST /v1/artisans`: a new artisan.

use http::Method;
use shared::{
    App, Operation, Reply, Request, Result, Role, Route,
    artisan::{Artisan, NewArtisan},
    contract::{AuditReason, Created, IdempotencyKey},
    db::{Parameter, Repeat, Statement, Type, WriteError, Written},
    history::Record,
    http::SECONDS_TO_LIVE,
    text,
};

/// The operation.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "createArtisan",
    routes: &[Route::new(Method::POST, "/v1/artisans")],
    role: Role::Writer,
    handler: |app, request| Box::pin(create_artisan(app, request)),
};

/// Create an artisan
///
/// Both names are needed.
#[utoipa::path(
    post,
    path = OPERATION.routes[0].path,
    tag = "artisans",
    params(IdempotencyKey, AuditReason),
    request_body = NewArtisan,
    responses(Created<Artisan>),
)]
pub async fn create_artisan(app: &App, request: &Request) -> Result<Reply> {
    let members = request.json()?;
    let claim = request.claim(OPERATION.name, &members)?;
    let record = Record::of(request, &OPERATION)?;
    let artisan = NewArtisan::from_members(members)?.into_artisan();

    let [operation, principal, request_id, reason] = record.parameters();
    let parameters: [Parameter<'_>; 17] = [
        (&artisan.id.0, Type::UUID),
        (&artisan.given_name, Type::TEXT),
        (&text::fold(&artisan.given_name), Type::TEXT),
        (&artisan.family_name, Type::TEXT),
        (&text::fold(&artisan.family_name), Type::TEXT),
        (&artisan.biography, Type::TEXT),
        (&artisan.version, Type::INT8),
        (&artisan.created_at, Type::TIMESTAMPTZ),
        (&artisan.updated_at, Type::TIMESTAMPTZ),
        (&claim.caller, Type::TEXT),
        (&claim.key, Type::TEXT),
        (&claim.fingerprint, Type::BYTEA),
        (&SECONDS_TO_LIVE, Type::INT8),
        operation,
        principal,
        request_id,
        reason,
    ];
    let statement = Statement { sql: CREATE_ARTISAN, parameters: &parameters, repeat: Repeat::Safe };
    let settle = |written: Result<Written, WriteError>| claim.settle(written?.row, request, artisan.clone());
    app.create::<Artisan>(artisan.id.0, statement, settle).await
}

const CREATE_ARTISAN: &str = "
with claim as materialized (
  select is_new, fingerprint, created_id, created_at
  from claim_idempotency_key($10, $11, $12, $1, $8, $13)
), created as (
  insert into artisans
    (id, given_name, given_key, family_name, family_key, biography, version, created_at, updated_at)
  select $1, $2, $3, $4, $5, $6, $7, $8, $9
  from claim
  where is_new
  on conflict (id) do nothing
  returning id, version
), recorded as (
  insert into history (resource, resource_id, version, operation, principal, request_id, reason)
  select 'artisan', id, version, $14, $15, $16, $17
  from created
)
select is_new, fingerprint, created_id, created_at
from claim";
