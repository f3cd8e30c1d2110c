//! Constraints that a write violates, and what its client is told.

use super::Resource;
use crate::{
    db::{Violated, WriteError, Written},
    http::{Problem, Result},
};

/// What a client is told who violates the constraint of that name. Where a resource says nothing of a constraint:
///
/// - a reference to what there is not (a foreign key of its own, `<table>_<member>_fkey`) is 422, at that member;
/// - a deletion of what others refer to (a foreign key of their table) is 409;
/// - a value that another row has (a unique constraint, `<table>_<member>_key`) is 409.
///
/// Any other is a fault of the service: what can be checked without the database is checked before.
pub type Violation = (&'static str, fn() -> Problem);

/// What was written by a creation or a change, unless a constraint was violated.
pub(super) fn change<T: Resource>(written: Result<Written, WriteError>) -> Result<Written> {
    explained::<T>(written, T::REFUSED)
}

/// What was written by a deletion, unless a constraint was violated.
pub(super) fn deletion<T: Resource>(written: Result<Written, WriteError>) -> Result<Written> {
    explained::<T>(written, T::KEPT)
}

fn explained<T: Resource>(written: Result<Written, WriteError>, known: &[Violation]) -> Result<Written> {
    written.map_err(|failure| {
        let told = failure.error.violated().and_then(|violated| {
            let known = known.iter().find(|(constraint, _)| *constraint == violated.constraint);
            known.map(|(_, problem)| problem()).or_else(|| told::<T>(&violated))
        });
        told.unwrap_or_else(|| failure.into())
    })
}

/// What follows from the constraint's kind and name.
fn told<T: Resource>(violated: &Violated<'_>) -> Option<Problem> {
    let name = T::NAME;
    let member = |kind: &str| {
        let member = violated.constraint.strip_prefix(T::TABLE)?.strip_prefix('_')?.strip_suffix(kind)?;
        T::FIELDS.iter().map(|field| field.name).find(|field| *field == member)
    };
    if violated.is_unique() {
        let member = member("_key")?;
        return Some(Problem::conflict(format!("Another {name} has this {member}.")));
    }
    if !violated.is_reference() {
        return None;
    }
    if violated.table == T::TABLE {
        let member = member("_fkey")?;
        let what = member.strip_suffix("_id").unwrap_or(member);
        return Some(Problem::invalid_member(member, &format!("names no {what}")));
    }
    let others = violated.table;
    Some(Problem::conflict(format!(
        "The {name} still has {others}. Delete them, or give them to another {name}, first."
    )))
}
