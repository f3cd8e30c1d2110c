//! `GET /v1/artisans/search`: the artisans whose name contains a term, best match first.

use std::sync::LazyLock;

use http::Method;
use shared::{
    App, Operation, Reply, Request, Result, Role, Route,
    artisan::{Artisan, ArtisanId},
    contract::{Listed, Paging, Revalidation},
    db::{Select, value},
    search::{Found, SearchTerm},
    stored::Stored,
};

/// The operation.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "searchArtisans",
    routes: &[Route::new(Method::GET, "/v1/artisans/search")],
    role: Role::Reader,
    handler: |app, request| Box::pin(search_artisans(app, request)),
};

/// Search artisans
///
/// The artisans whose family and given name contain a term, best match first.
#[utoipa::path(
    get,
    path = OPERATION.routes[0].path,
    tag = "artisans",
    params(SearchTerm, Paging, Revalidation),
    responses(Listed<Artisan>),
)]
pub async fn search_artisans(app: &App, request: &Request) -> Result<Reply> {
    let mut query = request.query();
    let term: Option<SearchTerm> = query.required("q");
    let page = query.page(OPERATION.name);
    query.finish()?;
    let term = term.unwrap_or_default();

    let mut select = Select::with(
        &SEARCH_ARTISANS,
        vec![value::text(term.as_str()), value::text(term.contains_pattern())],
    );
    if let Some((rank, family_name, given_name, id)) =
        page.position::<(i32, String, String, ArtisanId)>(&app.cursor_keys)?
    {
        select.filter(
            "(rank, family_name, given_name, id) > (?, ?, ?, ?)",
            vec![value::int4(rank), value::text(family_name), value::text(given_name), value::uuid(id.0)],
        );
    }
    select.end("order by rank, family_name, given_name, id\nlimit ?", vec![value::int8(page.rows())]);
    let rows = app.database.read(select.sql(), &select.parameters()).await?;

    let found =
        rows.iter().map(|row| Found::from_row(row, Artisan::from_row)).collect::<Result<Vec<_>, _>>()?;
    page.reply(request, &app.cursor_keys, found, |last| {
        let artisan = &last.resource;
        (last.rank, artisan.family_name.clone(), artisan.given_name.clone(), artisan.id)
    })
}

static SEARCH_ARTISANS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "
select *
from (
  select {},
    case
      when $1 = any (string_to_array(search_key, E'\\n')) then 0
      when strpos(E'\\n' || search_key, E'\\n' || $1) > 0 then 1
      else 2
    end as rank
  from artisans
  where search_key like $2
) found",
        Artisan::statements().columns()
    )
});
