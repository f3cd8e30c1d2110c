//! Resources as their tables store them: what a table has, and the statements that read, create, change and delete its
//! rows, written once for all resources.
//!
//! Every table has the columns id, version, created_at and updated_at, and changed_by_request, by which a change that is
//! sent again knows that it has been made. Every write is one statement, and leaves a row in `history`.

mod changes;
mod statements;

pub use changes::Changes;
pub use statements::Statements;

use crate::{Problem, cache::Cached, db::value::Value, http::Creation};

/// A column whose value follows from what clients say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// A member of the resource.
    Member(&'static str),
    /// What follows from a member, for searches; nobody reads it.
    Derived(&'static str),
}

impl Column {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Member(name) | Self::Derived(name) => name,
        }
    }
}

/// What a client is told who violates the constraint of that name.
pub type Violation = (&'static str, fn() -> Problem);

/// A resource that is a row of a table.
pub trait Stored: Cached + Creation {
    /// The table.
    const TABLE: &'static str;
    /// Its columns, besides those that every table has.
    const COLUMNS: &'static [Column];
    /// What constraints mean to whom creates or changes a row.
    const REFUSED: &'static [Violation] = &[];
    /// What constraints mean to whom deletes a row.
    const KEPT: &'static [Violation] = &[];

    /// The values of [`COLUMNS`](Self::COLUMNS), in their order.
    fn values(&self) -> Vec<Value>;

    /// Its statements, which are written once for a process: `statements_of!`.
    fn statements() -> &'static Statements;
}

/// The body of [`Stored::statements`].
macro_rules! statements_of {
    ($resource:ty) => {{
        static STATEMENTS: std::sync::LazyLock<$crate::stored::Statements> =
            std::sync::LazyLock::new($crate::stored::Statements::of::<$resource>);
        &STATEMENTS
    }};
}
pub(crate) use statements_of;
