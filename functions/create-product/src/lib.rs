//! `POST /v1/products`: creates a product.

use domain::product::{NewProduct, Product};
use http::Method;
use shared::{
    App, Operation, Request, Response, Result, Role, Route,
    contract::{AuditReason, Created, IdempotencyKey},
    history::AuditContext,
};

/// The operation's declaration.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "createProduct",
    routes: &[Route::new(Method::POST, "/v1/products")],
    role: Role::Writer,
    handler: |app, request| Box::pin(create_product(app, request)),
};

/// Create a product
///
/// Only the name and the price are required.
#[utoipa::path(
    post,
    path = OPERATION.routes[0].path,
    params(IdempotencyKey, AuditReason),
    request_body = NewProduct,
    responses(Created<Product>),
)]
pub async fn create_product(app: &App, request: &Request) -> Result<Response> {
    let members = request.json()?;
    let claim = request.claim(OPERATION.name, &members)?;
    let audit = AuditContext::of(request, &OPERATION)?;
    app.insert::<Product>(request, &claim, &audit, &members.create()?).await
}
