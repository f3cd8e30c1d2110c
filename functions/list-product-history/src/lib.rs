//! `GET /v1/products/{id}/history`: who changed a product, when and why, page by page.

use http::Method;
use shared::{
    App, Operation, Problem, Reply, Request, Result, Role, Route,
    contract::{Listed, NotFound, Paging, Revalidation},
    db::Type,
    history::{self, HistoryEntry},
    product::ProductId,
};

/// The operation.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "listProductHistory",
    routes: &[Route::new(Method::GET, "/v1/products/{id}/history")],
    role: Role::Reader,
    handler: |app, request| Box::pin(list_product_history(app, request)),
};

/// List the changes of a product
///
/// Who made each version, when and why, newest first. It stays when the product is deleted.
#[utoipa::path(
    get,
    path = OPERATION.routes[0].path,
    tag = "products",
    params(ProductId, Paging, Revalidation),
    responses(Listed<HistoryEntry>, NotFound),
)]
pub async fn list_product_history(app: &App, request: &Request) -> Result<Reply> {
    let ProductId(id) = request.path_parameter("id")?;
    let mut query = request.query();
    let page = query.page(&format!("{} {id}", OPERATION.name));
    query.finish()?;

    let before = page.position(&app.cursor_keys)?;
    let entries = history::list(app, "product", id, before, page.rows()).await?;
    if entries.is_empty() {
        // One that is older than the table has no history until its next change.
        let product = app.database.read_optional(FIND_PRODUCT, &[(&id, Type::UUID)]).await?;
        product.ok_or_else(|| Problem::not_found("product"))?;
    }
    page.reply(request, &app.cursor_keys, entries, |last| last.version)
}

const FIND_PRODUCT: &str = "
select id
from products
where id = $1";
