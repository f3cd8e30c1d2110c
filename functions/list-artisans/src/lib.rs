//! `GET /v1/artisans`: lists artisans.

use domain::artisan::Artisan;
use http::Method;
use shared::{
    App, Operation, Request, Response, Result, Role, Route,
    contract::{Listed, Paging, Revalidation},
    resource::{Listing, contract::Lists},
};

/// The operation's declaration.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "listArtisans",
    routes: &[Route::new(Method::GET, "/v1/artisans")],
    role: Role::Reader,
    handler: |app, request| Box::pin(list_artisans(app, request)),
};

/// List artisans
///
/// Filtered, sorted and paginated like the list of products.
#[utoipa::path(
    get,
    path = OPERATION.routes[0].path,
    params(Lists<Artisan>, Paging, Revalidation),
    responses(Listed<Artisan>),
)]
pub async fn list_artisans(app: &App, request: &Request) -> Result<Response> {
    let listing = Listing::<Artisan>::of(request, &OPERATION)?;
    app.list(request, listing).await
}
