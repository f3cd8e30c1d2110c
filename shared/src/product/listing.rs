//! How products are filtered and sorted: the words of a listing, and the conditions and orders that they mean.
//! The statements themselves belong to the operations.

use serde::{Deserialize, Serialize};
use utoipa::{
    IntoParams, PartialSchema,
    openapi::{
        Ref,
        path::{Parameter, ParameterIn},
    },
};
use uuid::Uuid;

use super::{Currency, Price, Product, ProductName};
use crate::{
    artisan::ArtisanId,
    contract::{choice, query},
    db::{Select, value},
    http::{Choice, CursorKeys, PageRequest, Query, Result},
    time::{Moment, exact},
};

/// Which products are listed; what is none does not restrict.
#[derive(Debug, Default)]
pub struct ProductFilter {
    /// The name, exactly.
    pub name: Option<ProductName>,
    /// The artisan.
    pub artisan_id: Option<ArtisanId>,
    /// The lowest price.
    pub min_price: Option<Price>,
    /// The highest price.
    pub max_price: Option<Price>,
    /// The currency.
    pub currency: Option<Currency>,
}

impl ProductFilter {
    /// The filter that `query` asks for.
    pub fn from_query(query: &mut Query<'_>) -> Self {
        Self {
            name: query.optional("name"),
            artisan_id: query.optional("artisan_id"),
            min_price: query.optional("min_price"),
            max_price: query.optional("max_price"),
            currency: query.optional("currency"),
        }
    }

    /// The filter that `query` asks for among the products of `artisan`.
    pub fn of_artisan(artisan: ArtisanId, query: &mut Query<'_>) -> Self {
        Self {
            name: query.optional("name"),
            artisan_id: Some(artisan),
            min_price: query.optional("min_price"),
            max_price: query.optional("max_price"),
            currency: query.optional("currency"),
        }
    }

    /// Adds the conditions to `select`.
    pub fn apply(self, select: &mut Select) {
        let Self { name, artisan_id, min_price, max_price, currency } = self;
        if let Some(name) = name {
            select.filter("name = ?", vec![value::text(name)]);
        }
        if let Some(ArtisanId(id)) = artisan_id {
            select.filter("artisan_id = ?", vec![value::uuid(id)]);
        }
        if let Some(price) = min_price {
            select.filter("price >= ?", vec![value::int8(price.minor_units())]);
        }
        if let Some(price) = max_price {
            select.filter("price <= ?", vec![value::int8(price.minor_units())]);
        }
        if let Some(currency) = currency {
            select.filter("currency = ?", vec![value::text(currency.code())]);
        }
    }
}

/// The order of a listing; the id decides between equals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProductSort {
    /// Newest first.
    #[default]
    Newest,
    /// Oldest first.
    Oldest,
    /// By name, in the order of Unicode code points.
    Name,
    /// Cheapest first.
    Cheapest,
    /// Dearest first.
    Dearest,
}

/// Where a listing goes on: the sort key and id of the last product seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProductPosition {
    /// Sorted by price.
    #[serde(rename = "p")]
    Price(i64, Uuid),
    /// Sorted by time of creation.
    #[serde(rename = "c")]
    CreatedAt(#[serde(with = "exact")] Moment, Uuid),
    /// Sorted by name.
    #[serde(rename = "n")]
    Name(String, Uuid),
}

impl ProductSort {
    /// The position of `product` in this order.
    pub fn position(self, product: &Product) -> ProductPosition {
        let id = product.id.0;
        match self {
            Self::Newest | Self::Oldest => ProductPosition::CreatedAt(product.created_at, id),
            Self::Name => ProductPosition::Name(product.name.clone(), id),
            Self::Cheapest | Self::Dearest => ProductPosition::Price(product.price, id),
        }
    }

    /// Whether `position` is one of this order.
    fn has(self, position: &ProductPosition) -> bool {
        match position {
            ProductPosition::CreatedAt(..) => matches!(self, Self::Newest | Self::Oldest),
            ProductPosition::Name(..) => self == Self::Name,
            ProductPosition::Price(..) => matches!(self, Self::Cheapest | Self::Dearest),
        }
    }

    /// Restricts `select` to `page`, and orders it.
    ///
    /// # Errors
    /// 400 for a cursor that is not one of this list and order.
    pub fn apply(self, select: &mut Select, page: &PageRequest, keys: &CursorKeys) -> Result<()> {
        let (after, order) = match self {
            Self::Newest => ("(created_at, id) < (?, ?)", "order by created_at desc, id desc\nlimit ?"),
            Self::Oldest => ("(created_at, id) > (?, ?)", "order by created_at, id\nlimit ?"),
            Self::Name => ("(name, id) > (?, ?)", "order by name, id\nlimit ?"),
            Self::Cheapest => ("(price, id) > (?, ?)", "order by price, id\nlimit ?"),
            Self::Dearest => ("(price, id) < (?, ?)", "order by price desc, id desc\nlimit ?"),
        };
        if let Some(position) = page.position_where(keys, |position| self.has(position))? {
            let (key, id) = match position {
                ProductPosition::CreatedAt(key, id) => (value::moment(key), id),
                ProductPosition::Name(key, id) => (value::text(key), id),
                ProductPosition::Price(key, id) => (value::int8(key), id),
            };
            select.filter(after, vec![key, value::uuid(id)]);
        }
        select.end(order, vec![value::int8(page.rows())]);
        Ok(())
    }
}

impl Choice for ProductSort {
    const CHOICES: &'static [(&'static str, Self)] = &[
        ("-created_at", Self::Newest),
        ("created_at", Self::Oldest),
        ("name", Self::Name),
        ("price", Self::Cheapest),
        ("-price", Self::Dearest),
    ];
}

impl IntoParams for ProductSort {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![query("sort", "The order; `-` is descending.", choice::<Self>())]
    }
}

impl IntoParams for ProductFilter {
    fn into_params(provider: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let mut parameters = OwnProductFilter::into_params(provider);
        parameters.push(query("artisan_id", "Only the products of this artisan.", ArtisanId::schema()));
        parameters
    }
}

/// The parameters of [`ProductFilter::of_artisan`].
#[derive(Debug)]
pub struct OwnProductFilter;

impl IntoParams for OwnProductFilter {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![
            query("name", "Only products of exactly this name.", ProductName::schema()),
            query("min_price", "Only products of at least this price.", Price::schema()),
            query("max_price", "Only products of at most this price.", Price::schema()),
            query(
                "currency",
                "Only products with a price in this currency.",
                Ref::from_schema_name("Currency"),
            ),
        ]
    }
}
