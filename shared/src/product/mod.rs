//! Products: types and rules, and how they are listed and changed. No HTTP.

mod change;
mod fields;
mod listing;

pub use change::change;
pub use fields::{Currency, Description, Price, ProductId, ProductName};
pub use listing::{ProductFilter, ProductPosition, ProductSort};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    artisan::ArtisanId,
    cache::Cached,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

impl Cached for Product {
    const NAME: &'static str = "product";
    const SCHEMA: u32 = 1;

    fn from_row(row: &Row) -> Result<Self, db::Error> {
        Self::from_row(row)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;

    /// The algorithm of RFC 7396, section 2, line by line.
    fn merge_patch(target: Value, patch: &Value) -> Value {
        let Value::Object(patch) = patch else { return patch.clone() };
        let mut target = if let Value::Object(target) = target { target } else { Map::new() };
        for (name, value) in patch {
            if value.is_null() {
                target.remove(name);
            } else {
                let member = target.remove(name).unwrap_or(Value::Null);
                target.insert(name.clone(), merge_patch(member, value));
            }
        }
        Value::Object(target)
    }

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
            assert_eq!(merge_patch(target.clone(), &patch), result, "{target} {patch}");
        }
    }

    const WRITABLE: [&str; 5] = ["artisan_id", "name", "description", "price", "currency"];

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

    /// What the statement of `change` makes of a product.
    fn apply(product: &NewProduct, patch: ProductPatch) -> NewProduct {
        let ProductPatch { artisan_id, name, description, price, currency } = patch;
        let product = product.clone();
        NewProduct {
            artisan_id: match artisan_id {
                Patch::Absent => product.artisan_id,
                Patch::Null => None,
                Patch::Value(id) => Some(id),
            },
            name: name.unwrap_or(product.name),
            description: description.unwrap_or(product.description),
            price: price.unwrap_or(product.price),
            currency: currency.unwrap_or(product.currency),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// A patch means what RFC 7396 says: merge it into the product, then check the result like a new product.
        /// One thing is stricter: members that nobody knows, or may set, are refused even where null removes nothing.
        #[test]
        fn a_patch_is_a_merge_then_a_check(patch in patch_document(), has_artisan: bool) {
            let artisan = if has_artisan { json!("01936b5e-7c00-7000-8000-000000000001") } else { Value::Null };
            let target = json!({
                "artisan_id": artisan, "name": "Cup", "description": "Blue", "price": 1, "currency": "USD",
            });
            let parse = |value: &Value| Members::parse(value.to_string().as_bytes());
            let product = parse(&target).and_then(NewProduct::from_members).unwrap();

            let merged = parse(&merge_patch(target, &patch)).and_then(NewProduct::from_members);
            let patched = parse(&patch).and_then(ProductPatch::from_members).map(|patch| apply(&product, patch));
            let names_foreign = patch.as_object().is_some_and(|patch| patch.keys().any(|name| !WRITABLE.contains(&name.as_str())));
            match (patched, merged) {
                (Ok(patched), Ok(merged)) => prop_assert_eq!(patched, merged),
                (Err(_), Err(_)) => {}
                (Err(_), Ok(_)) => prop_assert!(names_foreign, "refused: {}", patch),
                (Ok(_), Err(problem)) => prop_assert!(false, "accepted: {} {:?}", patch, problem),
            }
        }
    }
}
