//! Applies the numbered SQL files of `migrations/`, which this binary carries: once as a program, and as the custom
//! resource of a CloudFormation stack, before any function of it changes.

mod cloudformation;
mod logins;
mod response;

pub use cloudformation::serve;

use std::{
    ops::DerefMut,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Error, Result, ensure};
use refinery::Migration;
use shared::{
    app::DatabaseConfig,
    db::{self, Connections},
};
use tokio::time::{sleep, timeout};
use tokio_postgres::Client;

mod embedded {
    refinery::embed_migrations!("../../migrations");
}

/// Key of the advisory lock: "atelier" in ASCII. Whoever holds it migrates.
const LOCK: i64 = 0x61_74_65_6c_69_65_72;

/// How long to wait for another migration of the same database.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// How long to try for a connection, as a program.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pause between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(500);

/// Brings the database up to date that the environment names, and says so.
pub fn run_once() -> ExitCode {
    let migrated = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::from)
        .and_then(|runtime| runtime.block_on(migrate_with(DatabaseConfig::from_env()?, PATIENCE)));
    match migrated.as_deref() {
        Ok([]) => println!("nothing to migrate"),
        Ok(applied) => println!("migrated: {}", applied.join(", ")),
        Err(error) => {
            eprintln!("Error: {error:?}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Brings the database at `url` up to date and returns the names of the migrations that this took.
///
/// Running twice, or two at once, is harmless: the second waits, at most 60 s, and finds nothing to do. All
/// migrations of a run are one transaction. A database that a later release has migrated is left as it is.
///
/// # Errors
/// When the database cannot be reached or refuses a statement, and when another migration takes too long.
pub async fn migrate(url: &str) -> Result<Vec<String>> {
    migrate_with(DatabaseConfig::from_url(url).map_err(Error::msg)?, PATIENCE).await
}

/// Like [`migrate`], with any kind of credentials; tries for as long as `patience` to connect.
async fn migrate_with(database: DatabaseConfig, patience: Duration) -> Result<Vec<String>> {
    let connections = Connections::new(database.credentials, database.extra_roots, 2)?;
    // The lock belongs to a transaction, the only kind that RDS Proxy can share, and refinery opens and ends its
    // own transactions: so the lock has a connection to itself.
    let mut guard = connect(&connections, patience).await?;
    let guard = guard.transaction().await?;
    timeout(
        LOCK_TIMEOUT,
        guard
            .execute_typed("select pg_advisory_xact_lock($1)", &[(&LOCK, tokio_postgres::types::Type::INT8)]),
    )
    .await
    .context("another migration of this database has been running for 60 s")??;

    let mut client = connect(&connections, patience).await?;
    let applied = apply(&mut client).await?;
    logins::allow(&client).await.context("the roles of the functions cannot be set up")?;
    guard.commit().await?;
    Ok(applied)
}

async fn apply(client: &mut Client) -> Result<Vec<String>> {
    let runner = embedded::migrations::runner().set_grouped(true);
    let history = client.query_one("select to_regclass('refinery_schema_history') is not null", &[]).await?;
    if history.get(0) {
        let known = runner.get_migrations();
        let applied = runner.get_applied_migrations_async(client).await?;
        let newest = |migrations: &[Migration]| migrations.iter().map(Migration::version).max();
        // What a deployment that is rolled back finds. The schema stays: it works with the release before its own.
        if newest(&applied) > newest(known) {
            ensure!(
                known.iter().all(|migration| applied.contains(migration)),
                "the database has later migrations than this release, and not all of this release's"
            );
            tracing::warn!("the database is newer than this release, and is left as it is");
            return Ok(Vec::new());
        }
    }
    let report = runner.run_async(client).await.context("a migration failed; nothing was changed")?;
    Ok(report.applied_migrations().iter().map(ToString::to_string).collect())
}

/// A connection, tried for until `patience` ends as long as nobody answers: a sleeping database takes time to wake.
async fn connect(connections: &Connections, patience: Duration) -> Result<impl DerefMut<Target = Client>> {
    let end = Instant::now() + patience;
    loop {
        match connections.take().await {
            Ok(client) => return Ok(client),
            Err(error) if may_pass(&error) && Instant::now() < end => sleep(PAUSE).await,
            Err(error) => return Err(error).context("cannot connect to the database"),
        }
    }
}

fn may_pass(error: &db::Error) -> bool {
    match error.code() {
        Some(code) => *code == tokio_postgres::error::SqlState::CANNOT_CONNECT_NOW,
        None => !matches!(error, db::Error::Tls(_)),
    }
}
