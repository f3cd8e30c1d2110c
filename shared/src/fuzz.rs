//! What must hold for any input from outside: one function for each target, which panics where it does not.
//!
//! The tests feed them near-valid inputs, `cargo xtask fuzz` feeds them what reaches new code. A target returns how
//! far the input came, so that the tests know that all of it is reached.

#[cfg(test)]
mod tests;

pub use crate::{
    http::{conditional::fuzz::preconditions, cursor::fuzz::cursor, idempotency::fuzz::idempotency},
    serve::event::fuzz::event,
};
