//! The search, as people use it.

mod corpus;
mod generated;
mod orders;
mod versions;
