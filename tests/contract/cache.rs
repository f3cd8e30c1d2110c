//! The cache: what a client sees of it, and what it must never see.

mod cell;
mod model;
mod protocol;
mod reads;
mod servers;
mod stress;
