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
