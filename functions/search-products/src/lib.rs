//! `GET /v1/products/search`: the products whose name contains a term, best match first.

use std::sync::LazyLock;

use http::Method;
use shared::{
    App, Operation, Reply, Request, Result, Role, Route,
    contract::{Listed, Paging, Revalidation},
    db::{Select, value},
    product::{Product, ProductId},
    search::{Found, SearchTerm},
    stored::Stored,
};

/// The operation.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "searchProducts",
    routes: &[Route::new(Method::GET, "/v1/products/search")],
    role: Role::Reader,
    handler: |app, request| Box::pin(search_products(app, request)),
};

/// Search products
///
/// The products whose name contains a term, in Japanese and Latin scripts: the exact name first, then names that start
/// with it, then the others.
#[utoipa::path(
    get,
    path = OPERATION.routes[0].path,
    tag = "products",
    params(SearchTerm, Paging, Revalidation),
    responses(Listed<Product>),
)]
pub async fn search_products(app: &App, request: &Request) -> Result<Reply> {
    let mut query = request.query();
    let term: Option<SearchTerm> = query.required("q");
    let page = query.page(OPERATION.name);
    query.finish()?;
    let term = term.unwrap_or_default();

    let mut select = Select::with(
        &SEARCH_PRODUCTS,
        vec![value::text(term.as_str()), value::text(term.contains_pattern())],
    );
    if let Some((rank, name, id)) = page.position::<(i32, String, ProductId)>(&app.cursor_keys)? {
        select.filter(
            "(rank, name, id) > (?, ?, ?)",
            vec![value::int4(rank), value::text(name), value::uuid(id.0)],
        );
    }
    select.end("order by rank, name, id\nlimit ?", vec![value::int8(page.rows())]);
    let rows = app.database.read(select.sql(), &select.parameters()).await?;

    let found =
        rows.iter().map(|row| Found::from_row(row, Product::from_row)).collect::<Result<Vec<_>, _>>()?;
    page.reply(request, &app.cursor_keys, found, |last| {
        let product = &last.resource;
        (last.rank, product.name.clone(), product.id)
    })
}

static SEARCH_PRODUCTS: LazyLock<String> = LazyLock::new(|| {
    format!(
        "
select *
from (
  select {},
    case
      when search_key = $1 then 0
      when starts_with(search_key, $1) then 1
      else 2
    end as rank
  from products
  where search_key like $2
) found",
        Product::statements().columns()
    )
});
