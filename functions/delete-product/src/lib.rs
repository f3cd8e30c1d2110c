//! `DELETE /v1/products/{id}`: deletes a product.

use domain::product::{Product, ProductId};
use http::Method;
use shared::{
    App, Operation, Request, Response, Result, Role, Route,
    contract::{AuditReason, BadRequest, Conditions, Deleted},
    history::AuditContext,
};

/// The operation's declaration.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "deleteProduct",
    routes: &[Route::new(Method::DELETE, "/v1/products/{id}")],
    role: Role::Writer,
    handler: |app, request| Box::pin(delete_product(app, request)),
};

/// Delete a product
///
/// The deletion is immediate, and the id is never reused.
#[utoipa::path(
    delete,
    path = OPERATION.routes[0].path,
    params(ProductId, Conditions, AuditReason),
    responses(Deleted, BadRequest),
)]
pub async fn delete_product(app: &App, request: &Request) -> Result<Response> {
    let ProductId(id) = request.path_parameter("id")?;
    let preconditions = request.preconditions(app)?;
    let audit = AuditContext::of(request, &OPERATION)?;
    app.remove::<Product>(id, &preconditions, &audit).await
}
