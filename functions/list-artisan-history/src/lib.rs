//! `GET /v1/artisans/{id}/history`: lists who changed an artisan, when and why.

use domain::artisan::{Artisan, ArtisanId};
use http::Method;
use shared::{
    App, Operation, Request, Response, Result, Role, Route,
    contract::{Listed, NotFound, Paging, Revalidation},
    history::HistoryEntry,
};

/// The operation's declaration.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "listArtisanHistory",
    routes: &[Route::new(Method::GET, "/v1/artisans/{id}/history")],
    role: Role::Reader,
    handler: |app, request| Box::pin(list_artisan_history(app, request)),
};

/// List the changes of an artisan
///
/// Lists who created each version, when and why, newest first, page by page. The history remains after the
/// artisan is deleted.
#[utoipa::path(
    get,
    path = OPERATION.routes[0].path,
    params(ArtisanId, Paging, Revalidation),
    responses(Listed<HistoryEntry>, NotFound),
)]
pub async fn list_artisan_history(app: &App, request: &Request) -> Result<Response> {
    let ArtisanId(id) = request.path_parameter("id")?;
    app.history::<Artisan>(request, &OPERATION, id).await
}
