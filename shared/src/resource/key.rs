//! Compile-time lookup of fields and columns by name: a description with an unknown name does not compile.

#![expect(clippy::panic, reason = "a compile-time error if a description has an unknown name")]

use super::{Described, Field, Head, Resource};
use crate::db::value::{ColumnType, Value};

/// A column by which rows can be ordered or filtered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: ColumnType,
    pub(super) is_nullable: bool,
    place: Place,
}

/// Where a resource has the key's value.
#[derive(Debug, Clone, Copy)]
enum Place {
    CreatedAt,
    UpdatedAt,
    Field(usize),
}

impl Key {
    /// The column `name` of `T`; fails to compile if there is no such column.
    pub(super) const fn of<T: Described>(name: &'static str) -> Self {
        if is_same(name, "created_at") {
            return Self { name, kind: ColumnType::Moment, is_nullable: false, place: Place::CreatedAt };
        }
        if is_same(name, "updated_at") {
            return Self { name, kind: ColumnType::Moment, is_nullable: false, place: Place::UpdatedAt };
        }
        let index = position(T::FIELDS, name);
        let Field { kind, is_nullable, .. } = T::FIELDS[index];
        Self { name, kind, is_nullable, place: Place::Field(index) }
    }

    /// The key's value in a resource with the given head and field values.
    pub(super) fn value(self, head: Head, values: &[Value]) -> Value {
        match self.place {
            Place::CreatedAt => Value::Moment(head.created_at),
            Place::UpdatedAt => Value::Moment(head.updated_at),
            Place::Field(index) => values[index].clone(),
        }
    }
}

/// The index of the field `name` in `fields`.
pub(super) const fn position(fields: &[Field], name: &str) -> usize {
    let mut index = 0;
    while index < fields.len() {
        if is_same(fields[index].name, name) {
            return index;
        }
        index += 1;
    }
    panic!("a description names a member that there is not")
}

/// The index of the filter of `T` that restricts a list to one `Owner`: that of the field `<owner>_id`.
pub(super) const fn owner_filter<T: Resource, Owner: Described>() -> usize {
    let mut index = 0;
    while index < T::FILTERS.len() {
        if let Some((owner, id)) = T::FILTERS[index].member.split_at_checked(Owner::NAME.len())
            && is_same(owner, Owner::NAME)
            && is_same(id, "_id")
        {
            return index;
        }
        index += 1;
    }
    panic!("no filter restricts a list to those of the owner")
}

/// `==` at compile time.
const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let mut index = 0;
    while index < one.len() {
        if one[index] != other[index] {
            return false;
        }
        index += 1;
    }
    true
}
