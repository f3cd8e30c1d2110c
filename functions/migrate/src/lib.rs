//! Applies the SQL files of `migrations/`, which are embedded in this binary, and rebuilds search keys of an
//! earlier release: as a program, and as the custom resource of a CloudFormation stack, before any of its
//! functions is updated. Deletes expired rows on a schedule.

mod apply;
mod cloudformation;
mod feed;
mod forget;
mod logins;
mod refold;
mod response;

pub use cloudformation::serve;
pub use refinery::Migration;

use std::{
    ops::DerefMut,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Error, Result, bail, ensure};
use refinery::{Runner, Target};
use shared::{
    app::DatabaseConfig,
    db::{self, Connections},
};
use tokio::time::{sleep, timeout};
use tokio_postgres::{Client, SimpleQueryMessage, Transaction};

mod embedded {
    refinery::embed_migrations!("../../migrations");
}

/// The key of the advisory lock: the project's name in ASCII, or its first eight letters. Its holder
/// migrates.
const LOCK: i64 = {
    let (name, mut key, mut index) = (project::NAME.as_bytes(), 0, 0);
    while index < name.len() && index < size_of::<i64>() {
        key = key << 8 | name[index] as i64;
        index += 1;
    }
    key
};

/// How long to wait for another migration of the same database.
const LOCK_TIMEOUT: Duration = Duration::from_secs(60);

/// How long to try to connect, as a program.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pause between two attempts to connect or to get the lock.
const PAUSE: Duration = Duration::from_millis(500);

