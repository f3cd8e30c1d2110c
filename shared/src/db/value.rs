//! Parameters that a statement owns, each with its type.

use uuid::Uuid;

use super::{ToSql, Type};
use crate::time::Moment;

/// A value and its type.
pub type Value = (Box<dyn ToSql + Sync + Send>, Type);

/// A `text`.
pub fn text(value: impl Into<String>) -> Value {
    (Box::new(value.into()), Type::TEXT)
}

/// A `uuid`, or null.
pub fn uuid(value: impl Into<Option<Uuid>>) -> Value {
    (Box::new(value.into()), Type::UUID)
}

/// An `integer`.
pub fn int4(value: i32) -> Value {
    (Box::new(value), Type::INT4)
}

/// A `bigint`.
pub fn int8(value: i64) -> Value {
    (Box::new(value), Type::INT8)
}

/// A `timestamptz`.
pub fn moment(value: Moment) -> Value {
    (Box::new(value), Type::TIMESTAMPTZ)
}
