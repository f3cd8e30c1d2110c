//! The fields of a product, each valid once it exists.

use std::str::FromStr;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type, schema::SchemaType},
};

use crate::{
    http::{FromJson, FromParameter, Json},
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
    fn from_json(value: &Json) -> Result<Self, String> {
        value.as_i64().filter(|&price| price >= 0).map(Self).ok_or_else(|| PRICE_RANGE.to_owned())
    }
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
    fn from_json(value: &Json) -> Result<Self, String> {
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
    use super::*;

    #[test]
    fn prices_are_integers_that_fit() {
        for (text, price) in [
            ("0", Some(0)),
            ("9223372036854775807", Some(i64::MAX)),
            ("100.0", Some(100)),
            ("1e2", Some(100)),
            ("-0", Some(0)),
            ("-0.0", Some(0)),
            ("-1", None),
            ("1.5", None),
            ("100.00000000000000000001", None),
            ("18446744073709551615", None),
            ("1e300", None),
            ("1e999", None),
            ("\"100\"", None),
            ("true", None),
        ] {
            let value: Json = text.parse().unwrap();
            assert_eq!(Price::from_json(&value).ok().map(Price::minor_units), price, "{text}");
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
