//! `cargo xtask changes`: fails if the contract breaks clients of the last tag in a way that CHANGELOG.md does not
//! declare.

use std::path::Path;

fn main() -> anyhow::Result<()> {
    println!("{}", api::changes::check(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))?);
    Ok(())
}
