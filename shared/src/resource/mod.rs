//! Resources: what one is, described once, and what follows from that.
//!
//! A description is the macro [`resource!`](crate::resource!), which names the members with their types, and the trait
//! [`Resource`], which says how a resource is filtered, ordered, searched and shown as an example. From these follow the
//! row mapping, the statements that read, create, change and delete (`statements`), the members that a client may send
//! (`body`), lists and their cursors (`listing`), searches (`search`, `near`), the history of one (`history`), the schemas and
//! parameters of the contract (`contract`), and what caches and entity tags take for another representation
//! ([`representation`]).
//!
//! Every table has the columns id, version, created_at and updated_at, and changed_by_request, by which a change that is
//! sent again knows that it has been made. Every write is one statement, and leaves a row in `history`.

mod body;
pub mod contract;
mod describe;
mod found;
mod history;
pub mod id;
mod key;
pub mod laws;
mod listing;
mod member;
mod near;
mod order;
mod refused;
#[cfg(test)]
pub(crate) mod sample;
mod search;
mod statements;
#[cfg(test)]
mod tests;
mod types;

use body::key_version;
use body::read_columns;
pub use body::{Changes, accept, column_names, columns};
pub use listing::{Filter, Listing};
pub use member::{Field, Member, column, representation};
pub use order::Order;
pub use refused::Violation;
pub use statements::Statements;
pub use types::{Day, Whole};

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{
    cache::Cached,
    db::{self, Row, value::Value},
    http::{Creation, Members, Versioned},
    time::Moment,
};

/// The members that the service alone sets.
pub const READ_ONLY: [&str; 4] = ["id", "version", "created_at", "updated_at"];

/// What [`resource!`](crate::resource!) says of a resource.
pub trait Described: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name of its type and of its schema: "Product".
    const TYPE: &'static str;
    /// Its name in what clients are told, in the history and in keys of caches: "product".
    const NAME: &'static str;
    /// Its table, and the segment of its paths: "products".
    const TABLE: &'static str;
    /// What it is, in a sentence.
    const ABOUT: &'static str;
    /// Its members, besides those of [`READ_ONLY`].
    const FIELDS: &'static [Field];

    /// The values of [`FIELDS`](Self::FIELDS), in their order.
    fn values(&self) -> Vec<Value>;

    /// The resource of a row.
    ///
    /// # Errors
    /// When a column is missing or has another type.
    fn read(row: &Row) -> Result<Self, db::Error>;

    /// The resource that `members` describe, created now with a new id; none, with faults in `members`, if they do not.
    fn accept(members: &mut Members) -> Option<Self>;

    /// What the service alone sets.
    fn head(&self) -> Head;

    /// The same, with another head.
    #[must_use]
    fn with_head(self, head: Head) -> Self;

    /// Its statements, which are written once for a process.
    fn statements() -> &'static Statements;

    /// The schemas of its members, in the order of [`FIELDS`](Self::FIELDS).
    fn schemas() -> Vec<contract::MemberSchema>;
}

/// What every resource has, and the service alone sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its id.
    pub id: Uuid,
    /// 1 at creation, one more with every change.
    pub version: i64,
    /// When it was created.
    pub created_at: Moment,
    /// When it was changed last.
    pub updated_at: Moment,
}

impl Head {
    /// That of a resource that is created now.
    pub fn new() -> Self {
        let now = Moment::now();
        Self { id: Uuid::now_v7(), version: 1, created_at: now, updated_at: now }
    }
}

impl Default for Head {
    fn default() -> Self {
        Self::new()
    }
}

/// A resource: what its members do not say.
pub trait Resource: Described {
    /// The filters of its lists.
    const FILTERS: &'static [Filter] = &[];
    /// The orders of its lists; the first is the default.
    const ORDERS: &'static [Order] = &[Order::new::<Self>("-created_at", &["-created_at"])];
    /// What decides between equally good matches of a search, before the id; empty where there is no search. What is
    /// searched is the column `search_key`.
    const MATCHES: &'static [&'static str] = &[];
    /// Whether the database notes the leads of names, in `<table>_leads`, and has an index of `MATCHES`, which is one member
    /// then, that covers what filters read. So searches of 100,000 rows and more are fast for common terms as well.
    const HAS_LEADS: bool = false;
    /// What constraints mean to whom creates or changes a row, besides what [`Violation`] says of itself.
    const REFUSED: &'static [Violation] = &[];
    /// What constraints mean to whom deletes a row, besides what [`Violation`] says of itself.
    const KEPT: &'static [Violation] = &[];
    /// The id of examples.
    const EXAMPLE_ID: &'static str = "01936b5e-7c00-7000-8000-00000000000a";

    /// An example of what a client sends to create one.
    fn example() -> serde_json::Value;

    /// An example of a merge patch.
    fn patch_example() -> serde_json::Value;
}

impl<T: Resource> Versioned for T {
    const REPRESENTATION: u32 = representation(T::FIELDS);

    fn id(&self) -> Uuid {
        self.head().id
    }

    fn version(&self) -> i64 {
        self.head().version
    }

    fn updated_at(&self) -> Timestamp {
        self.head().updated_at.timestamp()
    }
}

impl<T: Resource> Creation for T {
    fn created_as(self, id: Uuid, at: Moment) -> Self {
        let head = Head { id, created_at: at, updated_at: at, ..self.head() };
        self.with_head(head)
    }
}

impl<T: Resource> Cached for T {
    const NAME: &'static str = <T as Described>::NAME;

    fn from_row(row: &Row) -> Result<Self, db::Error> {
        T::read(row)
    }
}
