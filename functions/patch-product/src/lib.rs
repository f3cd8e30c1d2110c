//! `PATCH /v1/products/{id}`: a change of some of a product's members, as a JSON Merge Patch (RFC 7396).

use http::Method;
use shared::{
    App, Operation, Reply, Request, Result, Role, Route,
    product::{ProductPatch, change},
};

/// The operation.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "patchProduct",
    routes: &[Route::new(Method::PATCH, "/v1/products/{id}")],
    role: Role::Writer,
    handler: |app, request| Box::pin(patch_product(app, request)),
};

async fn patch_product(app: &App, request: &Request) -> Result<Reply> {
    let id = request.path_parameter("id")?;
    let preconditions = request.preconditions(app)?;
    let patch = ProductPatch::from_members(request.merge_patch()?)?;
    let product = change(app, id, &preconditions, patch).await?;
    Ok(Reply::resource(&product))
}
