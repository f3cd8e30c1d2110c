//! The cache: what a client sees of it, and what it must never see.

mod cell;
mod model;
mod protocol;
pub(crate) mod reads;
mod servers;
mod stress;
