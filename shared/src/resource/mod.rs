//! Resources: a resource is described once, and everything else is derived from the description.
//!
//! A description consists of the macro [`resource!`](crate::resource!), which declares the fields with their
//! types, and the trait [`Resource`], which declares filters, orders, search and examples. Derived from it
//! are the row mapping, the statements that read, create, update and delete (`statements`), the request
//! bodies (`body`), lists and their cursors (`listing`), searches (`search`, `near`), the history
//! (`history`), past versions (`past`) and the feed of all changes (`feed`), the schemas and parameters of the API contract (`contract`), and
//! the version of the representation in entity tags and caches ([`representation`]).
//!
//! Every table has the columns id, version, created_at, updated_at, and changed_by_request, by which a
//! repeated statement recognises that its first attempt succeeded. Every write is one statement and adds a
//! row to `history`.

mod body;
pub mod contract;
mod describe;
mod feed;
mod found;
mod history;
pub mod id;
mod key;
pub mod laws;
mod listing;
mod member;
mod near;
mod order;
mod past;
mod refused;
#[cfg(test)]
pub(crate) mod sample;
mod search;
mod statements;
#[cfg(test)]
mod tests;
mod types;

use body::key_version;
pub use body::{Changes, accept, column_names, columns};
use body::{read_columns, row_as_json};
pub use feed::Following;
pub use listing::{Filter, Listing};
pub use member::{Field, Member, column, representation};
pub use order::Order;
pub use past::Version;
pub use refused::Violation;
pub use statements::Statements;
pub use types::{Day, Whole};

use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use uuid::Uuid;

use crate::{
    cache::Cached,
    db::{self, Row, value::Value},
    http::{Creation, JsonObject, Versioned},
    time::Moment,
};

/// The fields that only the service sets.
pub const READ_ONLY: [&str; 4] = ["id", "version", "created_at", "updated_at"];

/// What [`resource!`](crate::resource!) declares.
pub trait Described: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The name of its type and schema: "Product".
    const TYPE: &'static str;
    /// Its name in error messages, in the history and in cache keys: "product".
    const NAME: &'static str;
    /// Its table, and its path segment: "products".
    const TABLE: &'static str;
    /// Its description, one sentence.
    const ABOUT: &'static str;
    /// Its fields except those of [`READ_ONLY`].
    const FIELDS: &'static [Field];

    /// The values of [`FIELDS`](Self::FIELDS), in order.
    fn values(&self) -> Vec<Value>;

    /// Reads the resource from a row.
    ///
    /// # Errors
    /// If a column is missing or has another type.
    fn read(row: &Row) -> Result<Self, db::Error>;

    /// Parses a new resource with a new id and the current time; `None`, with the errors recorded in
    /// `members`, if a field is invalid.
    fn accept(members: &mut JsonObject) -> Option<Self>;

    /// The fields that only the service sets.
    fn head(&self) -> Head;

    /// The same resource with another head.
    #[must_use]
    fn with_head(self, head: Head) -> Self;

    /// Its statements, built once per process.
    fn statements() -> &'static Statements;

    /// The schemas of its fields, in the order of [`FIELDS`](Self::FIELDS).
    fn schemas() -> Vec<contract::MemberSchema>;
}

/// The fields of every resource that only the service sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The id, a UUIDv7.
    pub id: Uuid,
    /// 1 at creation, incremented by every change.
    pub version: i64,
    /// The time of creation.
    pub created_at: Moment,
    /// The time of the last change.
    pub updated_at: Moment,
}

impl Head {
    /// The head of a resource that is created now.
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

/// A resource: what is declared beyond its fields.
pub trait Resource: Described {
    /// The filters of its lists.
    const FILTERS: &'static [Filter] = &[];
    /// The orders of its lists; the first is the default.
    const ORDERS: &'static [Order] = &[Order::new::<Self>("-created_at", &["-created_at"])];
    /// The fields that order equally good matches of a search, before the id; empty if there is no search.
    /// Searches use the column `search_key`.
    const MATCHES: &'static [&'static str] = &[];
    /// Whether the database maintains the leads of names in `<table>_leads`, and an index on `MATCHES`, which
    /// then is a single field, that covers the columns of the filters. It makes searches for common terms
    /// fast even with 100,000 rows and more.
    const HAS_LEADS: bool = false;
    /// Constraints with an error message of their own when a create or update violates them; see
    /// [`Violation`] for the others.
    const REFUSED: &'static [Violation] = &[];
    /// Constraints with an error message of their own when a delete violates them; see [`Violation`] for the
    /// others.
    const KEPT: &'static [Violation] = &[];
    /// The id in examples.
    const EXAMPLE_ID: &'static str = "01936b5e-7c00-7000-8000-00000000000a";

    /// An example of the body that creates one.
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
