//! Without this, a migration that is added reaches no binary that is built already: the macro reads the folder unseen.

fn main() {
    println!("cargo::rerun-if-changed=../../migrations");
}
