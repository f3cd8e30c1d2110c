//! `GET /v1/products`: the products, filtered, sorted and page by page.

use domain::product::Product;
use http::Method;
use shared::{
    App, Operation, Reply, Request, Result, Role, Route,
    contract::{Listed, Paging, Revalidation},
    resource::{Listing, contract::Lists},
};

/// The operation.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "listProducts",
    routes: &[Route::new(Method::GET, "/v1/products")],
    role: Role::Reader,
    handler: |app, request| Box::pin(list_products(app, request)),
};

/// List products
///
/// The products, filtered, sorted and page by page. Every product that is there throughout is seen exactly once by a
/// walk through the pages, whatever is created or deleted meanwhile.
#[utoipa::path(
    get,
    path = OPERATION.routes[0].path,
    params(Lists<Product>, Paging, Revalidation),
    responses(Listed<Product>),
)]
pub async fn list_products(app: &App, request: &Request) -> Result<Reply> {
    let listing = Listing::<Product>::of(request, &OPERATION)?;
    app.list(request, listing).await
}
