//! `GET /v1/products/search`: searches products by name, best match first.

use domain::product::Product;
use http::Method;
use shared::{
    App, Operation, Request, Response, Result, Role, Route,
    contract::{Listed, Paging, Revalidation},
    resource::{Listing, contract::Searches},
};

/// The operation's declaration.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "searchProducts",
    routes: &[Route::new(Method::GET, "/v1/products/search")],
    role: Role::Reader,
    handler: |app, request| Box::pin(search_products(app, request)),
};

/// Search products
///
/// Lists the products whose name contains a term, in any script: the exact name first, then names that start
/// with it, then the others.
#[utoipa::path(
    get,
    path = OPERATION.routes[0].path,
    params(Searches<Product>, Paging, Revalidation),
    responses(Listed<Product>),
)]
pub async fn search_products(app: &App, request: &Request) -> Result<Response> {
    let listing = Listing::<Product>::search(request, &OPERATION)?;
    app.list(request, listing).await
}
