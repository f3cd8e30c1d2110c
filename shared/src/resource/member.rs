//! The fields of resources: the types they can have, and their declaration in a resource.

use serde::{Serialize, de::DeserializeOwned};
use tokio_postgres::types::FromSqlOwned;
use utoipa::openapi::{RefOr, Schema};

use crate::{
    db::{
        self, Row,
        value::{ColumnType, Value},
    },
    http::Json,
};

/// A type of fields. Values are validated when a client sends them, but not when they are read from a row:
/// rules change while rows stay.
pub trait Member: Clone + Serialize + DeserializeOwned {
    /// The Rust type that the column is read as.
    type Column: FromSqlOwned;
    /// The column type.
    const KIND: ColumnType;
    /// Incremented if the JSON changes while the column stays the same, so that clients and caches consider
    /// their copies outdated.
    const FORM: u32 = 1;
    /// Whether null is allowed.
    const IS_NULLABLE: bool = false;

    /// Converts a column value.
    fn from_column(column: Self::Column) -> Self;

    /// The column value.
    fn value(&self) -> Value;

    /// Validates a JSON value other than null.
    ///
    /// # Errors
    /// What is wrong, as a message for the client: "must be a string".
    fn accept(json: &Json) -> Result<Self, String>;

    /// Validates the text of a query parameter.
    ///
    /// # Errors
    /// As for [`accept`](Self::accept).
    fn accept_text(text: &str) -> Result<Self, String> {
        Self::accept(&Json::String(text.to_owned()))
    }

    /// The value for null; `None` if null is not allowed.
    fn null() -> Option<Self> {
        None
    }

    /// The schema of accepted values.
    fn accepted() -> RefOr<Schema>;

    /// The schema of returned values.
    fn answered() -> RefOr<Schema> {
        Self::accepted()
    }

    /// The name of the accepted values' schema in the API contract; `None` to inline it wherever it is used.
    fn component() -> Option<&'static str> {
        None
    }
}

/// A nullable field.
impl<T: Member> Member for Option<T> {
    type Column = Option<T::Column>;

    const KIND: ColumnType = T::KIND;
    const FORM: u32 = T::FORM;
    const IS_NULLABLE: bool = true;

    fn from_column(column: Self::Column) -> Self {
        column.map(T::from_column)
    }

    fn value(&self) -> Value {
        self.as_ref().map_or(Value::Null(T::KIND), T::value)
    }

    fn accept(json: &Json) -> Result<Self, String> {
        T::accept(json).map(Some)
    }

    fn accept_text(text: &str) -> Result<Self, String> {
        T::accept_text(text).map(Some)
    }

    fn null() -> Option<Self> {
        Some(None)
    }

    fn accepted() -> RefOr<Schema> {
        T::accepted()
    }

    fn answered() -> RefOr<Schema> {
        T::answered()
    }

    fn component() -> Option<&'static str> {
        T::component()
    }
}

/// A column derived from a text: its name and the function.
type Derived = (&'static str, fn(&str) -> String);

/// A field as a resource declares it.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// The name in JSON and in the table.
    pub name: &'static str,
    /// The column type.
    pub kind: ColumnType,
    /// Whether null is allowed.
    pub is_nullable: bool,
    /// The default value; `None` if the field is required.
    pub default: Option<fn() -> Value>,
    /// A search column derived from the field; clients never see it.
    pub derived: Option<Derived>,
    form: u32,
    accept: fn(&Json) -> Result<Value, String>,
    accept_text: fn(&str) -> Result<Value, String>,
}

impl Field {
    /// The required field `name` of the type `T`.
    pub const fn of<T: Member>(name: &'static str) -> Self {
        Self {
            name,
            kind: T::KIND,
            is_nullable: T::IS_NULLABLE,
            default: None,
            derived: None,
            form: T::FORM,
            accept: |json| T::accept(json).map(|value| value.value()),
            accept_text: |text| T::accept_text(text).map(|value| value.value()),
        }
    }

    /// The same field with a default.
    #[must_use]
    pub const fn or(self, default: fn() -> Value) -> Self {
        Self { default: Some(default), ..self }
    }

    /// The same field with a derived column.
    #[must_use]
    pub const fn derives(self, column: &'static str, from: fn(&str) -> String) -> Self {
        Self { derived: Some((column, from)), ..self }
    }

    /// Validates a JSON value other than null and converts it to the column value.
    ///
    /// # Errors
    /// What is wrong, as a message for the client.
    pub fn accept(&self, json: &Json) -> Result<Value, String> {
        (self.accept)(json)
    }

    /// The same for the text of a query parameter.
    ///
    /// # Errors
    /// As for [`accept`](Self::accept).
    pub fn accept_text(&self, text: &str) -> Result<Value, String> {
        (self.accept_text)(text)
    }

    /// The value after a client removes the field; `None` if it cannot be removed.
    pub(super) fn removed(&self) -> Option<Value> {
        self.default.map(|default| default()).or_else(|| self.is_nullable.then_some(Value::Null(self.kind)))
    }

    /// The derived column and its value if the field is `value`.
    pub(super) fn derive(&self, value: &Value) -> Option<(&'static str, Value)> {
        let (column, from) = self.derived?;
        Some((
            column,
            if let Value::Text(text) = value {
                Value::Text(from(text))
            } else {
                Value::Null(ColumnType::Text)
            },
        ))
    }
}

/// A hash that changes whenever the returned JSON does: of the fields' names, their column types, whether
/// they are nullable, and [`Member::FORM`]. 32-bit FNV-1a.
pub const fn representation(fields: &[Field]) -> u32 {
    let mut hash = Fnv(0x811c_9dc5);
    let mut index = 0;
    while index < fields.len() {
        let Field { name, kind, is_nullable, form, .. } = fields[index];
        hash = hash.text(name).byte(0).byte(kind as u8).byte(is_nullable as u8).byte(form as u8);
        index += 1;
    }
    hash.0
}

struct Fnv(u32);

impl Fnv {
    const fn byte(self, byte: u8) -> Self {
        Self((self.0 ^ byte as u32).wrapping_mul(0x0100_0193))
    }

    const fn text(mut self, text: &str) -> Self {
        let mut index = 0;
        while index < text.len() {
            self = self.byte(text.as_bytes()[index]);
            index += 1;
        }
        self
    }
}

/// The field `name` of `row`.
///
/// # Errors
/// If the column is missing or has another type.
pub fn column<T: Member>(row: &Row, name: &str) -> Result<T, db::Error> {
    Ok(T::from_column(row.try_get(name)?))
}
