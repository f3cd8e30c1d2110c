//! How a product is changed: the one statement of PATCH and PUT, which differ only in what they say.

use uuid::Uuid;

use super::{ARTISAN_FKEY, Product, ProductId, ProductPatch, unknown_artisan};
use crate::{
    App,
    db::{OnViolation, Parameter, Statement, Type, WriteError, Written},
    history::Record,
    http::{Patch, Preconditions, Result},
    text,
    time::Moment,
};

/// Applies `patch` to the product `id` if `preconditions` hold, in one round trip, and returns the product as it is
/// then, with `record` in its history. A patch that changes nothing leaves version and time as they are.
///
/// # Errors
/// 404, 412, or 422 for an unknown artisan.
pub async fn change(
    app: &App,
    ProductId(id): ProductId,
    preconditions: &Preconditions,
    patch: ProductPatch,
    record: &Record<'_>,
) -> Result<Product> {
    let ProductPatch { artisan_id, name, description, price, currency } = patch;
    let (changes_artisan, artisan_id) = match artisan_id {
        Patch::Absent => (false, None),
        Patch::Null => (true, None),
        Patch::Value(id) => (true, Some(id.0)),
    };
    let name = name.map(String::from);
    let [operation, principal, request_id, reason] = record.parameters();
    let (versions, unmodified_since, other_versions) = preconditions.parameters(id);
    let parameters: [Parameter<'_>; 17] = [
        (&id, Type::UUID),
        (&changes_artisan, Type::BOOL),
        (&artisan_id, Type::UUID),
        (&name, Type::TEXT),
        (&name.as_deref().map(text::fold), Type::TEXT),
        (&description.map(String::from), Type::TEXT),
        (&price.map(|price| price.minor_units()), Type::INT8),
        (&currency.map(|currency| currency.code()), Type::TEXT),
        (&Moment::now(), Type::TIMESTAMPTZ),
        (&versions, Type::INT8_ARRAY),
        (&unmodified_since, Type::TIMESTAMPTZ),
        (&other_versions, Type::INT8_ARRAY),
        (&Uuid::now_v7(), Type::UUID),
        operation,
        principal,
        request_id,
        reason,
    ];
    let statement = Statement { sql: CHANGE, parameters: &parameters, repeat: preconditions.repeat() };
    let judge = |written: Result<Written, WriteError>| {
        let written = written.on_violation(ARTISAN_FKEY, unknown_artisan)?;
        Ok(Product::from_row(&preconditions.judge(written.row, "product")?)?)
    };
    app.change(id, statement, judge).await
}

const CHANGE: &str = include_str!("change.sql");
