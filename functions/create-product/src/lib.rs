//! `POST /v1/products`: a new product.

use http::Method;
use shared::{
    App, Operation, Reply, Request, Result, Role, Route,
    db::{OnViolation, Parameter, Type},
    product::{ARTISAN_FKEY, NewProduct, unknown_artisan},
    text,
};

/// The operation.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "createProduct",
    routes: &[Route::new(Method::POST, "/v1/products")],
    role: Role::Writer,
    handler: |app, request| Box::pin(create_product(app, request)),
};

async fn create_product(app: &App, request: &Request) -> Result<Reply> {
    let product = NewProduct::from_members(request.json()?)?.into_product();

    let parameters: [Parameter<'_>; 10] = [
        (&product.id.0, Type::UUID),
        (&product.artisan_id.map(|id| id.0), Type::UUID),
        (&product.name, Type::TEXT),
        (&text::fold(&product.name), Type::TEXT),
        (&product.description, Type::TEXT),
        (&product.price, Type::INT8),
        (&product.currency, Type::TEXT),
        (&product.version, Type::INT8),
        (&product.created_at, Type::TIMESTAMPTZ),
        (&product.updated_at, Type::TIMESTAMPTZ),
    ];
    app.database.write(CREATE_PRODUCT, &parameters).await.on_violation(ARTISAN_FKEY, unknown_artisan)?;

    let location = format!("{}/{}", request.public_path(), product.id.0);
    Ok(Reply::created(&location, &product))
}

const CREATE_PRODUCT: &str = "
insert into products
  (id, artisan_id, name, search_key, description, price, currency, version, created_at, updated_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
