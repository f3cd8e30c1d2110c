//! Products: types and rules, and how they are stored and listed. No HTTP.

mod fields;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod listing;

pub use fields::{Currency, Description, Price, ProductId, ProductName};
pub use listing::{OwnProductFilter, ProductFilter, ProductPosition, ProductSort};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    artisan::{ArtisanId, OF_PRODUCTS},
    cache::Cached,
    contract::Example,
    db::{self, Row, value},
    http::{Creation, Members, Patch, Problem, Result, Versioned},
    stored::{Changes, Column, Statements, Stored, Violation, statements_of},
    text,
    time::Moment,
};

/// Members that the service alone sets.
const READ_ONLY: [&str; 4] = ["id", "version", "created_at", "updated_at"];

fn unknown_artisan() -> Problem {
    Problem::invalid_member("artisan_id", "names no artisan")
}

/// A product of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = Self::example)]
pub struct Product {
    /// The product's id, a UUIDv7.
    #[schema(inline)]
    pub id: ProductId,
    /// The artisan who makes it, if known.
    #[schema(inline, required = true)]
    pub artisan_id: Option<ArtisanId>,
    /// Its name, in NFC.
    #[schema(min_length = 1, max_length = 200)]
    pub name: String,
    /// Its description, in NFC.
    #[schema(max_length = 4_000)]
    pub description: String,
    /// Its price in the currency's minor unit: yen, cents.
    #[schema(minimum = 0)]
    pub price: i64,
    /// The price's currency, a code of ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$")]
    pub currency: String,
    /// 1 at creation, one more with every change.
    #[schema(minimum = 1)]
    pub version: i64,
    /// When it was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Moment,
    /// When it was changed last.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Moment,
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

impl Example for Product {
    fn example() -> Value {
        json!({
            "id": "01936b5e-7c00-7000-8000-00000000000a",
            "artisan_id": "01936b5e-7c00-7000-8000-000000000001",
            "name": "備前焼 湯呑",
            "description": "Wood-fired, unglazed.",
            "price": 3800,
            "currency": "JPY",
            "version": 1,
            "created_at": "2026-11-21T09:30:00Z",
            "updated_at": "2026-11-21T09:30:00Z",
        })
    }
}

impl Cached for Product {
    const NAME: &'static str = "product";
    const SCHEMA: u32 = 1;

    fn from_row(row: &Row) -> Result<Self, db::Error> {
        Self::from_row(row)
    }
}

impl Stored for Product {
    const TABLE: &'static str = "products";
    const COLUMNS: &'static [Column] = &[
        Column::Member("artisan_id"),
        Column::Member("name"),
        Column::Derived("search_key"),
        Column::Member("description"),
        Column::Member("price"),
        Column::Member("currency"),
    ];
    const REFUSED: &'static [Violation] = &[(OF_PRODUCTS, unknown_artisan)];

    fn values(&self) -> Vec<value::Value> {
        vec![
            value::uuid(self.artisan_id.map(|id| id.0)),
            value::text(&self.name),
            value::text(text::fold(&self.name)),
            value::text(&self.description),
            value::int8(self.price),
            value::text(&self.currency),
        ]
    }

    fn statements() -> &'static Statements {
        statements_of!(Product)
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
        self.updated_at.timestamp()
    }
}

impl Creation for Product {
    fn created_as(self, id: Uuid, at: Moment) -> Self {
        Self { id: ProductId(id), created_at: at, updated_at: at, ..self }
    }
}

/// What a client says of a product, in full.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
#[schema(example = Self::example)]
#[serde(deny_unknown_fields)]
pub struct NewProduct {
    /// The artisan who makes it, if known.
    #[schema(inline)]
    pub artisan_id: Option<ArtisanId>,
    /// Its name.
    #[schema(inline)]
    pub name: ProductName,
    /// Its description.
    #[schema(inline, required = false, default = "")]
    pub description: Description,
    /// Its price. However it is written, it is the integer that it is: `100`, `100.0` and `1e2` are the same.
    #[schema(inline)]
    pub price: Price,
    /// The price's currency.
    #[schema(required = false, default = "JPY")]
    pub currency: Currency,
}

impl Example for NewProduct {
    fn example() -> Value {
        json!({
            "artisan_id": "01936b5e-7c00-7000-8000-000000000001",
            "name": "備前焼 湯呑",
            "description": "Wood-fired, unglazed.",
            "price": 3800,
        })
    }
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
        let now = Moment::now();
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
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
#[schema(example = Self::example)]
#[serde(deny_unknown_fields)]
pub struct ProductPatch {
    /// The artisan who makes it; null for none.
    #[schema(inline, value_type = Option<ArtisanId>)]
    pub artisan_id: Patch<ArtisanId>,
    /// Its name.
    #[schema(inline, value_type = ProductName, required = false)]
    pub name: Option<ProductName>,
    /// Its description; null empties it.
    #[schema(inline)]
    pub description: Option<Description>,
    /// Its price. However it is written, it is the integer that it is: `100`, `100.0` and `1e2` are the same.
    #[schema(inline, value_type = Price, required = false)]
    pub price: Option<Price>,
    /// The price's currency; null sets JPY.
    pub currency: Option<Currency>,
}

impl Example for ProductPatch {
    fn example() -> Value {
        json!({"price": 4200, "artisan_id": null})
    }
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

    /// The same, as it is stored.
    pub fn into_changes(self) -> Changes {
        let Self { artisan_id, name, description, price, currency } = self;
        let mut changes = Changes::default();
        match artisan_id {
            Patch::Absent => {}
            Patch::Null => changes.set("artisan_id", value::uuid(None)),
            Patch::Value(id) => changes.set("artisan_id", value::uuid(id.0)),
        }
        if let Some(name) = name.map(String::from) {
            changes.derive("search_key", value::text(text::fold(&name)));
            changes.set("name", value::text(name));
        }
        if let Some(description) = description {
            changes.set("description", value::text(String::from(description)));
        }
        if let Some(price) = price {
            changes.set("price", value::int8(price.minor_units()));
        }
        if let Some(currency) = currency {
            changes.set("currency", value::text(currency.code()));
        }
        changes
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{
        fuzz::{WRITABLE, is_a_merge_then_a_check, rfc_7396},
        *,
    };

    /// RFC 7396, appendix A.
    #[test]
    fn the_reference_algorithm_gives_the_examples_of_the_rfc() {
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"a": "foo"}), json!("bar"), json!("bar")),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            assert_eq!(rfc_7396(target.clone(), &patch), result, "{target} {patch}");
        }
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
            Just(json!("EUR")),
            Just(json!("01936b5e-7c00-7000-8000-000000000002")),
        ];
        leaf.prop_recursive(2, 8, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,4}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn patch_document() -> impl Strategy<Value = Value> {
        let name = prop_oneof![
            8 => prop::sample::select(WRITABLE.to_vec()).prop_map(str::to_owned),
            1 => prop::sample::select(READ_ONLY.to_vec()).prop_map(str::to_owned),
            1 => ".{0,6}",
        ];
        let object = prop::collection::btree_map(name, json_value(), 0..5)
            .prop_map(|members| Value::Object(members.into_iter().collect()));
        prop_oneof![9 => object, 1 => json_value()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn a_patch_is_a_merge_then_a_check(patch in patch_document(), has_artisan: bool) {
            is_a_merge_then_a_check(&patch, has_artisan);
        }
    }
}
