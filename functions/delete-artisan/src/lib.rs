//! `DELETE /v1/artisans/{id}`: deletes an artisan.

use domain::artisan::{Artisan, ArtisanId};
use http::Method;
use shared::{
    App, Operation, Request, Response, Result, Role, Route,
    contract::{AuditReason, BadRequest, Conditions, Conflict, Deleted},
    history::AuditContext,
};

/// The operation's declaration.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "deleteArtisan",
    routes: &[Route::new(Method::DELETE, "/v1/artisans/{id}")],
    role: Role::Writer,
    handler: |app, request| Box::pin(delete_artisan(app, request)),
};

/// Delete an artisan
///
/// Fails with 409 while the artisan has products.
#[utoipa::path(
    delete,
    path = OPERATION.routes[0].path,
    params(ArtisanId, Conditions, AuditReason),
    responses(Deleted, BadRequest, Conflict),
)]
pub async fn delete_artisan(app: &App, request: &Request) -> Result<Response> {
    let ArtisanId(id) = request.path_parameter("id")?;
    let preconditions = request.preconditions(app)?;
    let audit = AuditContext::of(request, &OPERATION)?;
    app.remove::<Artisan>(id, &preconditions, &audit).await
}
