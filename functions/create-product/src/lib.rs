//! `POST /v1/products`: a new product.

use http::Method;
use shared::{
    App, Operation, Reply, Request, Result, Role, Route,
    contract::{AuditReason, Created, IdempotencyKey},
    db::{OnViolation, Parameter, Repeat, Statement, Type, Written},
    history::Record,
    http::SECONDS_TO_LIVE,
    product::{ARTISAN_FKEY, NewProduct, Product, unknown_artisan},
    text,
};

/// The operation.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "createProduct",
    routes: &[Route::new(Method::POST, "/v1/products")],
    role: Role::Writer,
    handler: |app, request| Box::pin(create_product(app, request)),
};

/// Create a product
///
/// A name and a price are enough.
#[utoipa::path(
    post,
    path = OPERATION.routes[0].path,
    tag = "products",
    params(IdempotencyKey, AuditReason),
    request_body = NewProduct,
    responses(Created<Product>),
)]
pub async fn create_product(app: &App, request: &Request) -> Result<Reply> {
    let members = request.json()?;
    let claim = request.claim(OPERATION.name, &members)?;
    let record = Record::of(request, &OPERATION)?;
    let product = NewProduct::from_members(members)?.into_product();

    let [operation, principal, request_id, reason] = record.parameters();
    let parameters: [Parameter<'_>; 18] = [
        (&product.id.0, Type::UUID),
        (&product.artisan_id.map(|id| id.0), Type::UUID),
        (&product.name, Type::TEXT),
        (&text::fold(&product.name), Type::TEXT),
        (&product.description, Type::TEXT),
        (&product.price, Type::INT8),
        (&product.currency, Type::TEXT),
        (&product.version, Type::INT8),
        (&product.created_at, Type::TIMESTAMPTZ),
        (&product.updated_at, Type::TIMESTAMPTZ),
        (&claim.caller, Type::TEXT),
        (&claim.key, Type::TEXT),
        (&claim.fingerprint, Type::BYTEA),
        (&SECONDS_TO_LIVE, Type::INT8),
        operation,
        principal,
        request_id,
        reason,
    ];
    let statement = Statement { sql: CREATE_PRODUCT, parameters: &parameters, repeat: Repeat::Safe };
    let settle = |written: Result<Written, _>| {
        let row = written.on_violation(ARTISAN_FKEY, unknown_artisan)?.row;
        claim.settle(row, request, product.clone())
    };
    app.create::<Product>(product.id.0, statement, settle).await
}

const CREATE_PRODUCT: &str = "
with claim as materialized (
  select is_new, fingerprint, created_id, created_at
  from claim_idempotency_key($11, $12, $13, $1, $9, $14)
), created as (
  insert into products
    (id, artisan_id, name, search_key, description, price, currency, version, created_at, updated_at)
  select $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
  from claim
  where is_new
  on conflict (id) do nothing
  returning id, version
), recorded as (
  insert into history (resource, resource_id, version, operation, principal, request_id, reason)
  select 'product', id, version, $15, $16, $17, $18
  from created
)
select is_new, fingerprint, created_id, created_at
from claim";
