//! `GET /v1/products/search?q=`: the products whose name contains a term, best match first.

use http::Method;
use serde::Serialize;
use shared::{
    App, Operation, Reply, Request, Result, Role, Route,
    db::{self, Row, Select, Type},
    http::FromParameter,
    product::{Product, ProductId},
    text::{self, Kind},
};

/// The operation.
pub static OPERATION: Operation = Operation {
    name: env!("CARGO_PKG_NAME"),
    id: "searchProducts",
    routes: &[Route::new(Method::GET, "/v1/products/search")],
    role: Role::Reader,
    handler: |app, request| Box::pin(search_products(app, request)),
};

async fn search_products(app: &App, request: &Request) -> Result<Reply> {
    let mut query = request.query();
    let term: Option<Term> = query.required("q");
    let page = query.page(OPERATION.name);
    query.finish()?;
    let Term(term) = term.unwrap_or_default();

    let mut select = Select::with(
        SEARCH_PRODUCTS,
        vec![(Box::new(term.clone()), Type::TEXT), (Box::new(contains_pattern(&term)), Type::TEXT)],
    );
    if let Some((rank, name, id)) = page.position::<(i32, String, ProductId)>(&app.cursor_key)? {
        select.filter(
            "(rank, name, id) > (?, ?, ?)",
            vec![(Box::new(rank), Type::INT4), (Box::new(name), Type::TEXT), (Box::new(id.0), Type::UUID)],
        );
    }
    select.end("order by rank, name, id\nlimit ?", vec![(Box::new(page.rows()), Type::INT8)]);
    let rows = app.database.read(select.sql(), &select.parameters()).await?;

    let found = rows.iter().map(Found::from_row).collect::<Result<Vec<_>, _>>()?;
    page.reply(request, &app.cursor_key, found, |last| {
        (last.rank, last.product.name.clone(), last.product.id)
    })
}

/// A product and how well it matches: 0 exactly, 1 at its start, 2 anywhere.
#[derive(Serialize)]
#[serde(transparent)]
struct Found {
    #[serde(skip)]
    rank: i32,
    product: Product,
}

impl Found {
    fn from_row(row: &Row) -> Result<Self, db::Error> {
        Ok(Self { rank: row.try_get("rank")?, product: Product::from_row(row)? })
    }
}

/// What is searched for: 1 to 64 characters, folded as the search key is.
#[derive(Default)]
struct Term(String);

impl FromParameter for Term {
    fn from_parameter(text: &str) -> Result<Self, String> {
        text::clean(text, Kind::Line, 1, 64).map(|term| Self(text::fold(&term)))
    }
}

/// A LIKE pattern for texts that contain `term`, whatever characters it has.
fn contains_pattern(term: &str) -> String {
    format!("%{}%", term.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_"))
}

const SEARCH_PRODUCTS: &str = "
select *
from (
  select id, artisan_id, name, description, price, currency, version, created_at, updated_at,
    case
      when search_key = $1 then 0
      when starts_with(search_key, $1) then 1
      else 2
    end as rank
  from products
  where search_key like $2
) found";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_in_a_term_stand_for_themselves() {
        assert_eq!(contains_pattern(r"100%_\"), r"%100\%\_\\%");
    }
}
