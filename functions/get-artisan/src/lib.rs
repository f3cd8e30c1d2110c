//! `GET /v1/artisans/{id}`: returns an artisan.

use domain::artisan::{Artisan, ArtisanId};
use http::Method;
use shared::{
    App, Operation, Request, Response, Result, Role, Route,
    contract::{BadRequest, NotFound, Read, Revalidation},
    resource::Version,
};

/// The operation's declaration.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "getArtisan",
    routes: &[Route::new(Method::GET, "/v1/artisans/{id}")],
    role: Role::Reader,
    handler: |app, request| Box::pin(get_artisan(app, request)),
};

/// Get an artisan
///
/// Returns an artisan by id: the current version, or the one that `version` names.
#[utoipa::path(
    get,
    path = OPERATION.routes[0].path,
    params(ArtisanId, Version, Revalidation),
    responses(Read<Artisan>, BadRequest, NotFound),
)]
pub async fn get_artisan(app: &App, request: &Request) -> Result<Response> {
    let ArtisanId(id) = request.path_parameter("id")?;
    app.get::<Artisan>(request, id).await
}
