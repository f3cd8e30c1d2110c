//! `GET /v1/products`: lists products.

use domain::product::Product;
use http::Method;
use shared::{
    App, Operation, Request, Response, Result, Role, Route,
    contract::{Listed, Paging, Revalidation},
    resource::{Listing, contract::Lists},
};

/// The operation's declaration.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "listProducts",
    routes: &[Route::new(Method::GET, "/v1/products")],
    role: Role::Reader,
    handler: |app, request| Box::pin(list_products(app, request)),
};

/// List products
///
/// Lists products, filtered, sorted and paginated. A client that follows the pages sees every product that
/// exists throughout exactly once, whatever is created or deleted meanwhile.
#[utoipa::path(
    get,
    path = OPERATION.routes[0].path,
    params(Lists<Product>, Paging, Revalidation),
    responses(Listed<Product>),
)]
pub async fn list_products(app: &App, request: &Request) -> Result<Response> {
    let listing = Listing::<Product>::of(request, &OPERATION)?;
    app.list(request, listing).await
}
