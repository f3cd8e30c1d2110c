//! The search: what people type and what they find.

mod corpus;
mod generated;
mod near;
mod orders;
mod reader;
mod versions;
