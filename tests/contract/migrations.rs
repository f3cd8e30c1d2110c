//! Migrations, each on its own database.

use std::time::{Duration, Instant};

use harness::empty_database;
use migrate::{Migration, forget, migrate, migrate_by};
use tokio::time::{sleep, timeout};
use tokio_postgres::{Client, NoTls};

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("a connection");
    tokio::spawn(connection);
    client
}

/// Migrations with these contents, numbered from 1.
fn files(files: &[&str]) -> Vec<Migration> {
    let numbered = files.iter().enumerate();
    numbered
        .map(|(index, sql)| Migration::unapplied(&format!("V{}__step", index + 1), sql).expect("a name"))
        .collect()
}

const TABLE: &str = "create table cups (id int primary key, name text, size int);
    insert into cups (id, name) select n, 'cup ' || n from generate_series(1, 5000) n";

const INDEX: &str = "-- outside a transaction
drop index concurrently if exists cups_name_idx;
create index concurrently cups_name_idx on cups (name);
";

const BACKFILL: &str = "-- in batches
update cups set size = length(name)
where id in (select id from cups where size is null limit 500);
";

/// The locks that sessions of this database wait for; other tests have databases on the same server.
const WAITING: &str =
    "from pg_locks join pg_stat_activity using (pid) where not granted and datname = current_database()";

async fn count(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.expect("a count").get(0)
}

/// Waits until `sql` counts at least one row.
async fn until(client: &Client, sql: &str) {
    let some = async {
        while count(client, sql).await == 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(30), some).await.unwrap_or_else(|_| panic!("never: {sql}"));
}

/// PostgreSQL compiles a statement by its estimated cost, however little it does in fact.
#[test]
fn no_statement_is_compiled() {
    empty_database(async |url| {
        migrate(url).await.expect("a migration");
        let setting = connect(url).await.query_one("show jit", &[]).await.expect("a setting");
        assert_eq!(setting.get::<_, String>(0), "off");
    });
}

#[test]
fn running_twice_changes_nothing() {
    empty_database(async |url| {
        assert!(!migrate(url).await.expect("a migration").is_empty());
        assert!(migrate(url).await.expect("a migration").is_empty());
    });
}

#[test]
fn running_two_at_once_is_harmless() {
    empty_database(async |url| {
        let (first, second) = tokio::join!(migrate(url), migrate(url));
        let (first, second) = (first.expect("a migration"), second.expect("a migration"));
        assert!(first.is_empty() != second.is_empty(), "{first:?} {second:?}");
    });
}

/// The schema that a deployment finds after a rollback.
#[test]
fn a_schema_of_a_later_release_is_left_as_it_is() {
    empty_database(async |url| {
        migrate(url).await.expect("a migration");
        let client = connect(url).await;
        let later = "insert into refinery_schema_history (version, name, applied_on, checksum)
            values (9999, 'later', '2026-11-21T00:00:00Z', '1')";
        client.batch_execute(later).await.expect("a later migration");
        assert!(migrate(url).await.expect("no fault").is_empty());

        // A gap is an error: something that this release relies on is missing.
        client.batch_execute("delete from refinery_schema_history where version = 1").await.expect("a gap");
        let error = migrate(url).await.expect_err("a fault");
        assert!(error.to_string().contains("lacks some of this release's"), "{error}");
    });
}

/// A long read, such as a backup, holds a lock that a migration needs. Other readers wait at most for the migration's
/// lock timeout, and not for the long read.
#[test]
fn a_held_lock_delays_a_migration_and_nobody_else() {
    empty_database(async |url| {
        migrate_by(url, &files(&[TABLE])).await.expect("a table");
        let long_read = connect(url).await;
        long_read.batch_execute("begin; select count(*) from cups").await.expect("a read");

        let change = files(&[TABLE, "alter table cups add column colour text"]);
        let migrating = tokio::spawn({
            let url = url.to_owned();
            async move { migrate_by(&url, &change).await }
        });
        let reader = connect(url).await;
        let waiting = "select count(*) from pg_locks where mode = 'AccessExclusiveLock' and not granted
            and relation = to_regclass('cups')";
        let mut slowest = Duration::ZERO;
        for _ in 0..3 {
            until(&reader, waiting).await;
            let start = Instant::now();
            count(&reader, "select count(*) from cups").await;
            slowest = slowest.max(start.elapsed());
        }
        assert!(slowest < Duration::from_secs(5), "a read waited for {slowest:?}");
        assert!(!migrating.is_finished(), "the lock is held");

        long_read.batch_execute("commit").await.expect("an end");
        let applied = timeout(Duration::from_secs(30), migrating).await.expect("an end").expect("no panic");
        assert_eq!(applied.expect("a migration"), ["V2__step"]);
        count(&reader, "select count(colour) from cups").await;
    });
}

