//! `PUT /v1/products/{id}`: a product with all its members anew; what is left out gets its default.

use http::Method;
use shared::{
    App, Operation, Reply, Request, Result, Role, Route,
    contract::{AuditReason, Changed, Conditions},
    history::Record,
    product::{NewProduct, Product, ProductId, ProductPatch},
};

/// The operation.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "replaceProduct",
    routes: &[Route::new(Method::PUT, "/v1/products/{id}")],
    role: Role::Writer,
    handler: |app, request| Box::pin(replace_product(app, request)),
};

/// Replace a product
///
/// All members anew; what is left out gets its default.
#[utoipa::path(
    put,
    path = OPERATION.routes[0].path,
    tag = "products",
    params(ProductId, Conditions, AuditReason),
    request_body = NewProduct,
    responses(Changed<Product>),
)]
pub async fn replace_product(app: &App, request: &Request) -> Result<Reply> {
    let ProductId(id) = request.path_parameter("id")?;
    let preconditions = request.preconditions(app)?;
    let record = Record::of(request, &OPERATION)?;
    let replacement = ProductPatch::from(NewProduct::from_members(request.json()?)?);
    let product: Product = app.update(id, &replacement.into_changes(), &preconditions, &record).await?;
    Ok(Reply::resource(&product))
}
