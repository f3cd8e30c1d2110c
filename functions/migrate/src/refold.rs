//! Rebuilds search keys of an earlier folding version, in batches, while the API is in use.

use anyhow::{Context, Result};
use domain::Visitor;
use shared::{
    db::{NamedStatement, Parameter, Type},
    resource::Resource,
    text::FOLDING,
};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::apply::{ATTEMPTS, is_lock_conflict};

/// Rows per transaction. A concurrent write to one of them waits for milliseconds.
const BATCH: i64 = 500;

/// The maximum number of passes over a table: rows locked by a write are skipped, and retried in the next
/// pass.
const PASSES: usize = 5;

/// A table with search keys.
struct Searched {
    table: &'static str,
    keys: Vec<Key>,
}

/// A field, the column of its search key, and the folding.
type Key = (&'static str, &'static str, fn(&str) -> String);

#[derive(Default)]
struct All(Vec<Searched>);

impl Visitor for All {
    fn visit<T: Resource>(&mut self) {
        let fields = T::FIELDS.iter();
        let keys: Vec<_> = fields
            .filter_map(|field| field.derived.map(|(column, fold)| (field.name, column, fold)))
            .collect();
        if !keys.is_empty() {
            self.0.push(Searched { table: T::TABLE, keys });
        }
    }
}

/// Rebuilds all search keys of earlier versions, and returns the number of updated rows.
///
/// # Errors
/// If the database rejects a statement. Completed batches stay, and the next run continues.
pub(crate) async fn refold(client: &mut Client) -> Result<u64> {
    let mut all = All::default();
    domain::visit(&mut all);
    let mut done = 0;
    for searched in &all.0 {
        let failed = || format!("search keys of {}: cannot rebuild them", searched.table);
        done += searched.refold(client).await.with_context(failed)?;
    }
    Ok(done)
}

impl Searched {
    async fn refold(&self, client: &mut Client) -> Result<u64> {
        let has_versions =
            "select from information_schema.columns where table_name = $1 and column_name = 'search_version'";
        if client.query_opt(has_versions, &[&self.table]).await?.is_none() {
            // The database was migrated for a release without folding versions.
            return Ok(0);
        }
        let left = format!("select from {} where search_version < $1 limit 1", self.table);
        let mut done = 0;
        for _ in 0..PASSES {
            if client.query_opt(&left, &[&FOLDING]).await?.is_none() {
                break;
            }
            let (mut last, mut held_up) = (Uuid::nil(), 0);
            loop {
                let (rows, end) = match self.batch(client, last).await {
                    // A deadlock with a write that records the same leads of names in another order.
                    Err(error) if is_lock_conflict(&error) && held_up < ATTEMPTS => {
                        held_up += 1;
                        continue;
                    }
                    batch => batch?,
                };
                done += rows;
                let Some(end) = end else { break };
                last = end;
                tracing::info!(table = self.table, rows = done, "search keys rebuilt");
            }
        }
        Ok(done)
    }

    /// Rebuilds the keys of the next rows after the id `last`. Returns the number of rows and the id of the
    /// last one, or `None` at the end of the table.
    async fn batch(&self, client: &mut Client, last: Uuid) -> Result<(u64, Option<Uuid>)> {
        let Self { table, keys } = self;
        let transaction = client.transaction().await?;
        let members: Vec<_> = keys.iter().map(|(member, ..)| *member).collect();
        let select = format!(
            "select id, {} from {table} where id > $1 and search_version < $2 order by id limit $3 for update skip locked",
            members.join(", ")
        );
        let rows = transaction.query(&select, &[&last, &FOLDING, &BATCH]).await?;
        let Some(end) = rows.last() else { return Ok((0, None)) };
        let end = end.get("id");
        let ids: Vec<Uuid> = rows.iter().map(|row| row.get("id")).collect();
        let made = |(member, _, fold): &Key| -> Vec<Option<String>> {
            rows.iter().map(|row| row.get::<_, Option<&str>>(*member).map(fold)).collect()
        };
        let made: Vec<_> = keys.iter().map(made).collect();
        let columns: Vec<_> = keys.iter().map(|(_, column, _)| *column).collect();
        let set: String = columns.iter().map(|column| format!("{column} = made.{column}, ")).collect();
        let update = NamedStatement::new(&format!(
            "update {table} set {set}search_version = -:version
            from unnest(:ids, :{}) made (id, {})
            where {table}.id = made.id",
            columns.join(", :"),
            columns.join(", ")
        ));
        let mut parameters: Vec<(&str, Parameter<'_>)> =
            vec![("version", (&FOLDING, Type::INT4)), ("ids", (&ids, Type::UUID_ARRAY))];
        let made = columns.iter().zip(&made);
        parameters.extend(made.map(|(column, keys)| (*column, (keys as _, Type::TEXT_ARRAY))));
        transaction.query_typed(update.sql(), &update.bind(&parameters)?).await?;
        transaction.commit().await?;
        Ok((rows.len().try_into()?, Some(end)))
    }
}
