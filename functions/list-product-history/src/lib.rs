//! `GET /v1/products/{id}/history`: lists who changed a product, when and why.

use domain::product::{Product, ProductId};
use http::Method;
use shared::{
    App, Operation, Request, Response, Result, Role, Route,
    contract::{Listed, NotFound, Paging, Revalidation},
    history::HistoryEntry,
};

/// The operation's declaration.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "listProductHistory",
    routes: &[Route::new(Method::GET, "/v1/products/{id}/history")],
    role: Role::Reader,
    handler: |app, request| Box::pin(list_product_history(app, request)),
};

/// List the changes of a product
///
/// Lists who created each version, when and why, newest first, page by page. The history remains after the
/// product is deleted.
#[utoipa::path(
    get,
    path = OPERATION.routes[0].path,
    params(ProductId, Paging, Revalidation),
    responses(Listed<HistoryEntry>, NotFound),
)]
pub async fn list_product_history(app: &App, request: &Request) -> Result<Response> {
    let ProductId(id) = request.path_parameter("id")?;
    app.history::<Product>(request, &OPERATION, id).await
}
