//! Keeps the order of the feed in a database that was restored from a dump, whose ids of transactions start low
//! again: new changes would come before restored ones, where nobody looks any more.

use anyhow::{Context, Result};
use tokio_postgres::Client;

/// Selects the statement that raises the offset, if a change has a position that is still to come.
const RAISE: &str = "
select format(
  'create or replace function feed_offset() returns bigint language sql immutable parallel safe return %s',
  last - pg_current_xact_id()::text::bigint + 1
)
from (select max(position) as last from history) changes
where last >= feed_position()";

/// Lets new changes come after all that the database holds; returns whether it had to change anything.
///
/// # Errors
/// If the database rejects a statement.
pub(crate) async fn keep_order(client: &Client) -> Result<bool> {
    let is_there = client.query_one("select to_regproc('feed_offset') is not null", &[]).await?;
    if !is_there.get::<_, bool>(0) {
        return Ok(false);
    }
    let Some(raise) = client.query_opt(RAISE, &[]).await? else { return Ok(false) };
    client.batch_execute(raise.get(0)).await.context("the feed cannot be continued")?;
    Ok(true)
}
