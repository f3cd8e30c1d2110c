//! `DELETE /v1/products/{id}`: one product less.

use http::Method;
use shared::{App, Operation, Problem, Reply, Request, Result, Role, Route, db::Type, product::ProductId};

/// The operation.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "deleteProduct",
    routes: &[Route::new(Method::DELETE, "/v1/products/{id}")],
    role: Role::Writer,
    handler: |app, request| Box::pin(delete_product(app, request)),
};

async fn delete_product(app: &App, request: &Request) -> Result<Reply> {
    let ProductId(id) = request.path_parameter("id")?;
    let deleted = app.database.write_optional(DELETE_PRODUCT, &[(&id, Type::UUID)]).await?;
    deleted.ok_or_else(|| Problem::not_found("product"))?;
    Ok(Reply::no_content())
}

const DELETE_PRODUCT: &str = "
delete from products
where id = $1
returning id";
