//! What resources say of their tables, held against a migrated database.

use std::collections::BTreeSet;

use harness::{Atelier, atelier};
use shared::{artisan::Artisan, product::Product, stored::Stored};

/// What every table has besides, and who changes it.
const COMMON: [&str; 5] = ["id", "version", "created_at", "updated_at", "changed_by_request"];

/// The columns of a table that statements write; the others the database makes itself.
async fn written(atelier: &Atelier, table: &str) -> BTreeSet<String> {
    let question = "select column_name::text from information_schema.columns
        where table_schema = 'public' and table_name = $1 and is_generated = 'NEVER'";
    let rows = atelier.database().await.query(question, &[&table]).await.expect("columns");
    rows.iter().map(|row| row.get(0)).collect()
}

async fn assert_described<T: Stored>(atelier: &Atelier) {
    let described: BTreeSet<_> =
        T::COLUMNS.iter().map(|column| column.name()).chain(COMMON).map(str::to_owned).collect();
    assert_eq!(
        written(atelier, T::TABLE).await,
        described,
        "{}: columns, and those that are described",
        T::TABLE
    );
}

#[test]
fn every_column_of_a_table_is_described_and_there_are_no_others() {
    atelier(async |atelier| {
        assert_described::<Artisan>(atelier).await;
        assert_described::<Product>(atelier).await;
    });
}