#[test]
fn an_index_is_built_outside_a_transaction_and_again_after_a_failure() {
    empty_database(async |url| {
        let client = connect(url).await;
        let all = files(&[TABLE, INDEX]);
        migrate_by(url, &all[..1]).await.expect("a table");
        // The invalid index that an interrupted build leaves.
        client
            .batch_execute(
                "create index cups_name_idx on cups (name);
                 update pg_index set indisvalid = false where indexrelid = 'cups_name_idx'::regclass",
            )
            .await
            .expect("an invalid index");
        assert_eq!(migrate_by(url, &all).await.expect("a migration"), ["V2__step"]);
        let valid =
            "select count(*) from pg_index where indexrelid = to_regclass('cups_name_idx') and indisvalid";
        assert_eq!(count(&client, valid).await, 1);
        assert!(migrate_by(url, &all).await.expect("nothing").is_empty());
    });
}

/// An index build waits for every older transaction. Two migrations must not wait for each other, and no timeout may
/// end the build.
#[test]
fn a_build_waits_for_old_transactions_beside_another_migration() {
    empty_database(async |url| {
        let all = files(&[TABLE, INDEX]);
        migrate_by(url, &all[..1]).await.expect("a table");
        let (old, client) = (connect(url).await, connect(url).await);
        old.batch_execute("begin isolation level repeatable read; select count(*) from cups")
            .await
            .expect("one");
        let migrating = [0, 1].map(|_| {
            let (url, all) = (url.to_owned(), all.clone());
            tokio::spawn(async move { migrate_by(&url, &all).await.expect("a migration") })
        });
        until(&client, &format!("select count(*) {WAITING} and locktype = 'virtualxid'")).await;
        sleep(Duration::from_millis(1_500)).await;
        old.batch_execute("commit").await.expect("an end");
        let mut applied = Vec::new();
        for migrating in migrating {
            let done = timeout(Duration::from_secs(30), migrating).await.expect("no deadlock");
            applied.extend(done.expect("no panic"));
        }
        assert_eq!(applied, ["V2__step"]);
    });
}

#[test]
fn a_backfill_in_batches_continues_after_it_was_killed() {
    empty_database(async |url| {
        let all = files(&[TABLE, BACKFILL]);
        migrate_by(url, &all[..1]).await.expect("a table");
        let client = connect(url).await;
        // The third batch waits for a locked row.
        let holder = connect(url).await;
        holder.batch_execute("begin; select from cups where id = 1200 for update").await.expect("a lock");
        let migrating = tokio::spawn({
            let (url, all) = (url.to_owned(), all.clone());
            async move { migrate_by(&url, &all).await }
        });
        let filled = "select count(size) from cups";
        until(&client, &format!("select count(*) {WAITING} and ({filled}) > 0")).await;
        let end = format!("select count(pg_terminate_backend(pid)) {WAITING}");
        assert_eq!(count(&client, &end).await, 1);
        let error = migrating.await.expect("no panic").expect_err("it is killed");
        assert!(format!("{error:?}").contains("the next run continues"), "{error:?}");
        let kept = count(&client, filled).await;
        assert!(kept > 0 && kept < 5000 && kept % 500 == 0, "{kept}");
        let recorded = "select count(*) from refinery_schema_history";
        assert_eq!(count(&client, recorded).await, 1, "not before it is done");

        holder.batch_execute("commit").await.expect("an end");
        client
            .batch_execute(
                "create table touched (id int);
            create function touch() returns trigger language plpgsql as
              'begin insert into touched values (new.id); return new; end';
            create trigger touch before update on cups for each row execute function touch()",
            )
            .await
            .expect("a trigger");
        assert_eq!(migrate_by(url, &all).await.expect("a migration"), ["V2__step"]);
        assert_eq!(count(&client, filled).await, 5000);
        assert_eq!(count(&client, "select count(*) from touched").await, 5000 - kept, "only what was left");
    });
}

#[test]
fn what_was_applied_before_a_failure_stays_and_is_named() {
    empty_database(async |url| {
        let error = migrate_by(url, &files(&[TABLE, "alter table cups add column size int"])).await;
        let error = format!("{:?}", error.expect_err("the column is there"));
        for part in ["applied before: V1__step", "V2__step failed, and it changed nothing", "already exists"]
        {
            assert!(error.contains(part), "{part}: {error}");
        }
        let all = files(&[TABLE, "alter table cups add column colour text"]);
        assert_eq!(migrate_by(url, &all).await.expect("a migration"), ["V2__step"]);
        let error = migrate_by(url, &files(&["select 1", "select 2"])).await.expect_err("others").to_string();
        assert!(error.contains("V1__step"), "{error}");
    });
}

#[test]
fn every_expired_key_is_forgotten_and_no_other() {
    empty_database(async |url| {
        assert_eq!(forget(url).await.expect("no table, no keys"), 0);
        migrate(url).await.expect("a migration");
        let client = connect(url).await;
        let fill = "insert into idempotency_keys (caller, key, fingerprint, answer, expires_at)
            select '', n::text, '', '', now() + n * interval '1 minute' from generate_series(-2500, 10) n";
        client.batch_execute(fill).await.expect("keys");
        assert_eq!(forget(url).await.expect("an answer"), 2501);
        assert_eq!(count(&client, "select count(*) from idempotency_keys").await, 10);
    });
}
