//! `PATCH /v1/products/{id}`: changes a product by a JSON Merge Patch (RFC 7396).

use domain::product::{Product, ProductId, ProductPatch};
use http::Method;
use shared::{
    App, Operation, Request, Response, Result, Role, Route,
    contract::{AuditReason, Changed, Conditions},
    history::AuditContext,
};

/// The operation's declaration.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "patchProduct",
    routes: &[Route::new(Method::PATCH, "/v1/products/{id}")],
    role: Role::Writer,
    handler: |app, request| Box::pin(patch_product(app, request)),
};

/// Change a product
///
/// A JSON Merge Patch (RFC 7396): omitted fields stay unchanged, null removes. A patch that changes nothing
/// keeps the version and the `ETag`.
#[utoipa::path(
    patch,
    path = OPERATION.routes[0].path,
    params(ProductId, Conditions, AuditReason),
    request_body(content((ProductPatch = "application/merge-patch+json"), (ProductPatch = "application/json"))),
    responses(Changed<Product>),
)]
pub async fn patch_product(app: &App, request: &Request) -> Result<Response> {
    let ProductId(id) = request.path_parameter("id")?;
    let preconditions = request.preconditions(app)?;
    let audit = AuditContext::of(request, &OPERATION)?;
    let changes = request.merge_patch()?.patch::<Product>()?;
    let product: Product = app.update(id, &changes, &preconditions, &audit).await?;
    Ok(Response::resource(&product))
}
