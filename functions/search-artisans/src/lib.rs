//! `GET /v1/artisans/search`: searches artisans by name, best match first.

use domain::artisan::Artisan;
use http::Method;
use shared::{
    App, Operation, Request, Response, Result, Role, Route,
    contract::{Listed, Paging, Revalidation},
    resource::{Listing, contract::Searches},
};

/// The operation's declaration.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "searchArtisans",
    routes: &[Route::new(Method::GET, "/v1/artisans/search")],
    role: Role::Reader,
    handler: |app, request| Box::pin(search_artisans(app, request)),
};

/// Search artisans
///
/// Lists the artisans whose family and given name contain a term, best match first.
#[utoipa::path(
    get,
    path = OPERATION.routes[0].path,
    params(Searches<Artisan>, Paging, Revalidation),
    responses(Listed<Artisan>),
)]
pub async fn search_artisans(app: &App, request: &Request) -> Result<Response> {
    let listing = Listing::<Artisan>::search(request, &OPERATION)?;
    app.list(request, listing).await
}