/// Migrates the database that the environment names, or runs `action`, the program's one argument, and prints
/// the result.
pub fn run_once(action: Option<&str>) -> ExitCode {
    let work = async {
        let database = DatabaseConfig::from_env()?;
        match action {
            None => Ok(match &*migrate_with(database, PATIENCE, &embedded()).await? {
                [] => "nothing to migrate".to_owned(),
                applied => format!("migrated: {}", applied.join(", ")),
            }),
            Some("forget") => Ok(format!("forgotten: {}", forget_with(database, PATIENCE).await?)),
            Some(other) => bail!("{other:?} is not an action; it can be forget"),
        }
    };
    let done = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Error::from)
        .and_then(|runtime| runtime.block_on(work));
    match done {
        Ok(report) => println!("{report}"),
        Err(error) => {
            eprintln!("Error: {error:?}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Migrates the database at `url` and returns what was done: the names of the applied migrations, and the
/// number of rebuilt search keys.
///
/// Running it twice, or two at once, is harmless: the second waits, at most 60 s, and finds nothing to do.
/// Each migration is recorded when it is complete, and stays if a later one fails. A database that a later
/// release has migrated is left unchanged.
///
/// # Errors
/// If the database is unreachable or rejects a statement, or another migration takes too long.
pub async fn migrate(url: &str) -> Result<Vec<String>> {
    migrate_by(url, &embedded()).await
}

/// Like [`migrate`], with other migrations than those of this release.
///
/// # Errors
/// As for [`migrate`].
pub async fn migrate_by(url: &str, migrations: &[Migration]) -> Result<Vec<String>> {
    migrate_with(DatabaseConfig::from_url(url).map_err(Error::msg)?, PATIENCE, migrations).await
}

/// Deletes expired rows from the database at `url`, and returns their number.
///
/// # Errors
/// If the database is unreachable or rejects a statement.
pub async fn forget(url: &str) -> Result<u64> {
    forget_with(DatabaseConfig::from_url(url).map_err(Error::msg)?, PATIENCE).await
}

/// The migrations of this release.
pub fn embedded() -> Vec<Migration> {
    embedded::migrations::runner().get_migrations().clone()
}

/// Like [`migrate_by`], with any kind of credentials; tries to connect for up to `patience`.
async fn migrate_with(
    database: DatabaseConfig,
    patience: Duration,
    migrations: &[Migration],
) -> Result<Vec<String>> {
    let connections = Connections::new(database.credentials, database.extra_roots, 2)?;
    // The lock belongs to a transaction, because RDS Proxy pins sessions with session locks. refinery opens
    // and commits its own transactions, so the lock has its own connection.
    let mut guard = connect(&connections, patience).await?;
    let guard = guard.transaction().await?;
    guard.batch_execute("set local idle_in_transaction_session_timeout = 0").await?;
    timeout(LOCK_TIMEOUT, lock(&guard))
        .await
        .context("another migration of this database is still running after 60 s")??;

    let mut client = connect(&connections, patience).await?;
    let mut applied = apply_all(&mut client, migrations).await?;
    let refolded = refold::refold(&mut client).await?;
    if refolded > 0 {
        applied.push(format!("search keys of {refolded} rows"));
    }
    if feed::keep_order(&client).await? {
        applied.push("offset of the feed".to_owned());
    }
    logins::allow_iam(&client).await.context("the roles of the functions cannot be set up")?;
    guard.commit().await?;
    Ok(applied)
}

/// Waits for the lock by polling in the simple protocol: a waiting statement has a snapshot, and one of the
/// extended protocol keeps it while its transaction is idle, and `create index concurrently` would wait for
/// both.
async fn lock(guard: &Transaction<'_>) -> Result<()> {
    let try_it = format!("select from pg_try_advisory_xact_lock({LOCK}) is_mine where is_mine");
    let is_mine = |message: &SimpleQueryMessage| matches!(message, SimpleQueryMessage::Row(_));
    while !guard.simple_query(&try_it).await?.iter().any(is_mine) {
        sleep(PAUSE).await;
    }
    Ok(())
}

async fn apply_all(client: &mut Client, migrations: &[Migration]) -> Result<Vec<String>> {
    let runner = Runner::new(migrations);
    let newest = |migrations: &[Migration]| migrations.iter().map(Migration::version).max();
    let history = client.query_one("select to_regclass('refinery_schema_history') is not null", &[]).await?;
    let before = if history.get(0) { runner.get_applied_migrations_async(client).await? } else { Vec::new() };
    // The case of a deployment that is rolled back. The schema stays: it is compatible with the previous
    // release.
    if newest(&before) > newest(migrations) {
        ensure!(
            migrations.iter().all(|migration| before.contains(migration)),
            "the database has later migrations than this release, but lacks some of this release's"
        );
        tracing::warn!("the database is newer than this release, and stays unchanged");
        return Ok(Vec::new());
    }
    // Creates refinery's table if necessary, and validates its content against `migrations`.
    let nothing_new = Target::Version(newest(&before).unwrap_or_default());
    Runner::new(migrations).set_target(nothing_new).run_async(client).await?;

    let mut pending: Vec<_> = migrations.iter().filter(|migration| !before.contains(migration)).collect();
    pending.sort();
    let mut applied: Vec<String> = Vec::new();
    for migration in pending {
        let next = apply::PendingMigration { all: migrations, migration };
        next.apply(client).await.with_context(|| match &*applied {
            [] => "nothing was applied before".to_owned(),
            applied => format!("applied before: {}", applied.join(", ")),
        })?;
        tracing::info!(migration = %migration, "applied");
        applied.push(migration.to_string());
    }
    Ok(applied)
}

/// Like [`forget()`], with any kind of credentials; tries to connect for up to `patience`.
async fn forget_with(database: DatabaseConfig, patience: Duration) -> Result<u64> {
    let connections = Connections::new(database.credentials, database.extra_roots, 1)?;
    forget::forget(&*connect(&connections, patience).await?).await
}

/// Connects, and retries for up to `patience` while the server does not answer: a paused database takes time
/// to resume.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_is_named_after_the_project() {
        let key = LOCK.to_be_bytes();
        let name = str::from_utf8(&key).unwrap().trim_start_matches('\0');
        assert!(!name.is_empty() && project::NAME.starts_with(name), "{name}");
    }
}
