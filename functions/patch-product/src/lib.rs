//! `PATCH /v1/products/{id}`: a change of some of a product's members, as a JSON Merge Patch (RFC 7396).

use http::Method;
use shared::{
    App, Operation, Problem, Reply, Request, Result, Role, Route,
    db::{OnViolation, Parameter, Type},
    http::Patch,
    product::{ARTISAN_FKEY, Product, ProductId, ProductPatch, unknown_artisan},
    text, time,
};

/// The operation.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "patchProduct",
    routes: &[Route::new(Method::PATCH, "/v1/products/{id}")],
    role: Role::Writer,
    handler: |app, request| Box::pin(patch_product(app, request)),
};

async fn patch_product(app: &App, request: &Request) -> Result<Reply> {
    let ProductId(id) = request.path_parameter("id")?;
    let ProductPatch { artisan_id, name, description, price, currency } =
        ProductPatch::from_members(request.merge_patch()?)?;
    let (changes_artisan, artisan_id) = match artisan_id {
        Patch::Absent => (false, None),
        Patch::Null => (true, None),
        Patch::Value(id) => (true, Some(id.0)),
    };
    let name = name.map(String::from);

    let parameters: [Parameter<'_>; 9] = [
        (&id, Type::UUID),
        (&changes_artisan, Type::BOOL),
        (&artisan_id, Type::UUID),
        (&name, Type::TEXT),
        (&name.as_deref().map(text::fold), Type::TEXT),
        (&description.map(String::from), Type::TEXT),
        (&price.map(|price| price.minor_units()), Type::INT8),
        (&currency.map(|currency| currency.code()), Type::TEXT),
        (&time::now(), Type::TIMESTAMPTZ),
    ];
    let patched = app.database.write_optional(PATCH_PRODUCT, &parameters).await;
    let row = patched.on_violation(ARTISAN_FKEY, unknown_artisan)?;
    let row = row.ok_or_else(|| Problem::not_found("product"))?;
    Ok(Reply::ok(&Product::from_row(&row)?))
}

const PATCH_PRODUCT: &str = include_str!("patch_product.sql");
