//! Applies the numbered SQL files of `migrations/`, which this binary carries.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::timeout;
use tokio_postgres::{Client, NoTls};

mod embedded {
    refinery::embed_migrations!("../../migrations");
}

/// Key of the advisory lock: "atelier" in ASCII. Whoever holds it migrates.
const LOCK: i64 = 0x61_74_65_6c_69_65_72;

/// How long to wait for another migration of the same database.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// Brings the database at `url` up to date and returns the names of the migrations that this took.
///
/// Running twice, or two at once, is harmless: the second waits, at most 60 s, and finds nothing to do. All
/// migrations of a run are one transaction.
///
/// # Errors
/// When the database cannot be reached or refuses a statement, and when another migration takes too long.
pub async fn migrate(url: &str) -> Result<Vec<String>> {
    // The lock belongs to a transaction, the only kind that RDS Proxy can share, and refinery opens and ends its
    // own transactions: so the lock has a connection to itself.
    let mut guard = connect(url).await?;
    let guard = guard.transaction().await?;
    timeout(
        LOCK_TIMEOUT,
        guard
            .execute_typed("select pg_advisory_xact_lock($1)", &[(&LOCK, tokio_postgres::types::Type::INT8)]),
    )
    .await
    .context("another migration of this database has been running for 60 s")??;

    let mut client = connect(url).await?;
    let runner = embedded::migrations::runner().set_grouped(true);
    let report = runner.run_async(&mut client).await.context("a migration failed; nothing was changed")?;
    guard.commit().await?;
    Ok(report.applied_migrations().iter().map(ToString::to_string).collect())
}

async fn connect(url: &str) -> Result<Client> {
    let (client, connection) =
        tokio_postgres::connect(url, NoTls).await.context("cannot connect to the database")?;
    tokio::spawn(connection);
    Ok(client)
}
