//! `DELETE /v1/artisans/{id}`: one artisan less.

use http::Method;
use shared::{
    App, Operation, Problem, Reply, Request, Result, Role, Route,
    artisan::{Artisan, ArtisanId},
    contract::{AuditReason, BadRequest, Conditions, Conflict, Deleted},
    db::{OnViolation, Parameter, Repeat, Statement, Type, Written},
    history::Record,
    product::ARTISAN_FKEY,
};

/// The operation.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "deleteArtisan",
    routes: &[Route::new(Method::DELETE, "/v1/artisans/{id}")],
    role: Role::Writer,
    handler: |app, request| Box::pin(delete_artisan(app, request)),
};

/// Delete an artisan
///
/// Only one who has no products: 409 else.
#[utoipa::path(
    delete,
    path = OPERATION.routes[0].path,
    tag = "artisans",
    params(ArtisanId, Conditions, AuditReason),
    responses(Deleted, BadRequest, Conflict),
)]
pub async fn delete_artisan(app: &App, request: &Request) -> Result<Reply> {
    let ArtisanId(id) = request.path_parameter("id")?;
    let preconditions = request.preconditions(app)?;
    let record = Record::of(request, &OPERATION)?;
    let [operation, principal, request_id, reason] = record.parameters();
    let (versions, unmodified_since, other_versions) = preconditions.parameters(id);
    let parameters: [Parameter<'_>; 8] = [
        (&id, Type::UUID),
        (&versions, Type::INT8_ARRAY),
        (&unmodified_since, Type::TIMESTAMPTZ),
        (&other_versions, Type::INT8_ARRAY),
        operation,
        principal,
        request_id,
        reason,
    ];
    let statement = Statement { sql: DELETE_ARTISAN, parameters: &parameters, repeat: Repeat::Safe };
    let judge = |written: Result<Written, _>| {
        let has_products = || {
            Problem::conflict(
                "The artisan still has products. Delete them, or give them to another artisan, first.",
            )
        };
        preconditions.judge_deletion(written.on_violation(ARTISAN_FKEY, has_products)?, "artisan")
    };
    app.delete::<Artisan>(id, statement, judge).await?;
    Ok(Reply::no_content())
}

const DELETE_ARTISAN: &str = "
with current as (
  select id, version, preconditions_hold(version, updated_at, $2, $3, $4) as holds
  from artisans
  where id = $1
  for update
), deleted as (
  delete from artisans
  using current
  where artisans.id = current.id
    and current.holds
  returning artisans.id, next_version('artisan', artisans.id, artisans.version) as version
), recorded as (
  insert into history (resource, resource_id, version, operation, principal, request_id, reason)
  select 'artisan', id, version, $5, $6, $7, $8
  from deleted
)
select id, version, holds
from current";
