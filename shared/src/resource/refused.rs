//! Constraint violations and the errors that clients get for them.

use super::Resource;
use crate::{
    db::{Violated, WriteError, Written},
    http::{Problem, Result},
};

/// The error for a violation of the constraint with that name. The defaults for constraints that a resource
/// does not list are:
///
/// - 422 at the field for a reference to a missing row (a foreign key of the table, `<table>_<field>_fkey`);
/// - 409 for the deletion of a row that others refer to (a foreign key of another table);
/// - 409 for a value that another row already has (a unique constraint, `<table>_<field>_key`).
///
/// Any other violation is a fault of the service: whatever can be validated without the database is validated
/// earlier.
pub type Violation = (&'static str, fn() -> Problem);

/// The result of a create or update, with constraint violations mapped to errors.
pub(super) fn change<T: Resource>(written: Result<Written, WriteError>) -> Result<Written> {
    explained::<T>(written, T::REFUSED)
}

/// The result of a delete, with constraint violations mapped to errors.
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

/// The default error, by the constraint's kind and name.
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
        return Some(Problem::invalid_member(member, &format!("must be the id of an existing {what}")));
    }
    let others = violated.table;
    Some(Problem::conflict(format!(
        "The {name} still has {others}. Delete them or assign them to another {name} first."
    )))
}
