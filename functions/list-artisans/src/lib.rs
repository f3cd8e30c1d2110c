//! `GET /v1/artisans`: the artisans, filtered, sorted and page by page.

use http::Method;
use shared::{
    App, Operation, Reply, Request, Result, Role, Route,
    artisan::{Artisan, ArtisanFilter, ArtisanSort},
    contract::{Listed, Paging, Revalidation},
    db::Select,
    stored::Stored,
};

/// The operation.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "listArtisans",
    routes: &[Route::new(Method::GET, "/v1/artisans")],
    role: Role::Reader,
    handler: |app, request| Box::pin(list_artisans(app, request)),
};

/// List artisans
///
/// The artisans, filtered, sorted and page by page, as products are.
#[utoipa::path(
    get,
    path = OPERATION.routes[0].path,
    tag = "artisans",
    params(ArtisanFilter, ArtisanSort, Paging, Revalidation),
    responses(Listed<Artisan>),
)]
pub async fn list_artisans(app: &App, request: &Request) -> Result<Reply> {
    let mut query = request.query();
    let filter = ArtisanFilter::from_query(&mut query);
    let sort: ArtisanSort = query.optional("sort").unwrap_or_default();
    let page = query.page(OPERATION.name);
    query.finish()?;

    let mut select = Select::new(Artisan::statements().select());
    filter.apply(&mut select);
    sort.apply(&mut select, &page, &app.cursor_keys)?;
    let rows = app.database.read(select.sql(), &select.parameters()).await?;

    let artisans = rows.iter().map(Artisan::from_row).collect::<Result<Vec<_>, _>>()?;
    page.reply(request, &app.cursor_keys, artisans, |last| sort.position(last))
}
