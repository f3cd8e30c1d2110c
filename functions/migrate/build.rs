//! Rebuilds the crate when a migration is added: Cargo does not know that the macro reads the folder.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations");
}
