//! `DELETE /v1/products/{id}`: one product less.

use http::Method;
use shared::{
    App, Operation, Reply, Request, Result, Role, Route,
    contract::{AuditReason, BadRequest, Conditions, Deleted},
    db::{Parameter, Repeat, Statement, Type},
    history::Record,
    product::{Product, ProductId},
};

/// The operation.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "deleteProduct",
    routes: &[Route::new(Method::DELETE, "/v1/products/{id}")],
    role: Role::Writer,
    handler: |app, request| Box::pin(delete_product(app, request)),
};

/// Delete a product
///
/// It is gone at once; its id is never used again.
#[utoipa::path(
    delete,
    path = OPERATION.routes[0].path,
    tag = "products",
    params(ProductId, Conditions, AuditReason),
    responses(Deleted, BadRequest),
)]
pub async fn delete_product(app: &App, request: &Request) -> Result<Reply> {
    let ProductId(id) = request.path_parameter("id")?;
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
    let statement = Statement { sql: DELETE_PRODUCT, parameters: &parameters, repeat: Repeat::Safe };
    app.delete::<Product>(id, statement, |written| preconditions.judge_deletion(written?, "product")).await?;
    Ok(Reply::no_content())
}

const DELETE_PRODUCT: &str = "
with current as (
  select id, version, preconditions_hold(version, updated_at, $2, $3, $4) as holds
  from products
  where id = $1
  for update
), deleted as (
  delete from products
  using current
  where products.id = current.id
    and current.holds
  returning products.id, next_version('product', products.id, products.version) as version
), recorded as (
  insert into history (resource, resource_id, version, operation, principal, request_id, reason)
  select 'product', id, version, $5, $6, $7, $8
  from deleted
)
select id, version, holds
from current";
