//! `GET /v1/artisans/{id}/products`: the products of one artisan, filtered, sorted and page by page.

use http::Method;
use shared::{
    App, Operation, Problem, Reply, Request, Result, Role, Route,
    artisan::ArtisanId,
    contract::{Listed, NotFound, Paging, Revalidation},
    db::{Select, Type},
    product::{OwnProductFilter, Product, ProductFilter, ProductSort},
    stored::Stored,
};

/// The operation.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "listArtisanProducts",
    routes: &[Route::new(Method::GET, "/v1/artisans/{id}/products")],
    role: Role::Reader,
    handler: |app, request| Box::pin(list_artisan_products(app, request)),
};

/// List the products of an artisan
///
/// Filtered, sorted and page by page, as all products are.
#[utoipa::path(
    get,
    path = OPERATION.routes[0].path,
    tag = "artisans",
    params(ArtisanId, OwnProductFilter, ProductSort, Paging, Revalidation),
    responses(Listed<Product>, NotFound),
)]
pub async fn list_artisan_products(app: &App, request: &Request) -> Result<Reply> {
    let artisan: ArtisanId = request.path_parameter("id")?;
    let mut query = request.query();
    let filter = ProductFilter::of_artisan(artisan, &mut query);
    let sort: ProductSort = query.optional("sort").unwrap_or_default();
    let page = query.page(&format!("{} {}", OPERATION.name, artisan.0));
    query.finish()?;

    let mut select = Select::new(Product::statements().select());
    filter.apply(&mut select);
    sort.apply(&mut select, &page, &app.cursor_keys)?;
    let rows = app.database.read(select.sql(), &select.parameters()).await?;
    if rows.is_empty() {
        let artisan = app.database.read_optional(FIND_ARTISAN, &[(&artisan.0, Type::UUID)]).await?;
        artisan.ok_or_else(|| Problem::not_found("artisan"))?;
    }

    let products = rows.iter().map(Product::from_row).collect::<Result<Vec<_>, _>>()?;
    page.reply(request, &app.cursor_keys, products, |last| sort.position(last))
}

const FIND_ARTISAN: &str = "
select id
from artisans
where id = $1";
