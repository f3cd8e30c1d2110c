//! Invariants for any input from outside: one function per fuzz target, which panics if an invariant is
//! violated.
//!
//! The tests feed them near-valid inputs, `cargo xtask fuzz` inputs that reach new code. A target returns how
//! far the input was processed, so the tests know that all of its code is reached.

#[cfg(test)]
mod tests;

pub use crate::{
    http::{conditional::fuzz::preconditions, cursor::fuzz::cursor, idempotency::fuzz::idempotency},
    serve::event::fuzz::event,
};
