//! The resource artisan.

use serde_json::{Value, json};
use shared::{
    id, resource,
    resource::{Filter, Order, Resource, contract},
    text::{self, Line, Paragraphs},
};

id! {
    /// An artisan's id.
    ArtisanId
}

/// A given or a family name.
pub type PersonName = Line<100>;

/// An artisan's biography.
pub type Biography = Paragraphs<4_000>;

resource! {
    /// An artisan, who makes products.
    pub struct Artisan: "artisan" in "artisans" {
        id: ArtisanId,
        /// The given name.
        given_name: PersonName => given_key: text::fold,
        /// The family name.
        family_name: PersonName => family_key: text::fold,
        /// The biography.
        biography: Biography = Default::default(),
    }
}

/// The body of a request that creates or replaces an artisan.
pub type NewArtisan = contract::New<Artisan>;

/// The body of a request that patches an artisan.
pub type ArtisanPatch = contract::Patch<Artisan>;

impl Resource for Artisan {
    const FILTERS: &'static [Filter] = &[
        Filter::new::<Self>(
            "given_name",
            "given_name",
            "given_name = ?",
            "Only artisans of exactly this given name.",
        ),
        Filter::new::<Self>(
            "family_name",
            "family_name",
            "family_name = ?",
            "Only artisans of exactly this family name.",
        ),
    ];
    const ORDERS: &'static [Order] = &[
        Order::new::<Self>("-created_at", &["-created_at"]),
        Order::new::<Self>("created_at", &["created_at"]),
        Order::new::<Self>("name", &["family_name", "given_name"]),
    ];
    const MATCHES: &'static [&'static str] = &["family_name", "given_name"];
    const EXAMPLE_ID: &'static str = "01936b5e-7c00-7000-8000-000000000001";

    fn example() -> Value {
        json!({"given_name": "花子", "family_name": "佐藤", "biography": "Potter in Bizen."})
    }

    fn patch_example() -> Value {
        json!({"biography": "Potter in Imbe, Bizen."})
    }
}
