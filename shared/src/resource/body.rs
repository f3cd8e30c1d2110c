//! What clients send of a resource: all of it, or a merge patch (RFC 7396).

use super::{Described, Field, Member, READ_ONLY, Resource};
use crate::{
    db::value::Value,
    http::{Json, Members, Result},
    text::FOLDINGS,
};

/// The member `name` of `members`, or its default where it is left out; none, with a fault in `members`, if it has no value.
pub fn accept<T: Member>(members: &mut Members, name: &str, default: Option<fn() -> T>) -> Option<T> {
    let accepted = match members.take(name) {
        None => default.map(|default| default()).or_else(T::null).ok_or_else(|| "is required".to_owned()),
        Some(Json::Null) => T::null().ok_or_else(|| "must not be null".to_owned()),
        Some(value) => T::accept(&value),
    };
    accepted.map_err(|detail| members.refuse(name, detail)).ok()
}

/// What a client wants other than it is: new values of some members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// One for each field; none to leave it as it is.
    values: Vec<Option<Value>>,
}

impl Changes {
    /// The change to all that `resource` has.
    pub fn to(resource: &impl Described) -> Self {
        Self { values: resource.values().into_iter().map(Some).collect() }
    }

    /// The names of what is changed.
    pub(super) fn names<T: Described>(&self) -> Vec<&'static str> {
        let changed = T::FIELDS.iter().zip(&self.values).filter(|(_, value)| value.is_some());
        changed.map(|(field, _)| field.name).collect()
    }

    /// The values of all columns, in the order of the fields, each with that which follows from it; null for what stays.
    pub(super) fn columns<T: Described>(&self) -> Vec<(&'static str, Value)> {
        let values = self.values.iter().zip(T::FIELDS);
        columns::<T>(values.map(|(value, field)| value.clone().unwrap_or(Value::Null(field.kind))))
    }

    /// What these changes make of the members `values`.
    pub(super) fn apply(&self, values: Vec<Value>) -> Vec<Value> {
        values.into_iter().zip(&self.values).map(|(value, change)| change.clone().unwrap_or(value)).collect()
    }
}

/// The value of `field` that a merge patch sets; none if it does not, or with a fault in `members`.
fn patched(field: &Field, members: &mut Members) -> Option<Value> {
    let accepted = match members.take(field.name)? {
        Json::Null => field.removed().ok_or_else(|| "must not be null: it cannot be removed".to_owned()),
        value => field.accept(&value),
    };
    accepted.map_err(|detail| members.refuse(field.name, detail)).ok()
}

/// The columns of the members with these `values`, in the order of the fields, each with that which follows from it.
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

/// What is read of a row: its members and what every row has, each after `prefix`.
pub(super) fn read_columns<T: Described>(prefix: &str) -> String {
    let members = T::FIELDS.iter().map(|field| field.name);
    let all = std::iter::once("id").chain(members).chain(["version", "created_at", "updated_at"]);
    all.map(|name| format!("{prefix}{name}")).collect::<Vec<_>>().join(", ")
}

/// The names of [`columns`], in their order.
pub fn column_names<T: Described>() -> Vec<&'static str> {
    let fields = T::FIELDS.iter().flat_map(|field| [Some(field.name), field.derived.map(|(name, _)| name)]);
    fields.flatten().chain(key_version::<T>().map(|(name, _)| name)).collect()
}

/// The column with the version of the folding that made the search keys of a row, and the current version as writers state
/// it: negative, which a trigger of the table makes positive. `None` where nothing is searched.
pub(super) fn key_version<T: Described>() -> Option<(&'static str, Value)> {
    let [(version, _), _] = FOLDINGS;
    T::FIELDS.iter().any(|field| field.derived.is_some()).then_some(("search_version", Value::Int4(-version)))
}

impl Members {
    /// The resource that these members describe, created now with a new id.
    ///
    /// # Errors
    /// 422 with all faults.
    pub fn create<T: Resource>(mut self) -> Result<T> {
        let created = T::accept(&mut self);
        self.finish(&READ_ONLY, || created)
    }

    /// The changes that these members of a merge patch make to a `T`. Removing a member that has a default sets the default.
    ///
    /// # Errors
    /// 422 with all faults.
    pub fn patch<T: Resource>(mut self) -> Result<Changes> {
        let values = T::FIELDS.iter().map(|field| patched(field, &mut self)).collect();
        self.finish(&READ_ONLY, || Some(Changes { values }))
    }

    /// The changes that make a `T` what these members describe in full.
    ///
    /// # Errors
    /// 422 with all faults.
    pub fn replace<T: Resource>(self) -> Result<Changes> {
        self.create::<T>().map(|resource| Changes::to(&resource))
    }
}
