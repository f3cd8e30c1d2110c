//! What `cargo xtask package` runs: packs functions that have been built.

use std::{
    fs::File,
    io::BufWriter,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use clap::Parser;

/// Pack functions for Lambda
#[derive(Parser)]
struct Arguments {
    /// Where there is a folder of each function, with its program `bootstrap`
    from: PathBuf,
    /// Where `<function>.zip` is written
    into: PathBuf,
    /// The functions
    #[arg(required = true)]
    functions: Vec<String>,
}

fn main() -> Result<()> {
    let Arguments { from, into, functions } = Arguments::parse();
    for function in functions {
        let zip = into.join(format!("{function}.zip"));
        pack(&from.join(&function).join("bootstrap"), &zip)
            .with_context(|| format!("{} cannot be made", zip.display()))?;
    }
    Ok(())
}

fn pack(bootstrap: &Path, zip: &Path) -> Result<()> {
    zips::pack(&[bootstrap], BufWriter::new(File::create(zip)?))?;
    Ok(())
}
