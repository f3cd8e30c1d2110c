//! `POST /v1/artisans`: creates an artisan.

use domain::artisan::{Artisan, NewArtisan};
use http::Method;
use shared::{
    App, Operation, Request, Response, Result, Role, Route,
    contract::{AuditReason, Created, IdempotencyKey},
    history::AuditContext,
};

/// The operation's declaration.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "createArtisan",
    routes: &[Route::new(Method::POST, "/v1/artisans")],
    role: Role::Writer,
    handler: |app, request| Box::pin(create_artisan(app, request)),
};

/// Create an artisan
///
/// Both names are required.
#[utoipa::path(
    post,
    path = OPERATION.routes[0].path,
    params(IdempotencyKey, AuditReason),
    request_body = NewArtisan,
    responses(Created<Artisan>),
)]
pub async fn create_artisan(app: &App, request: &Request) -> Result<Response> {
    let members = request.json()?;
    let claim = request.claim(OPERATION.name, &members)?;
    let audit = AuditContext::of(request, &OPERATION)?;
    app.insert::<Artisan>(request, &claim, &audit, &members.create()?).await
}
