//! A resource with fields of every type, for tests of this crate.

use serde_json::{Value, json};

use super::{Day, Filter, Order, Resource, Whole};
use crate::{
    id, resource,
    text::{self, Line, Paragraphs},
};

id! {
    /// A cup's id.
    CupId
}

id! {
    /// A potter's id.
    ArtisanId
}

resource! {
    /// A cup.
    pub struct Cup: "cup" in "cups" {
        id: CupId,
        /// The potter who made it.
        artisan_id: Option<ArtisanId>,
        /// Its name.
        name: Line<200> => search_key: text::fold,
        /// A description of it.
        description: Paragraphs<4_000> = Default::default(),
        /// Its price.
        price: Whole<0, { i64::MAX }>,
        /// Its weight in grams.
        weight: Option<Whole<1, 5_000>>,
        /// Whether it is glazed.
        is_glazed: bool = true,
        /// The day on which it was fired.
        fired_on: Option<Day>,
    }
}

impl Resource for Cup {
    const FILTERS: &'static [Filter] =
        &[Filter::new::<Self>("max_weight", "weight", "weight <= ?", "Only cups of at most this weight.")];
    const ORDERS: &'static [Order] = &[
        Order::new::<Self>("name", &["name"]),
        Order::new::<Self>("weight", &["weight"]),
        Order::new::<Self>("-fired_on", &["-fired_on", "-weight"]),
    ];
    const MATCHES: &'static [&'static str] = &["name"];

    fn example() -> Value {
        json!({"artisan_id": Self::EXAMPLE_ID, "name": "湯呑", "price": 3800, "weight": 180, "fired_on": "2026-11-21"})
    }

    fn patch_example() -> Value {
        json!({"price": 4200})
    }
}
