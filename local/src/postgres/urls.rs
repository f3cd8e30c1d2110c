//! Connects by `postgresql://` URLs, rewrites them, and creates and drops databases.

use std::ops::DerefMut;

use anyhow::{Context, Result, anyhow};
use shared::{app::DatabaseConfig, db::Connections};
use tokio_postgres::{Client, NoTls};
use url::Url;

/// The same server, user and parameters with another database.
///
/// # Errors
/// When `url` is not a URL with a path, such as a connection string in `key=value` form.
pub fn with_database(url: &str, database: &str) -> Result<String> {
    let mut url = parse(url)?;
    set_database(&mut url, database)?;
    Ok(url.into())
}

/// The same server, database and parameters with another user and password.
///
/// # Errors
/// When `url` is not a URL or has no host.
pub fn with_user(url: &str, user: &str, password: &str) -> Result<String> {
    // Url encodes characters that would end the user or the password, but takes a `%` as the start of an encoded byte.
    let literal = |text: &str| text.replace('%', "%25");
    let mut url = parse(url)?;
    let no_host = |()| anyhow!("the connection URL has no host");
    url.set_username(&literal(user)).map_err(no_host)?;
    url.set_password(Some(&literal(password))).map_err(no_host)?;
    Ok(url.into())
}

/// Connects to any server, with TLS if the functions would use it.
///
/// # Errors
/// When `url` is invalid, or the server cannot be reached or verified.
pub async fn connect(url: &str) -> Result<impl DerefMut<Target = Client> + use<>> {
    let database = DatabaseConfig::from_url(url).map_err(anyhow::Error::msg)?;
    let connections = Connections::new(database.credentials, database.extra_roots, 1)?;
    connections.take().await.context("cannot connect to the database")
}

/// Creates a database, as a copy of `template` if given. The template must have no connections.
///
/// # Errors
/// When the server cannot be reached without TLS at `admin_url`, or refuses.
pub async fn create_database(admin_url: &str, name: &str, template: Option<&str>) -> Result<()> {
    let template = template.map(|it| format!(" template {}", quoted(it))).unwrap_or_default();
    let sql = format!("create database {}{template}", quoted(name));
    execute(admin_url, &sql).await.with_context(|| format!("cannot create the database {name}"))
}

/// Removes a database if it exists, and ends the connections to it.
///
/// # Errors
/// When the server cannot be reached without TLS at `admin_url`, or refuses.
pub async fn drop_database(admin_url: &str, name: &str) -> Result<()> {
    let sql = format!("drop database if exists {} with (force)", quoted(name));
    execute(admin_url, &sql).await.with_context(|| format!("cannot drop the database {name}"))
}

/// Runs one statement on a server of this machine, on a separate connection, which is closed when this returns.
pub(super) async fn execute(url: &str, sql: &str) -> Result<()> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let work = async move { client.batch_execute(sql).await };
    // If the connection breaks, the statement fails as well, with the better message.
    let (result, _) = tokio::join!(work, connection);
    Ok(result?)
}

pub(super) fn set_database(url: &mut Url, database: &str) -> Result<()> {
    let mut path = url.path_segments_mut().map_err(|()| anyhow!("the connection URL has no path"))?;
    path.clear().push(database);
    Ok(())
}

fn parse(url: &str) -> Result<Url> {
    // The message does not include the URL, which contains a password.
    Url::parse(url).context("the connection URL is not postgresql://user:password@host:port/database")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
