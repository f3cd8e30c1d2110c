//! Installs the third-party programs that the project needs, in pinned versions.
//!
//! Each function installs its program into the checkout if it is missing, and returns its path. So a caller cannot
//! obtain the path of a program that is not installed. Only `cargo xtask dev` uses programs of the machine; tests never
//! do.

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
pub use command::{
    Say, cargo, lock, output, release_build, succeeds, without_cargo_variables, without_paths,
};
pub use emulator::{Emulator, arm64_emulator};
pub use node::node_modules;
pub use postgres::{DEPLOYED_POSTGRES, POSTGRES_VERSIONS, choose_postgres, chosen_postgres, postgres};
pub use rust::{ARM64, arm64_target, pinned_rust, private_toolchain, toolchain};
pub use valgrind::{Valgrind, valgrind};
pub use valkey::valkey;
