//! Deletes expired rows, however many there are: each write only deletes a few expired idempotency keys.

use anyhow::Result;
use tokio_postgres::Client;

const FORGET: &str = "
delete from idempotency_keys k
where k.ctid = any (array(
  select e.ctid
  from idempotency_keys e
  where e.expires_at <= statement_timestamp()
  order by e.expires_at
  limit 1000
  for update skip locked
))";

/// Deletes expired idempotency keys, a thousand at a time, and returns their number.
pub(crate) async fn forget(client: &Client) -> Result<u64> {
    let is_there = client.query_one("select to_regclass('idempotency_keys') is not null", &[]).await?;
    let mut forgotten = 0;
    while is_there.get(0) {
        let deleted = client.execute_typed(FORGET, &[]).await?;
        forgotten += deleted;
        if deleted == 0 {
            break;
        }
    }
    Ok(forgotten)
}
