//! The search, as people use it.

mod corpus;
mod generated;
mod near;
mod orders;
mod reader;
mod versions;
