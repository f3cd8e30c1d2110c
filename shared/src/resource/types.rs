//! Field types for any resource.

use serde::{Deserialize, Serialize};
use tokio_postgres::types::{FromSql, Type as Sql, accepts};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type, schema::SchemaType};

use super::Member;
use crate::{
    db::value::{ColumnType, Value},
    http::{FromParameter, Json},
    text::{self, Line, Paragraphs},
};

impl<const MAX: usize> Member for Line<MAX> {
    type Column = String;

    const KIND: ColumnType = ColumnType::Text;

    fn from_column(text: String) -> Self {
        Self::stored(text)
    }

    fn value(&self) -> Value {
        Value::from(self.as_str())
    }

    fn accept(json: &Json) -> Result<Self, String> {
        Self::from_parameter(json.as_str().ok_or("must be a string")?)
    }

    fn accepted() -> RefOr<Schema> {
        text::line_schema(MAX).into()
    }

    fn answered() -> RefOr<Schema> {
        text::text().min_length(Some(1)).max_length(Some(MAX)).description(Some("In NFC.")).into()
    }
}

impl<const MAX: usize> Member for Paragraphs<MAX> {
    type Column = String;

    const KIND: ColumnType = ColumnType::Text;

    fn from_column(text: String) -> Self {
        Self::stored(text)
    }

    fn value(&self) -> Value {
        Value::from(self.as_str())
    }

    fn accept(json: &Json) -> Result<Self, String> {
        Self::new(json.as_str().ok_or("must be a string")?)
    }

    fn accepted() -> RefOr<Schema> {
        text::paragraphs_schema(MAX).into()
    }

    fn answered() -> RefOr<Schema> {
        text::text().max_length(Some(MAX)).description(Some("In NFC.")).into()
    }
}

/// An integer from `MIN` to `MAX`, however it is written: `100`, `100.0` and `1e2` are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Whole<const MIN: i64, const MAX: i64>(i64);

impl<const MIN: i64, const MAX: i64> Whole<MIN, MAX> {
    /// The number as an `i64`.
    pub fn get(self) -> i64 {
        self.0
    }

    fn new(number: Option<i64>) -> Result<Self, String> {
        let number = number.filter(|number| (MIN..=MAX).contains(number));
        number.map(Self).ok_or_else(|| format!("must be an integer from {MIN} to {MAX}"))
    }

    fn schema() -> ObjectBuilder {
        let integer = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Integer));
        integer.format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64))).minimum(Some(MIN))
    }
}

impl<const MIN: i64, const MAX: i64> Member for Whole<MIN, MAX> {
    type Column = i64;

    const KIND: ColumnType = ColumnType::Int8;

    fn from_column(number: i64) -> Self {
        Self(number)
    }

    fn value(&self) -> Value {
        Value::Int8(self.0)
    }

    fn accept(json: &Json) -> Result<Self, String> {
        Self::new(json.as_i64())
    }

    /// Only digits, with a sign if `MIN` is negative.
    fn accept_text(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix('-').filter(|_| MIN < 0).unwrap_or(text);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        Self::new(text.parse().ok().filter(|_| is_number))
    }

    fn accepted() -> RefOr<Schema> {
        Self::schema().maximum(Some(MAX)).into()
    }

    fn answered() -> RefOr<Schema> {
        Self::schema().into()
    }
}

/// A boolean field.
impl Member for bool {
    type Column = Self;

    const KIND: ColumnType = ColumnType::Bool;

    fn from_column(column: Self) -> Self {
        column
    }

    fn value(&self) -> Value {
        Value::Bool(*self)
    }

    fn accept(json: &Json) -> Result<Self, String> {
        if let Json::Bool(value) = json { Ok(*value) } else { Err("must be true or false".to_owned()) }
    }

    fn accept_text(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "must be true or false".to_owned())
    }

    fn accepted() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(SchemaType::Type(Type::Boolean)).into()
    }
}

/// A day in the Gregorian calendar, years 1 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(jiff::civil::Date);

impl Day {
    /// The day as a date.
    pub fn date(self) -> jiff::civil::Date {
        self.0
    }
}

/// A row written by another program may have any day, including infinity: it is read as the nearest valid
/// one.
impl FromSql<'_> for Day {
    fn from_sql(_: &Sql, raw: &[u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        const FIRST: jiff::civil::Date = jiff::civil::date(1, 1, 1);
        const EPOCH: jiff::civil::Date = jiff::civil::date(2000, 1, 1);
        let days = i32::from_be_bytes(raw.try_into()?);
        let date = EPOCH.saturating_add(jiff::Span::new().try_days(days.clamp(-800_000, 3_000_000))?);
        Ok(Self(date.max(FIRST)))
    }

    accepts!(DATE);
}

impl Member for Day {
    type Column = Self;

    const KIND: ColumnType = ColumnType::Date;

    fn from_column(day: Self) -> Self {
        day
    }

    fn value(&self) -> Value {
        Value::Date(self.0)
    }

    fn accept(json: &Json) -> Result<Self, String> {
        const FORM: &str = "must be a date such as 2026-11-21";
        let text = json.as_str().ok_or(FORM)?;
        let is_plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        let date: Option<jiff::civil::Date> = text.parse().ok().filter(|_| is_plain);
        date.filter(|date| date.year() >= 1).map(Self).ok_or_else(|| FORM.to_owned())
    }

    fn accepted() -> RefOr<Schema> {
        let text = text::text();
        text.format(Some(SchemaFormat::KnownFormat(KnownFormat::Date))).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_those_that_fit() {
        type Price = Whole<0, { i64::MAX }>;
        for (text, number) in [
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
            let json: Json = text.parse().unwrap();
            assert_eq!(Price::accept(&json).ok().map(Price::get), number, "{text}");
        }
        for (text, number) in
            [("7", Some(7)), ("-7", None), ("+7", None), ("7.0", None), ("", None), ("٣", None)]
        {
            assert_eq!(Price::accept_text(text).ok().map(Price::get), number, "{text}");
        }
        assert_eq!(Whole::<-9, 9>::accept_text("-7").map(Whole::get), Ok(-7));
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for (text, is_day) in [
            ("2026-11-21", true),
            ("0001-01-01", true),
            ("9999-12-31", true),
            ("0000-01-01", false),
            ("2026-02-30", false),
            ("2026-11-21T09:30:00Z", false),
            ("20261121", false),
            ("", false),
        ] {
            assert_eq!(Day::accept_text(text).is_ok(), is_day, "{text}");
        }
        let read = |days: i32| Day::from_sql(&Sql::DATE, &days.to_be_bytes()).unwrap().0.to_string();
        assert_eq!(read(0), "2000-01-01");
        assert_eq!(read(i32::MAX), "9999-12-31");
        assert_eq!(read(i32::MIN), "0001-01-01");
    }
}
