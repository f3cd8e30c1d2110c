//! Products: types and rules, and how they are listed and changed. No HTTP.

mod change;
mod fields;
mod listing;

pub use change::change;
pub use fields::{Currency, Description, Price, ProductId, ProductName};
pub use listing::{ProductFilter, ProductPosition, ProductSort};

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    artisan::ArtisanId,
    db::{self, Row},
    http::{Members, Patch, Problem, Result, Versioned},
    time,
};

/// Members that the service alone sets.
const READ_ONLY: [&str; 4] = ["id", "version", "created_at", "updated_at"];

/// The constraint that a product's artisan exists.
pub const ARTISAN_FKEY: &str = "products_artisan_id_fkey";

/// What a client is told who names an artisan that does not exist: 422.
pub fn unknown_artisan() -> Problem {
    Problem::invalid_member("artisan_id", "names no artisan")
}

/// A product of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Product {
    /// The product's id, a UUIDv7.
    pub id: ProductId,
    /// The artisan who makes it, if known.
    pub artisan_id: Option<ArtisanId>,
    /// Its name, 1 to 200 characters.
    pub name: String,
    /// Its description, 0 to 4,000 characters.
    pub description: String,
    /// Its price in the currency's minor unit.
    pub price: i64,
    /// The price's currency, an ISO 4217 code.
    pub currency: String,
    /// 1 at creation, one more with every change.
    pub version: i64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

impl Product {
    /// The product of a row with the columns id, artisan_id, name, description, price, currency, version,
    /// created_at and updated_at.
    ///
    /// # Errors
    /// When a column is missing or has another type.
    pub fn from_row(row: &Row) -> Result<Self, db::Error> {
        Ok(Self {
            id: ProductId(row.try_get("id")?),
            artisan_id: row.try_get::<_, Option<_>>("artisan_id")?.map(ArtisanId),
            name: row.try_get("name")?,
            description: row.try_get("description")?,
            price: row.try_get("price")?,
            currency: row.try_get("currency")?,
            version: row.try_get("version")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

impl Versioned for Product {
    fn id(&self) -> Uuid {
        self.id.0
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn updated_at(&self) -> Timestamp {
        self.updated_at
    }
}

/// What a client says of a product, in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewProduct {
    /// The artisan who makes it, if known.
    pub artisan_id: Option<ArtisanId>,
    /// Its name.
    pub name: ProductName,
    /// Its description.
    pub description: Description,
    /// Its price.
    pub price: Price,
    /// The price's currency.
    pub currency: Currency,
}

impl NewProduct {
    /// The product that `members` describes.
    ///
    /// # Errors
    /// 422 with all faults.
    pub fn from_members(mut members: Members) -> Result<Self> {
        let artisan_id = members.nullable("artisan_id");
        let name = members.required("name");
        let description = members.or_default("description");
        let price = members.required("price");
        let currency = members.or_default("currency");
        members.finish(&READ_ONLY, || {
            Some(Self {
                artisan_id,
                name: name?,
                description: description?,
                price: price?,
                currency: currency?,
            })
        })
    }

    /// The product as it is created now, with a new id.
    pub fn into_product(self) -> Product {
        let now = time::now();
        Product {
            id: ProductId::generate(),
            artisan_id: self.artisan_id,
            name: self.name.into(),
            description: self.description.into(),
            price: self.price.minor_units(),
            currency: self.currency.code().to_owned(),
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }
}

/// A change of some of a product's members; what is none stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductPatch {
    /// The artisan who makes it.
    pub artisan_id: Patch<ArtisanId>,
    /// Its name.
    pub name: Option<ProductName>,
    /// Its description.
    pub description: Option<Description>,
    /// Its price.
    pub price: Option<Price>,
    /// The price's currency.
    pub currency: Option<Currency>,
}

impl ProductPatch {
    /// The change that the members of a merge patch describe. Removing a member that has a default sets the
    /// default.
    ///
    /// # Errors
    /// 422 with all faults.
    pub fn from_members(mut members: Members) -> Result<Self> {
        let patch = Self {
            artisan_id: members.patch("artisan_id"),
            name: members.patch_required("name"),
            description: members.patch_or_default("description"),
            price: members.patch_required("price"),
            currency: members.patch_or_default("currency"),
        };
        members.finish(&READ_ONLY, || Some(patch))
    }
}

impl From<NewProduct> for ProductPatch {
    /// A replacement sets every member.
    fn from(new: NewProduct) -> Self {
        let NewProduct { artisan_id, name, description, price, currency } = new;
        Self {
            artisan_id: artisan_id.map_or(Patch::Null, Patch::Value),
            name: Some(name),
            description: Some(description),
            price: Some(price),
            currency: Some(currency),
        }
    }
}
