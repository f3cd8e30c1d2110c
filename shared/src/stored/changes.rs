//! What a client wants other than it is.

use super::Column;
use crate::db::value::Value;

/// New values of some columns.
#[derive(Default)]
pub struct Changes(Vec<(Column, Value)>);

impl Changes {
    /// Sets the member `name`.
    pub fn set(&mut self, name: &'static str, value: Value) {
        self.0.push((Column::Member(name), value));
    }

    /// Sets what follows from a member that is set.
    pub fn derive(&mut self, name: &'static str, value: Value) {
        self.0.push((Column::Derived(name), value));
    }

    /// The columns, in the order in which they were set.
    pub fn columns(&self) -> impl Iterator<Item = Column> {
        self.0.iter().map(|(column, _)| *column)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &(Column, Value)> {
        self.0.iter()
    }
}
