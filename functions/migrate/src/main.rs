//! `migrate`: brings the database of `DATABASE_URL` up to date.

use anyhow::{Context, Result};

fn main() -> Result<()> {
    let url = std::env::var("DATABASE_URL").context("DATABASE_URL is not set")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let applied = runtime.block_on(migrate::migrate(&url))?;
    match applied.as_slice() {
        [] => println!("nothing to migrate"),
        applied => println!("migrated: {}", applied.join(", ")),
    }
    Ok(())
}
