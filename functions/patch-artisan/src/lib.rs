//! `PATCH /v1/artisans/{id}`: changes an artisan by a JSON Merge Patch (RFC 7396).

use domain::artisan::{Artisan, ArtisanId, ArtisanPatch};
use http::Method;
use shared::{
    App, Operation, Request, Response, Result, Role, Route,
    contract::{AuditReason, Changed, Conditions},
    history::AuditContext,
};

/// The operation's declaration.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "patchArtisan",
    routes: &[Route::new(Method::PATCH, "/v1/artisans/{id}")],
    role: Role::Writer,
    handler: |app, request| Box::pin(patch_artisan(app, request)),
};

/// Change an artisan
///
/// A JSON Merge Patch (RFC 7396): omitted fields stay unchanged, null removes.
#[utoipa::path(
    patch,
    path = OPERATION.routes[0].path,
    params(ArtisanId, Conditions, AuditReason),
    request_body(content((ArtisanPatch = "application/merge-patch+json"), (ArtisanPatch = "application/json"))),
    responses(Changed<Artisan>),
)]
pub async fn patch_artisan(app: &App, request: &Request) -> Result<Response> {
    let ArtisanId(id) = request.path_parameter("id")?;
    let preconditions = request.preconditions(app)?;
    let audit = AuditContext::of(request, &OPERATION)?;
    let changes = request.merge_patch()?.patch::<Artisan>()?;
    let artisan: Artisan = app.update(id, &changes, &preconditions, &audit).await?;
    Ok(Response::resource(&artisan))
}
