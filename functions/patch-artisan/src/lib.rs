//! `PATCH /v1/artisans/{id}`: a change of some of an artisan's members, as a JSON Merge Patch (RFC 7396).

use http::Method;
use shared::{
    App, Operation, Reply, Request, Result, Role, Route,
    artisan::{Artisan, ArtisanId, ArtisanPatch},
    contract::{AuditReason, Changed, Conditions},
    db::{Parameter, Statement, Type, WriteError, Written},
    history::Record,
    text,
    time::Moment,
};
use uuid::Uuid;

/// The operation.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "patchArtisan",
    routes: &[Route::new(Method::PATCH, "/v1/artisans/{id}")],
    role: Role::Writer,
    handler: |app, request| Box::pin(patch_artisan(app, request)),
};

/// Change an artisan
///
/// A JSON Merge Patch (RFC 7396): what is absent stays, null removes.
#[utoipa::path(
    patch,
    path = OPERATION.routes[0].path,
    tag = "artisans",
    params(ArtisanId, Conditions, AuditReason),
    request_body(content((ArtisanPatch = "application/merge-patch+json"), (ArtisanPatch = "application/json"))),
    responses(Changed<Artisan>),
)]
pub async fn patch_artisan(app: &App, request: &Request) -> Result<Reply> {
    let ArtisanId(id) = request.path_parameter("id")?;
    let preconditions = request.preconditions(app)?;
    let record = Record::of(request, &OPERATION)?;
    let ArtisanPatch { given_name, family_name, biography } =
        ArtisanPatch::from_members(request.merge_patch()?)?;
    let (given_name, family_name) = (given_name.map(String::from), family_name.map(String::from));

    let [operation, principal, request_id, reason] = record.parameters();
    let (versions, unmodified_since, other_versions) = preconditions.parameters(id);
    let parameters: [Parameter<'_>; 15] = [
        (&id, Type::UUID),
        (&given_name, Type::TEXT),
        (&given_name.as_deref().map(text::fold), Type::TEXT),
        (&family_name, Type::TEXT),
        (&family_name.as_deref().map(text::fold), Type::TEXT),
        (&biography.map(String::from), Type::TEXT),
        (&Moment::now(), Type::TIMESTAMPTZ),
        (&versions, Type::INT8_ARRAY),
        (&unmodified_since, Type::TIMESTAMPTZ),
        (&other_versions, Type::INT8_ARRAY),
        (&Uuid::now_v7(), Type::UUID),
        operation,
        principal,
        request_id,
        reason,
    ];
    let statement = Statement { sql: PATCH_ARTISAN, parameters: &parameters, repeat: preconditions.repeat() };
    let judge = |written: Result<Written, WriteError>| {
        Ok(Artisan::from_row(&preconditions.judge(written?.row, "artisan")?)?)
    };
    Ok(Reply::resource(&app.change(id, statement, judge).await?))
}

const PATCH_ARTISAN: &str = include_str!("patch_artisan.sql");
