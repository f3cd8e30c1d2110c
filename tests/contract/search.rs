//! The search, as people use it.

mod corpus;
mod orders;
mod versions;
