//! The resource product.

mod currency;

pub use currency::Currency;

use serde_json::{Value, json};
use shared::{
    id, resource,
    resource::{Filter, Order, Resource, Whole, contract},
    text::{self, Line, Paragraphs},
};

use crate::artisan::ArtisanId;

id! {
    /// A product's id.
    ProductId
}

/// A product's name.
pub type ProductName = Line<200>;

/// A product's description.
pub type Description = Paragraphs<4_000>;

/// A price in the minor unit of its currency.
pub type Price = Whole<0, { i64::MAX }>;

resource! {
    /// A product of the catalogue.
    pub struct Product: "product" in "products" {
        id: ProductId,
        /// The artisan who makes it.
        artisan_id: Option<ArtisanId>,
        /// The product's name.
        name: ProductName => search_key: text::fold,
        /// A description of the product.
        description: Description = Default::default(),
        /// The price in the currency's minor unit, such as yen or cents. An integer, however it is written:
        /// `100`, `100.0` and `1e2` are the same.
        price: Price,
        /// The currency of the price.
        currency: Currency = Default::default(),
    }
}

/// The body of a request that creates or replaces a product.
pub type NewProduct = contract::New<Product>;

/// The body of a request that patches a product.
pub type ProductPatch = contract::Patch<Product>;

impl Resource for Product {
    const FILTERS: &'static [Filter] = &[
        Filter::new::<Self>("name", "name", "name = ?", "Only products of exactly this name."),
        Filter::new::<Self>("min_price", "price", "price >= ?", "Only products of at least this price."),
        Filter::new::<Self>("max_price", "price", "price <= ?", "Only products of at most this price."),
        Filter::new::<Self>(
            "currency",
            "currency",
            "currency = ?",
            "Only products with a price in this currency.",
        ),
        Filter::new::<Self>(
            "artisan_id",
            "artisan_id",
            "artisan_id = ?",
            "Only the products of this artisan.",
        ),
    ];
    const ORDERS: &'static [Order] = &[
        Order::new::<Self>("-created_at", &["-created_at"]),
        Order::new::<Self>("created_at", &["created_at"]),
        Order::new::<Self>("name", &["name"]),
        Order::new::<Self>("price", &["price"]),
        Order::new::<Self>("-price", &["-price"]),
    ];
    const MATCHES: &'static [&'static str] = &["name"];
    const HAS_LEADS: bool = true;

    fn example() -> Value {
        json!({
            "artisan_id": "01936b5e-7c00-7000-8000-000000000001",
            "name": "備前焼 湯呑",
            "description": "Wood-fired, unglazed.",
            "price": 3800,
        })
    }

    fn patch_example() -> Value {
        json!({"price": 4200, "artisan_id": null})
    }
}
