//! The members of resources: what a type of members knows, and what a resource says of one of its own.

use serde::{Serialize, de::DeserializeOwned};
use tokio_postgres::types::FromSqlOwned;
use utoipa::openapi::{RefOr, Schema};

use crate::{
    db::{
        self, Row,
        value::{Kind, Value},
    },
    http::Json,
};

/// A type of members. A value is checked when a client sends it; one that a row has is taken as it is, for rules change
/// and rows stay.
pub trait Member: Clone + Serialize + DeserializeOwned {
    /// What its column is read as.
    type Column: FromSqlOwned;
    /// The type of its column.
    const KIND: Kind;
    /// Goes up when its JSON changes while its column stays: then clients and caches take what they have for old.
    const FORM: u32 = 1;
    /// Whether it can be null.
    const IS_NULLABLE: bool = false;

    /// The value of a column.
    fn from_column(column: Self::Column) -> Self;

    /// The value of its column.
    fn value(&self) -> Value;

    /// Checks and makes a value of JSON, which is not null.
    ///
    /// # Errors
    /// The fact that is wrong, fit for a client: "must be a string".
    fn accept(json: &Json) -> Result<Self, String>;

    /// Checks and makes a value of the text of a query parameter.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    fn accept_text(text: &str) -> Result<Self, String> {
        Self::accept(&Json::String(text.to_owned()))
    }

    /// The value that null is; none where null is not allowed.
    fn null() -> Option<Self> {
        None
    }

    /// The schema of what is accepted.
    fn accepted() -> RefOr<Schema>;

    /// The schema of what is answered.
    fn answered() -> RefOr<Schema> {
        Self::accepted()
    }

    /// The name under which the contract has the schema of what is accepted; none to repeat it wherever it is used.
    fn component() -> Option<&'static str> {
        None
    }
}

/// A member that may be null.
impl<T: Member> Member for Option<T> {
    type Column = Option<T::Column>;

    const KIND: Kind = T::KIND;
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

/// A column that follows from a text, and how.
type Derived = (&'static str, fn(&str) -> String);

/// What a resource says of a member.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name, in JSON and in the table.
    pub name: &'static str,
    /// The type of its column.
    pub kind: Kind,
    /// Whether it can be null.
    pub is_nullable: bool,
    /// What it is when a client leaves it out; none if it must not be left out.
    pub default: Option<fn() -> Value>,
    /// A column that follows from it, for searches, and how. Nobody reads it.
    pub derived: Option<Derived>,
    form: u32,
    accept: fn(&Json) -> Result<Value, String>,
    accept_text: fn(&str) -> Result<Value, String>,
}

impl Field {
    /// The member `name`, of the type `T`.
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

    /// The same, with a default.
    #[must_use]
    pub const fn or(self, default: fn() -> Value) -> Self {
        Self { default: Some(default), ..self }
    }

    /// The same, with a column that follows from it.
    #[must_use]
    pub const fn derives(self, column: &'static str, from: fn(&str) -> String) -> Self {
        Self { derived: Some((column, from)), ..self }
    }

    /// Checks JSON, which is not null, and makes the value of its column.
    ///
    /// # Errors
    /// The fact that is wrong, fit for a client.
    pub fn accept(&self, json: &Json) -> Result<Value, String> {
        (self.accept)(json)
    }

    /// The same, of the text of a query parameter.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub fn accept_text(&self, text: &str) -> Result<Value, String> {
        (self.accept_text)(text)
    }

    /// What it is when a client removes it; none if it cannot be removed.
    pub(super) fn removed(&self) -> Option<Value> {
        self.default.map(|default| default()).or_else(|| self.is_nullable.then_some(Value::Null(self.kind)))
    }

    /// The value of the column that follows from it where it is `value`.
    pub(super) fn derive(&self, value: &Value) -> Option<(&'static str, Value)> {
        let (column, from) = self.derived?;
        Some((
            column,
            if let Value::Text(text) = value { Value::Text(from(text)) } else { Value::Null(Kind::Text) },
        ))
    }
}

/// A number that changes whenever what is answered does: with the names of the members, their columns' types, whether
/// they can be null, and [`Member::FORM`]. FNV-1a, of 32 bits.
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

/// The member `name` of `row`.
///
/// # Errors
/// When the column is missing or has another type.
pub fn column<T: Member>(row: &Row, name: &str) -> Result<T, db::Error> {
    Ok(T::from_column(row.try_get(name)?))
}
