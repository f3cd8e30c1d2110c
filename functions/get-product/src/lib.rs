//! `GET /v1/products/{id}`: returns a product.

use domain::product::{Product, ProductId};
use http::Method;
use shared::{
    App, Operation, Request, Response, Result, Role, Route,
    contract::{BadRequest, NotFound, Read, Revalidation},
    resource::Version,
};

/// The operation's declaration.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "getProduct",
    routes: &[Route::new(Method::GET, "/v1/products/{id}")],
    role: Role::Reader,
    handler: |app, request| Box::pin(get_product(app, request)),
};

/// Get a product
///
/// Returns a product by id: the current version, or the one that `version` names.
#[utoipa::path(
    get,
    path = OPERATION.routes[0].path,
    params(ProductId, Version, Revalidation),
    responses(Read<Product>, BadRequest, NotFound),
)]
pub async fn get_product(app: &App, request: &Request) -> Result<Response> {
    let ProductId(id) = request.path_parameter("id")?;
    app.get::<Product>(request, id).await
}
