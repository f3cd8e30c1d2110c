//! Runs a migration: in a transaction of its own, unless the first line of its file says otherwise.
//!
//! A migration waits for a lock only briefly, because every other statement on the same table queues behind
//! it; then it releases its locks and retries after a pause. It is recorded when it is complete, so that an
//! interrupted migration is run again.

use std::time::Duration;

use anyhow::{Context, Result};
use refinery::{Migration, Runner, SchemaVersion, Target};
use tokio::time::sleep;
use tokio_postgres::{Client, error::SqlState};

/// The first line of a file whose statements PostgreSQL does not allow within a transaction, such as `create
/// index concurrently`. Each statement ends with a semicolon at the end of a line and runs separately; if one
/// fails, all are run again.
const OUTSIDE: &str = "-- outside a transaction";

/// The first line of a file with one statement that is repeated until it affects no row, each time in a
/// transaction of its own. The statement must not find rows that are done, so that an interrupted migration
/// continues.
const IN_BATCHES: &str = "-- in batches";

/// How long a statement waits for a lock, and with it whatever queues behind it.
const LOCK_TIMEOUT: &str = "1s";

/// How often a lock is tried: about three minutes, including the pauses.
pub(crate) const ATTEMPTS: u32 = 50;

const FIRST_PAUSE: Duration = Duration::from_millis(100);

const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// The next migration to run, and all migrations of the release.
pub(crate) struct PendingMigration<'a> {
    pub(crate) all: &'a [Migration],
    pub(crate) migration: &'a Migration,
}

impl PendingMigration<'_> {
    /// Runs the migration and records it.
    ///
    /// # Errors
    /// If the database rejects a statement, or a lock is not available for minutes.
    pub(crate) async fn apply(&self, client: &mut Client) -> Result<()> {
        client.batch_execute(&format!("set lock_timeout = '{LOCK_TIMEOUT}'")).await?;
        let left_over = match self.first_line() {
            OUTSIDE => "its completed statements stay, and the next run starts it again",
            IN_BATCHES => "its completed batches stay, and the next run continues",
            _ => "and it changed nothing",
        };
        let failed = || format!("{} failed, {left_over}", self.migration);
        while self.run_with_retries(client).await.with_context(failed)? == Progress::MoreToDo {}
        Ok(())
    }

    fn sql(&self) -> &str {
        self.migration.sql().unwrap_or_default()
    }

    fn first_line(&self) -> &str {
        self.sql().lines().next().unwrap_or_default().trim_end()
    }

    /// Runs a step, and retries it with increasing pauses while other sessions hold its locks.
    async fn run_with_retries(&self, client: &mut Client) -> Result<Progress> {
        let (mut attempt, mut pause) = (1, FIRST_PAUSE);
        loop {
            match self.step(client).await {
                Err(error) if is_lock_conflict(&error) && attempt < ATTEMPTS => {
                    tracing::warn!(attempt, "other sessions hold the migration's locks, trying again");
                }
                Err(error) if is_lock_conflict(&error) => {
                    return Err(error)
                        .with_context(|| format!("other sessions held its locks {attempt} times"));
                }
                result => return result,
            }
            sleep(pause).await;
            (attempt, pause) = (attempt + 1, LONGEST_PAUSE.min(pause * 2));
        }
    }

    async fn step(&self, client: &mut Client) -> Result<Progress> {
        match self.first_line() {
            OUTSIDE => each(client, self.sql()).await?,
            IN_BATCHES => {
                if client.execute_typed(self.sql(), &[]).await? > 0 {
                    return Ok(Progress::MoreToDo);
                }
            }
            _ => return self.run(client, Target::Version).await,
        }
        // The statements are done, and only have to be recorded.
        self.run(client, Target::FakeVersion).await
    }

    async fn run(&self, client: &mut Client, target: fn(SchemaVersion) -> Target) -> Result<Progress> {
        Runner::new(self.all).set_target(target(self.migration.version())).run_async(client).await?;
        Ok(Progress::Done)
    }
}

#[derive(PartialEq, Eq)]
enum Progress {
    MoreToDo,
    Done,
}

/// Runs each statement of `sql` separately.
async fn each(client: &Client, sql: &str) -> Result<()> {
    for statement in statements(sql) {
        let lock_timeout = if is_concurrent(statement) { "0" } else { LOCK_TIMEOUT };
        client.batch_execute(&format!("set lock_timeout = '{lock_timeout}'")).await?;
        client.batch_execute(statement).await?;
    }
    Ok(())
}

/// Whether a statement waits for old transactions to end, for as long as they take, without blocking others.
fn is_concurrent(statement: &str) -> bool {
    let mut words =
        statement.lines().filter(|line| !line.starts_with("--")).flat_map(str::split_ascii_whitespace);
    words.any(|word| word.trim_end_matches(';').eq_ignore_ascii_case("concurrently"))
}

/// The statements of a file, each ending with a semicolon at the end of a line.
fn statements(sql: &str) -> impl Iterator<Item = &str> {
    let is_statement = |text: &&str| text.lines().any(|line| !line.is_empty() && !line.starts_with("--"));
    sql.split_inclusive(";\n").map(str::trim).filter(is_statement)
}

/// Whether another session holds a required lock, or was in a deadlock with this one.
pub(crate) fn is_lock_conflict(error: &anyhow::Error) -> bool {
    let code = error.chain().find_map(|cause| cause.downcast_ref::<tokio_postgres::Error>()?.code());
    code.is_some_and(|code| [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED].contains(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_split_at_the_ends_of_lines() {
        let sql = "-- outside a transaction\n-- Why; and how.\ndrop index concurrently if exists i;\n\ncreate index i\n  on t (a);\n\n-- End.\n";
        assert_eq!(
            statements(sql).collect::<Vec<_>>(),
            [
                "-- outside a transaction\n-- Why; and how.\ndrop index concurrently if exists i;",
                "create index i\n  on t (a);"
            ]
        );
    }

    #[test]
    fn only_what_nobody_waits_for_may_wait() {
        for (statement, expected) in [
            ("create index concurrently i on t (a);", true),
            ("DROP INDEX CONCURRENTLY\n  IF EXISTS i;", true),
            ("alter table t detach partition p concurrently;", true),
            ("-- Built concurrently.\nalter table t add column a int;", false),
        ] {
            assert_eq!(is_concurrent(statement), expected, "{statement}");
        }
    }
}
