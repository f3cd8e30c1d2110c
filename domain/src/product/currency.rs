//! The currency of a price.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use shared::{
    db::value::{ColumnType, Value},
    http::Json,
    resource::Member,
};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type, schema::SchemaType};

/// A currency: an ISO 4217 code, JPY by default. A stored code may have been withdrawn from ISO 4217 since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Currency(String);

impl Currency {
    /// The three-letter code.
    pub fn code(&self) -> &str {
        &self.0
    }
}

impl Default for Currency {
    fn default() -> Self {
        Self("JPY".to_owned())
    }
}

impl Member for Currency {
    type Column = String;

    const KIND: ColumnType = ColumnType::Text;

    fn from_column(code: String) -> Self {
        Self(code)
    }

    fn value(&self) -> Value {
        Value::from(self.code())
    }

    fn accept(json: &Json) -> Result<Self, String> {
        let code = json.as_str().ok_or("must be a string")?;
        let known = iso_currency::Currency::from_str(code).is_ok_and(|currency| currency.code() == code);
        known
            .then(|| Self(code.to_owned()))
            .ok_or_else(|| "must be an ISO 4217 currency code, such as JPY".to_owned())
    }

    fn accepted() -> RefOr<Schema> {
        let letters = || 'A'..='Z';
        let codes =
            letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| format!("{a}{b}{c}"))));
        let codes: Vec<_> = codes.filter(|code| Self::accept_text(code).is_ok()).collect();
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .enum_values(Some(codes))
            .description(Some("An ISO 4217 currency code."))
            .build()
            .into()
    }

    fn answered() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String));
        text.pattern(Some("^[A-Z]{3}$")).description(Some("An ISO 4217 currency code.")).into()
    }

    fn component() -> Option<&'static str> {
        Some("Currency")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currencies_are_upper_case_iso_codes() {
        for (text, accepted) in
            [("JPY", true), ("EUR", true), ("jpy", false), ("ZZZ", false), ("", false), ("YEN", false)]
        {
            assert_eq!(Currency::accept_text(text).is_ok(), accepted, "{text}");
        }
        assert_eq!(Currency::default().code(), "JPY");
    }
}
