//! Logins of the functions on RDS and Aurora: the roles created by the migrations, without passwords.

use anyhow::{Context, Result};
use shared::app::STATEMENT_TIMEOUT_SECONDS;
use tokio_postgres::Client;

/// Allows the functions' roles to log in with IAM tokens. Changes nothing outside of RDS and Aurora.
pub(crate) async fn allow_iam(client: &Client) -> Result<()> {
    let is_rds =
        client.query_one("select exists (select from pg_roles where rolname = 'rds_iam')", &[]).await?;
    if !is_rds.get::<_, bool>(0) {
        return Ok(());
    }
    let seconds = STATEMENT_TIMEOUT_SECONDS.read_or_default();
    let seconds: u32 =
        seconds.parse().with_context(|| format!("{STATEMENT_TIMEOUT_SECONDS} is not a number"))?;
    let statements: String = ["catalog_reader", "catalog_writer"]
        .iter()
        .map(|role| {
            format!(
                "alter role {role} login;
                 alter role {role} set statement_timeout = '{seconds}s';
                 grant rds_iam to {role};"
            )
        })
        .collect();
    Ok(client.batch_execute(&statements).await?)
}
