//! `GET /v1/products`: the products, filtered, sorted and page by page.

use http::Method;
use shared::{
    App, Operation, Reply, Request, Result, Role, Route,
    contract::{Listed, Paging, Revalidation},
    db::Select,
    product::{Product, ProductFilter, ProductSort},
    stored::Stored,
};

/// The operation.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "listProducts",
    routes: &[Route::new(Method::GET, "/v1/products")],
    role: Role::Reader,
    handler: |app, request| Box::pin(list_products(app, request)),
};

/// List products
///
/// The products, filtered, sorted and page by page. Every product that is there throughout is seen exactly once by a
/// walk through the pages, whatever is created or deleted meanwhile.
#[utoipa::path(
    get,
    path = OPERATION.routes[0].path,
    tag = "products",
    params(ProductFilter, ProductSort, Paging, Revalidation),
    responses(Listed<Product>),
)]
pub async fn list_products(app: &App, request: &Request) -> Result<Reply> {
    let mut query = request.query();
    let filter = ProductFilter::from_query(&mut query);
    let sort: ProductSort = query.optional("sort").unwrap_or_default();
    let page = query.page(OPERATION.name);
    query.finish()?;

    let mut select = Select::new(Product::statements().select());
    filter.apply(&mut select);
    sort.apply(&mut select, &page, &app.cursor_keys)?;
    let rows = app.database.read(select.sql(), &select.parameters()).await?;

    let products = rows.iter().map(Product::from_row).collect::<Result<Vec<_>, _>>()?;
    page.reply(request, &app.cursor_keys, products, |last| sort.position(last))
}
