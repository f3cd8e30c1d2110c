//! `GET /v1/artisans/{id}/products`: lists the products of an artisan.

use domain::{
    artisan::{Artisan, ArtisanId},
    product::Product,
};
use http::Method;
use shared::{
    App, Operation, Request, Response, Result, Role, Route,
    contract::{Listed, NotFound, Paging, Revalidation},
    resource::{Listing, contract::ListsWithin},
};

/// The operation's declaration.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "listArtisanProducts",
    routes: &[Route::new(Method::GET, "/v1/artisans/{id}/products")],
    role: Role::Reader,
    handler: |app, request| Box::pin(list_artisan_products(app, request)),
};

/// List the products of an artisan
///
/// Filtered, sorted and paginated like the list of all products.
#[utoipa::path(
    get,
    path = OPERATION.routes[0].path,
    params(ArtisanId, ListsWithin<Product, Artisan>, Paging, Revalidation),
    responses(Listed<Product>, NotFound),
)]
pub async fn list_artisan_products(app: &App, request: &Request) -> Result<Response> {
    let ArtisanId(id) = request.path_parameter("id")?;
    let listing = Listing::<Product>::within::<Artisan>(request, &OPERATION, id)?;
    app.list_within::<Product, Artisan>(request, listing, id).await
}
