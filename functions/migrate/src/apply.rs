//! How a migration is carried out: in a transaction of its own, unless the first line of its file says otherwise.
//!
//! It waits for a lock for a moment only, because every statement that needs the same table queues behind it; then it
//! lets go, and tries again after a pause. A migration is recorded when all of it is done, so that one that was
//! interrupted is run again.

use std::time::Duration;

use anyhow::{Context, Result};
use refinery::{Migration, Runner, SchemaVersion, Target};
use tokio::time::sleep;
use tokio_postgres::{Client, error::SqlState};

/// First line of a file whose statements PostgreSQL refuses within a transaction, such as `create index concurrently`.
/// Each ends with a semicolon at the end of a line and is carried out by itself; if one fails, all are run again.
const OUTSIDE: &str = "-- outside a transaction";

/// First line of a file with one statement that is repeated until it affects no row, each time in a transaction of its
/// own. What is done is what the statement no longer finds, so that an interrupted one continues.
const IN_BATCHES: &str = "-- in batches";

/// How long a statement waits for a lock, and whatever queues behind it.
const LOCK_TIMEOUT: &str = "1s";

/// How often a lock is tried for: with the pauses, for about three minutes.
pub(crate) const ATTEMPTS: u32 = 50;

const FIRST_PAUSE: Duration = Duration::from_millis(100);

const LONGEST_PAUSE: Duration = Duration::from_secs(3);

/// A migration, which is the next one of all.
pub(crate) struct Next<'a> {
    pub(crate) all: &'a [Migration],
    pub(crate) migration: &'a Migration,
}

impl Next<'_> {
    /// Carries out the migration and records it.
    ///
    /// # Errors
    /// When the database refuses a statement, and when a lock cannot be had for minutes.
    pub(crate) async fn apply(&self, client: &mut Client) -> Result<()> {
        client.batch_execute(&format!("set lock_timeout = '{LOCK_TIMEOUT}'")).await?;
        let left_over = match self.first_line() {
            OUTSIDE => "what it had done stays, and the next run begins it again",
            IN_BATCHES => "the batches before stay, and the next run continues",
            _ => "and nothing was changed by it",
        };
        let failed = || format!("{} failed, {left_over}", self.migration);
        while self.patiently(client).await.with_context(failed)? == Progress::MoreToDo {}
        Ok(())
    }

    fn sql(&self) -> &str {
        self.migration.sql().unwrap_or_default()
    }

    fn first_line(&self) -> &str {
        self.sql().lines().next().unwrap_or_default().trim_end()
    }

    /// A step, which is tried again with longer and longer pauses while others hold its locks.
    async fn patiently(&self, client: &mut Client) -> Result<Progress> {
        let (mut attempt, mut pause) = (1, FIRST_PAUSE);
        loop {
            match self.step(client).await {
                Err(error) if is_held_up(&error) && attempt < ATTEMPTS => {
                    tracing::warn!(attempt, "others hold the locks of the migration, which is tried again");
                }
                Err(error) if is_held_up(&error) => {
                    return Err(error).with_context(|| format!("others held its locks {attempt} times"));
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
        // It is done: all that is left is to record it.
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

/// Carries out each statement of `sql` by itself.
async fn each(client: &Client, sql: &str) -> Result<()> {
    for statement in statements(sql) {
        let lock_timeout = if is_concurrent(statement) { "0" } else { LOCK_TIMEOUT };
        client.batch_execute(&format!("set lock_timeout = '{lock_timeout}'")).await?;
        client.batch_execute(statement).await?;
    }
    Ok(())
}

/// Whether a statement waits for old transactions to end, for as long as those take, while nothing queues behind it.
fn is_concurrent(statement: &str) -> bool {
    let mut words =
        statement.lines().filter(|line| !line.starts_with("--")).flat_map(str::split_ascii_whitespace);
    words.any(|word| word.trim_end_matches(';').eq_ignore_ascii_case("concurrently"))
}

/// The statements of a file, each of which ends with a semicolon at the end of a line.
fn statements(sql: &str) -> impl Iterator<Item = &str> {
    let is_statement = |text: &&str| text.lines().any(|line| !line.is_empty() && !line.starts_with("--"));
    sql.split_inclusive(";\n").map(str::trim).filter(is_statement)
}

/// Whether others hold a lock that is needed, or need one that is held.
pub(crate) fn is_held_up(error: &anyhow::Error) -> bool {
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
