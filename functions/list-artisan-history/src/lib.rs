//! `GET /v1/artisans/{id}/history`: who changed an artisan, when and why, page by page.

use http::Method;
use shared::{
    App, Operation, Problem, Reply, Request, Result, Role, Route,
    artisan::ArtisanId,
    contract::{Listed, NotFound, Paging, Revalidation},
    db::Type,
    history::{self, HistoryEntry},
};

/// The operation.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "listArtisanHistory",
    routes: &[Route::new(Method::GET, "/v1/artisans/{id}/history")],
    role: Role::Reader,
    handler: |app, request| Box::pin(list_artisan_history(app, request)),
};

/// List the changes of an artisan
///
/// Who made each version, when and why, newest first. It stays when the artisan is deleted.
#[utoipa::path(
    get,
    path = OPERATION.routes[0].path,
    tag = "artisans",
    params(ArtisanId, Paging, Revalidation),
    responses(Listed<HistoryEntry>, NotFound),
)]
pub async fn list_artisan_history(app: &App, request: &Request) -> Result<Reply> {
    let ArtisanId(id) = request.path_parameter("id")?;
    let mut query = request.query();
    let page = query.page(&format!("{} {id}", OPERATION.name));
    query.finish()?;

    let before = page.position(&app.cursor_keys)?;
    let entries = history::list(app, "artisan", id, before, page.rows()).await?;
    if entries.is_empty() {
        // One that is older than the table has no history until its next change.
        let artisan = app.database.read_optional(FIND_ARTISAN, &[(&id, Type::UUID)]).await?;
        artisan.ok_or_else(|| Problem::not_found("artisan"))?;
    }
    page.reply(request, &app.cursor_keys, entries, |last| last.version)
}

const FIND_ARTISAN: &str = "
select id
from artisans
where id = $1";
