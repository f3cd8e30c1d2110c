//! The orders of lists and searches as SQL, and the positions in them that cursors encode.

use std::fmt::Write as _;

use serde::Serialize;

use super::{Resource, key::Key};
use crate::db::{
    self, Row,
    value::{ColumnType, Value},
};

/// An order of a list, with the id as the tie-breaker. Nulls come last, or first in a descending order.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// The value of the parameter `sort` that selects it.
    pub word: &'static str,
    keys: &'static [&'static str],
    is_descending: bool,
}

impl Order {
    /// The order of a list of `T` by `keys`, selected by `sort=word`. A column with a `-` is descending; all
    /// columns have one, or none.
    pub const fn new<T: Resource>(word: &'static str, keys: &'static [&'static str]) -> Self {
        let is_reverse = is_descending(keys[0]);
        let mut index = 0;
        while index < keys.len() {
            assert!(
                is_descending(keys[index]) == is_reverse,
                "an order descends by all of its columns or by none"
            );
            let _ = Key::of::<T>(bare(keys[index]));
            index += 1;
        }
        Self { word, keys, is_descending: is_reverse }
    }

    /// Whether it is the ascending order by `columns`.
    pub(super) fn is_by(&self, columns: &[&str]) -> bool {
        self.keys == columns
    }

    pub(super) fn keys<T: Resource>(&self) -> Vec<Key> {
        self.keys.iter().map(|key| Key::of::<T>(bare(key))).collect()
    }
}

const fn is_descending(key: &str) -> bool {
    !key.is_empty() && key.as_bytes()[0] == b'-'
}

/// The column name without its sign.
const fn bare(key: &'static str) -> &'static str {
    if is_descending(key) { key.split_at(1).1 } else { key }
}

/// A resource read from a row, with the computed values that precede its fields in the order.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Placed<T> {
    #[serde(skip)]
    first: Vec<i32>,
    resource: T,
}

#[cfg(test)]
impl<T> Placed<T> {
    pub(super) fn of(resource: T) -> Self {
        Self { first: Vec::new(), resource }
    }
}

/// An order as SQL.
#[derive(Debug)]
pub(super) struct Ordered {
    /// Columns computed by the statement, integers, which precede the keys.
    first: &'static [&'static str],
    pub(super) keys: Vec<Key>,
    /// The condition of the rows after a position.
    pub(super) after: String,
    /// ORDER BY and LIMIT.
    pub(super) by: String,
}

impl Ordered {
    pub(super) fn of<T: Resource>(order: &Order) -> Self {
        Self::new(&[], order.keys::<T>(), order.is_descending)
    }

    /// The same order for search results: exact hits precede near hits. A position starts with the rank,
    /// which `after` does not compare: it applies to hits of the same rank.
    pub(super) fn of_found<T: Resource>(order: &Order) -> Self {
        let of_list = Self::of::<T>(order);
        let by = of_list.by.replacen("order by ", "order by rank, ", 1);
        Self { first: &["rank"], by, ..of_list }
    }

    /// The order by the columns `first`, then `keys`, then the id. A nullable key becomes two columns,
    /// whether it is null and its value or a default, so that a single row comparison works for all rows, and
    /// one index supports it.
    pub(super) fn new(first: &'static [&'static str], keys: Vec<Key>, is_descending: bool) -> Self {
        let mut columns: Vec<_> = first.iter().map(|&column| column.to_owned()).collect();
        let mut values = vec!["?".to_owned(); first.len()];
        for Key { name, kind, is_nullable, .. } in &keys {
            if *is_nullable {
                let any = kind.any();
                columns.extend([format!("({name} is null)"), format!("coalesce({name}, {any})")]);
                values.extend(["?".to_owned(), format!("coalesce(?, {any})")]);
            } else {
                columns.push((*name).to_owned());
                values.push("?".to_owned());
            }
        }
        columns.push("id".to_owned());
        values.push("?".to_owned());
        let (sign, direction) = if is_descending { ("<", " desc") } else { (">", "") };
        let after = format!("({}) {sign} ({})", columns.join(", "), values.join(", "));
        let mut by = String::from("order by ");
        for (index, column) in columns.iter().enumerate() {
            let _ = write!(by, "{}{column}{direction}", if index == 0 { "" } else { ", " });
        }
        by.push_str("\nlimit ?");
        Self { first, keys, after, by }
    }

    /// ORDER BY and LIMIT with the parameter `rows`.
    pub(super) fn by_rows(&self, rows: &str) -> String {
        self.by.replace('?', rows)
    }

    /// Parses a position from a cursor's JSON: the SQL values of the keys and the id.
    pub(super) fn read(&self, json: &[serde_json::Value]) -> Option<Vec<Value>> {
        let (first, json) = json.split_at_checked(self.first.len())?;
        let (id, keys) = json.split_last()?;
        if keys.len() != self.keys.len() {
            return None;
        }
        let first = first.iter().map(|json| ColumnType::Int4.read(json).filter(|value| !value.is_null()));
        let mut values = first.collect::<Option<Vec<_>>>()?;
        for (key, json) in self.keys.iter().zip(keys) {
            let value = key.kind.read(json).filter(|value| key.is_nullable || !value.is_null())?;
            if key.is_nullable {
                values.push(Value::Bool(value.is_null()));
            }
            values.push(value);
        }
        values.push(Value::Uuid(id.as_str()?.parse().ok()?));
        Some(values)
    }

    /// Reads a row together with the columns that the order requires.
    pub(super) fn place<T: Resource>(&self, row: &Row) -> Result<Placed<T>, db::Error> {
        let first = self.first.iter().map(|&column| row.try_get(column)).collect::<Result<_, _>>()?;
        Ok(Placed { first, resource: T::read(row)? })
    }

    /// The position of a row in the order.
    pub(super) fn position<T: Resource>(&self, Placed { first, resource }: &Placed<T>) -> Vec<Value> {
        let (head, values) = (resource.head(), resource.values());
        let first = first.iter().map(|&value| Value::Int4(value));
        let keys = self.keys.iter().map(|key| key.value(head, &values));
        first.chain(keys).chain([Value::Uuid(head.id)]).collect()
    }
}
