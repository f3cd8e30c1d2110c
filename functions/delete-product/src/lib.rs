//! `DELETE /v1/products/{id}`: one product less.

use http::Method;
use shared::{
    App, Operation, Reply, Request, Result, Role, Route,
    db::{Parameter, Repeat, Statement, Type},
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

async fn delete_product(app: &App, request: &Request) -> Result<Reply> {
    let ProductId(id) = request.path_parameter("id")?;
    let preconditions = request.preconditions(app)?;
    let (versions, unmodified_since, other_versions) = preconditions.parameters(id);
    let parameters: [Parameter<'_>; 4] = [
        (&id, Type::UUID),
        (&versions, Type::INT8_ARRAY),
        (&unmodified_since, Type::TIMESTAMPTZ),
        (&other_versions, Type::INT8_ARRAY),
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
)
select id, version, holds
from current";
