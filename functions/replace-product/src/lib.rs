//! `PUT /v1/products/{id}`: replaces a product; omitted fields get their defaults.

use domain::product::{NewProduct, Product, ProductId};
use http::Method;
use shared::{
    App, Operation, Request, Response, Result, Role, Route,
    contract::{AuditReason, Changed, Conditions},
    history::AuditContext,
};

/// The operation's declaration.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "replaceProduct",
    routes: &[Route::new(Method::PUT, "/v1/products/{id}")],
    role: Role::Writer,
    handler: |app, request| Box::pin(replace_product(app, request)),
};

/// Replace a product
///
/// Replaces every field; omitted fields get their defaults.
#[utoipa::path(
    put,
    path = OPERATION.routes[0].path,
    params(ProductId, Conditions, AuditReason),
    request_body = NewProduct,
    responses(Changed<Product>),
)]
pub async fn replace_product(app: &App, request: &Request) -> Result<Response> {
    let ProductId(id) = request.path_parameter("id")?;
    let preconditions = request.preconditions(app)?;
    let audit = AuditContext::of(request, &OPERATION)?;
    let changes = request.json()?.replace::<Product>()?;
    let product: Product = app.update(id, &changes, &preconditions, &audit).await?;
    Ok(Response::resource(&product))
}
