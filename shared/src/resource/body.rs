//! Request bodies of a resource: a full representation or a merge patch (RFC 7396).

use super::{Described, Field, Member, READ_ONLY, Resource};
use crate::{
    db::value::Value,
    http::{Json, JsonObject, Result},
    text::FOLDINGS,
};

/// Parses the field `name` of `members`, or returns its default if it is absent. Returns `None` and records
/// an error in `members` if there is no valid value.
pub fn accept<T: Member>(members: &mut JsonObject, name: &str, default: Option<fn() -> T>) -> Option<T> {
    let accepted = match members.take(name) {
        None => default.map(|default| default()).or_else(T::null).ok_or_else(|| "is required".to_owned()),
        Some(Json::Null) => T::null().ok_or_else(|| "must not be null".to_owned()),
        Some(value) => T::accept(&value),
    };
    accepted.map_err(|detail| members.refuse(name, detail)).ok()
}

/// A change of some fields of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The new value of each field; `None` leaves it unchanged.
    values: Vec<Option<Value>>,
}

impl Changes {
    /// Sets every field to its value in `resource`.
    pub fn to(resource: &impl Described) -> Self {
        Self { values: resource.values().into_iter().map(Some).collect() }
    }

    /// The names of the changed fields.
    pub(super) fn names<T: Described>(&self) -> Vec<&'static str> {
        let changed = T::FIELDS.iter().zip(&self.values).filter(|(_, value)| value.is_some());
        changed.map(|(field, _)| field.name).collect()
    }

    /// The values of all columns in the order of the fields, each followed by its derived column; null for
    /// unchanged fields.
    pub(super) fn columns<T: Described>(&self) -> Vec<(&'static str, Value)> {
        let values = self.values.iter().zip(T::FIELDS);
        columns::<T>(values.map(|(value, field)| value.clone().unwrap_or(Value::Null(field.kind))))
    }

    /// The field values after applying these changes to `values`.
    pub(super) fn apply(&self, values: Vec<Value>) -> Vec<Value> {
        values.into_iter().zip(&self.values).map(|(value, change)| change.clone().unwrap_or(value)).collect()
    }
}

/// The value that a merge patch sets for `field`; `None` if it sets none or an invalid one, which is recorded
/// in `members`.
fn patched(field: &Field, members: &mut JsonObject) -> Option<Value> {
    let accepted = match members.take(field.name)? {
        Json::Null => field.removed().ok_or_else(|| "must not be null: it cannot be removed".to_owned()),
        value => field.accept(&value),
    };
    accepted.map_err(|detail| members.refuse(field.name, detail)).ok()
}

/// The columns of a resource with these field values, in the order of the fields, each followed by its
/// derived column.
pub fn columns<T: Described>(values: impl IntoIterator<Item = Value>) -> Vec<(&'static str, Value)> {
    let mut columns = Vec::new();
    for (field, value) in T::FIELDS.iter().zip(values) {
        let derived = field.derive(&value);
        columns.push((field.name, value));
        columns.extend(derived);
    }
    columns.extend(key_version::<T>());
    columns
}

/// The select list of a resource: its fields and the columns of every table, each prefixed with `prefix`.
pub(super) fn read_columns<T: Described>(prefix: &str) -> String {
    select_list::<T>(|name| format!("{prefix}{name}"))
}

/// The select list of a resource, each of whose columns `selected` writes.
fn select_list<T: Described>(selected: impl Fn(&str) -> String) -> String {
    let fields = T::FIELDS.iter().map(|field| field.name);
    let all = std::iter::once("id").chain(fields).chain(["version", "created_at", "updated_at"]);
    all.map(selected).collect::<Vec<_>>().join(", ")
}

/// The SQL expression for the row `row` as clients read it, as `jsonb`.
pub(super) fn row_as_json<T: Described>(row: &str) -> String {
    let columns = select_list::<T>(|name| match name {
        "created_at" | "updated_at" => format!("answered_time({row}.{name}) as {name}"),
        _ => format!("{row}.{name}"),
    });
    format!("(select to_jsonb(it) from (select {columns}) it)")
}

/// The names of [`columns`], in the same order.
pub fn column_names<T: Described>() -> Vec<&'static str> {
    let fields = T::FIELDS.iter().flat_map(|field| [Some(field.name), field.derived.map(|(name, _)| name)]);
    fields.flatten().chain(key_version::<T>().map(|(name, _)| name)).collect()
}

/// The column with the version of the folding behind the row's search keys, and the current version as
/// writers send it: negative, so that a trigger of the table can tell it apart and make it positive. `None`
/// if the resource has no search.
pub(super) fn key_version<T: Described>() -> Option<(&'static str, Value)> {
    let [(version, _), _] = FOLDINGS;
    T::FIELDS.iter().any(|field| field.derived.is_some()).then_some(("search_version", Value::Int4(-version)))
}

impl JsonObject {
    /// Parses a new resource with a new id and the current time.
    ///
    /// # Errors
    /// 422 with all errors.
    pub fn create<T: Resource>(mut self) -> Result<T> {
        let created = T::accept(&mut self);
        self.finish(&READ_ONLY, || created)
    }

    /// Parses a merge patch of a `T`. Removing a field that has a default sets the default.
    ///
    /// # Errors
    /// 422 with all errors.
    pub fn patch<T: Resource>(mut self) -> Result<Changes> {
        let values = T::FIELDS.iter().map(|field| patched(field, &mut self)).collect();
        self.finish(&READ_ONLY, || Some(Changes { values }))
    }

    /// Parses a full representation of a `T`, which replaces all of its fields.
    ///
    /// # Errors
    /// 422 with all errors.
    pub fn replace<T: Resource>(self) -> Result<Changes> {
        self.create::<T>().map(|resource| Changes::to(&resource))
    }
}
