//! Migrations on a database of their own.

use harness::empty_database;
use migrate::migrate;

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

/// What a deployment finds that is rolled back after its migration.
#[test]
fn a_schema_of_a_later_release_is_left_as_it_is() {
    empty_database(async |url| {
        migrate(url).await.expect("a migration");
        let (client, connection) =
            tokio_postgres::connect(url, tokio_postgres::NoTls).await.expect("a connection");
        tokio::spawn(connection);
        let later = "insert into refinery_schema_history (version, name, applied_on, checksum)
            values (9999, 'later', '2026-11-21T00:00:00Z', '1')";
        client.batch_execute(later).await.expect("a later migration");
        assert!(migrate(url).await.expect("no fault").is_empty());

        // A gap is another matter: something that this release relies on is not there.
        client.batch_execute("delete from refinery_schema_history where version = 1").await.expect("a gap");
        let error = migrate(url).await.expect_err("a fault");
        assert!(error.to_string().contains("not all of this release's"), "{error}");
    });
}
