//! Programs of others that the project needs: which versions, where they are kept, and how they get there.
//!
//! Each function installs what is missing into the checkout and returns where it is, so that a caller cannot ask for
//! something that is not there. What the machine has of its own is used by `cargo xtask dev` alone, never by a test.

mod checkout;
mod chromium;
mod command;
mod debian;
mod emulator;
mod node;
mod postgres;
pub mod python;
mod rust;
mod valgrind;
mod valkey;

pub use checkout::{checkout, folder};
pub use chromium::chromium;
pub use command::{Say, cargo, lock, output, release_build, succeeds, without_cargo_variables};
pub use emulator::{Emulator, arm64_emulator};
pub use node::node_modules;
pub use postgres::{DEPLOYED_POSTGRES, POSTGRES_VERSIONS, choose_postgres, chosen_postgres, postgres};
pub use rust::{ARM64, arm64_target, pinned_rust, private_toolchain, toolchain};
pub use valgrind::{Valgrind, valgrind};
pub use valkey::valkey;
