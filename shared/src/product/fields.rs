//! The fields of a product, each valid once it exists.

use std::str::FromStr;

use serde_json::Value;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type, schema::SchemaType},
};

use crate::{
    http::{FromJson, FromParameter},
    id::id,
    text::{Line, Paragraphs},
};

id! {
    /// A product's id.
    ProductId
}

/// A product's name.
pub type ProductName = Line<200>;

/// A product's description.
pub type Description = Paragraphs<4_000>;

/// A price in the minor unit of its currency: 0 to 9,223,372,036,854,775,807.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(i64);

impl Price {
    /// The price in the minor unit.
    pub fn minor_units(self) -> i64 {
        self.0
    }
}

/// What a value that cannot be a price is told.
const PRICE_RANGE: &str = "must be an integer from 0 to 9223372036854775807";

impl FromJson for Price {
    /// A number without a fraction is an integer however it is written: `100.0` and `1e2` are `100`.
    fn from_json(value: &Value) -> Result<Self, String> {
        let integer =
            value.as_i64().or_else(|| value.as_f64().filter(|_| value.is_f64()).and_then(exact_integer));
        integer.filter(|&price| price >= 0).map(Self).ok_or_else(|| PRICE_RANGE.to_owned())
    }
}

/// The integer that `number` is; none above 2^53, where a double no longer tells neighbours apart.
fn exact_integer(number: f64) -> Option<i64> {
    const MAX_EXACT: f64 = 9_007_199_254_740_991.0;
    (number.fract() == 0.0 && (0.0..=MAX_EXACT).contains(&number)).then_some(number as i64)
}

impl FromParameter for Price {
    fn from_parameter(text: &str) -> Result<Self, String> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|_| is_number).map(Self).ok_or_else(|| PRICE_RANGE.to_owned())
    }
}

impl PartialSchema for Price {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::Integer))
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .minimum(Some(0))
            .maximum(Some(i64::MAX))
            .description(Some("In the currency's minor unit: yen, cents."))
            .build()
            .into()
    }
}

impl ToSchema for Price {}

/// A currency: an ISO 4217 code, JPY by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The three-letter code.
    pub fn code(self) -> &'static str {
        self.0.code()
    }
}

impl Default for Currency {
    fn default() -> Self {
        Self(iso_currency::Currency::JPY)
    }
}

impl FromParameter for Currency {
    fn from_parameter(text: &str) -> Result<Self, String> {
        let currency = iso_currency::Currency::from_str(text).ok().filter(|currency| currency.code() == text);
        currency.map(Self).ok_or_else(|| "must be a currency code of ISO 4217, such as JPY".to_owned())
    }
}

impl FromJson for Currency {
    fn from_json(value: &Value) -> Result<Self, String> {
        Self::from_parameter(value.as_str().ok_or("must be a string")?)
    }
}

impl PartialSchema for Currency {
    fn schema() -> RefOr<Schema> {
        let letters = || 'A'..='Z';
        let codes =
            letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| format!("{a}{b}{c}"))));
        let codes: Vec<_> = codes.filter(|code| Self::from_parameter(code).is_ok()).collect();
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .enum_values(Some(codes))
            .description(Some("A code of ISO 4217."))
            .build()
            .into()
    }
}

impl ToSchema for Currency {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn prices_are_integers_that_fit() {
        for (value, price) in [
            (json!(0), Some(0)),
            (json!(i64::MAX), Some(i64::MAX)),
            (json!(100.0), Some(100)),
            (json!(1e2), Some(100)),
            (json!(-0.0), Some(0)),
            (json!(-1), None),
            (json!(1.5), None),
            (json!(u64::MAX), None),
            (json!(1e300), None),
            (json!("100"), None),
            (json!(true), None),
        ] {
            assert_eq!(Price::from_json(&value).ok().map(Price::minor_units), price, "{value}");
        }
    }

    #[test]
    fn currencies_are_upper_case_iso_codes() {
        for (text, accepted) in
            [("JPY", true), ("EUR", true), ("jpy", false), ("ZZZ", false), ("", false), ("YEN", false)]
        {
            assert_eq!(Currency::from_parameter(text).is_ok(), accepted, "{text}");
        }
        assert_eq!(Currency::default().code(), "JPY");
    }
}
