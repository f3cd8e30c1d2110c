//! Column values, as statement parameters and as cursor positions.

use std::error::Error;

use bytes::BytesMut;
use jiff::civil::Date;
use serde::{Serialize, Serializer};
use serde_json::Value as Json;
use tokio_postgres::types::{IsNull, to_sql_checked};
use uuid::Uuid;

use super::{Parameter, ToSql, Type};
use crate::time::{Moment, exact};

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// `boolean`
    Bool,
    /// `integer`
    Int4,
    /// `bigint`
    Int8,
    /// `text`
    Text,
    /// `uuid`
    Uuid,
    /// `date`
    Date,
    /// `timestamptz`
    Moment,
}

/// A nullable value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Null, with the column's type.
    Null(ColumnType),
    /// A `boolean`.
    Bool(bool),
    /// An `integer`.
    Int4(i32),
    /// A `bigint`.
    Int8(i64),
    /// A `text`.
    Text(String),
    /// A `uuid`.
    Uuid(Uuid),
    /// A `date`.
    Date(Date),
    /// A `timestamptz`.
    Moment(Moment),
}

impl ColumnType {
    /// The PostgreSQL type.
    pub fn sql(self) -> Type {
        match self {
            Self::Bool => Type::BOOL,
            Self::Int4 => Type::INT4,
            Self::Int8 => Type::INT8,
            Self::Text => Type::TEXT,
            Self::Uuid => Type::UUID,
            Self::Date => Type::DATE,
            Self::Moment => Type::TIMESTAMPTZ,
        }
    }

    /// An arbitrary SQL value of the type, for nulls in an order by `(x is null), coalesce(x, ...)`.
    pub fn any(self) -> &'static str {
        match self {
            Self::Bool => "false",
            Self::Int4 | Self::Int8 => "0",
            Self::Text => "''",
            Self::Uuid => "'00000000-0000-0000-0000-000000000000'::uuid",
            Self::Date => "'-infinity'::date",
            Self::Moment => "'-infinity'::timestamptz",
        }
    }

    /// Parses the JSON form of a value; `None` if it does not fit the type.
    pub fn read(self, json: &Json) -> Option<Value> {
        if json.is_null() {
            return Some(Value::Null(self));
        }
        let parsed = match self {
            Self::Bool => Value::Bool(json.as_bool()?),
            Self::Int4 => Value::Int4(json.as_i64()?.try_into().ok()?),
            Self::Int8 => Value::Int8(json.as_i64()?),
            Self::Text => Value::Text(json.as_str()?.to_owned()),
            Self::Uuid => Value::Uuid(json.as_str()?.parse().ok()?),
            Self::Date => Value::Date(json.as_str()?.parse().ok()?),
            Self::Moment => Value::Moment(exact::deserialize(json).ok()?),
        };
        Some(parsed)
    }
}

impl Value {
    /// Its type.
    pub fn kind(&self) -> ColumnType {
        match self {
            Self::Null(kind) => *kind,
            Self::Bool(_) => ColumnType::Bool,
            Self::Int4(_) => ColumnType::Int4,
            Self::Int8(_) => ColumnType::Int8,
            Self::Text(_) => ColumnType::Text,
            Self::Uuid(_) => ColumnType::Uuid,
            Self::Date(_) => ColumnType::Date,
            Self::Moment(_) => ColumnType::Moment,
        }
    }

    /// Whether the value is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null(_))
    }

    /// The value as a statement parameter.
    pub fn parameter(&self) -> Parameter<'_> {
        (self, self.kind().sql())
    }
}

/// A `text` value.
impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// The form that [`ColumnType::read`] parses.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null(_) => serializer.serialize_none(),
            Self::Bool(value) => value.serialize(serializer),
            Self::Int4(value) => value.serialize(serializer),
            Self::Int8(value) => value.serialize(serializer),
            Self::Text(value) => value.serialize(serializer),
            Self::Uuid(value) => value.serialize(serializer),
            Self::Date(value) => value.serialize(serializer),
            Self::Moment(value) => exact::serialize(value, serializer),
        }
    }
}

impl ToSql for Value {
    fn to_sql(&self, r#type: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null(_) => Ok(IsNull::Yes),
            Self::Bool(value) => value.to_sql(r#type, out),
            Self::Int4(value) => value.to_sql(r#type, out),
            Self::Int8(value) => value.to_sql(r#type, out),
            Self::Text(value) => value.to_sql(r#type, out),
            Self::Uuid(value) => value.to_sql(r#type, out),
            Self::Date(value) => value.to_sql(r#type, out),
            Self::Moment(value) => value.to_sql(r#type, out),
        }
    }

    /// Each value determines its own type.
    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_written() {
        for value in [
            Value::Bool(true),
            Value::Int4(-1),
            Value::Int8(i64::MIN),
            Value::from("器"),
            Value::Uuid(Uuid::from_u128(7)),
            Value::Date("2026-11-21".parse().unwrap()),
            Value::Moment(Moment::now()),
            Value::Null(ColumnType::Int8),
        ] {
            let json = serde_json::to_value(&value).unwrap();
            assert_eq!(value.kind().read(&json), Some(value));
        }
        assert_eq!(ColumnType::Int4.read(&Json::from(i64::MAX)), None);
        assert_eq!(ColumnType::Int8.read(&Json::from("1")), None);
    }
}
