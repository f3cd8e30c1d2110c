//! The cache: how it shows in responses, and that stale values never do.

mod cell;
mod model;
mod protocol;
pub(crate) mod reads;
mod servers;
pub(crate) mod stress;
