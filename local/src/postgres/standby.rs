//! A hot standby: a server that replicates another one until it is promoted.

use std::{fs, fs::DirBuilder, os::unix::fs::DirBuilderExt, path::Path};

use anyhow::{Context, Result, ensure};
use tokio_postgres::NoTls;

use super::{
    Server,
    home::{DataFolder, Home},
};

/// What belongs to the primary alone: its process id, its options, and the WAL, which the standby streams.
const PRIMARY_ONLY: [&str; 3] = ["postmaster.pid", "postmaster.opts", "pg_wal"];

impl Server {
    /// Starts a temporary standby, which streams this server's WAL and has the same settings and passwords. The SQL
    /// function `pg_promote()` makes it a primary.
    ///
    /// # Errors
    /// When this server cannot be copied, or the standby does not become ready; then the error includes the end of its log.
    pub async fn standby(&self) -> Result<Self> {
        let home = Home::open(&DataFolder::Temporary, self.home.account, &|_| {}).await?;
        let data = home.data();
        DirBuilder::new().mode(0o700).create(&data)?;
        self.copy_to(&data).await.context("the server cannot be copied")?;
        // The password has hexadecimal digits only.
        let (port, user, password) =
            (self.port, self.url.username(), self.url.password().unwrap_or_default());
        let primary = format!("host=127.0.0.1 port={port} user={user} password={password}");
        fs::write(data.join("postgresql.auto.conf"), format!("primary_conninfo = '{primary}'\n"))?;
        fs::write(data.join("standby.signal"), "")?;
        self.home.account.give_all(&data)?;
        Self::launch_in(home, self.binaries.clone(), self.settings.clone(), self.url.clone()).await
    }

    /// Takes a base backup (PostgreSQL's documentation, "Making a Base Backup Using the Low Level API"). The tool for
    /// it, pg_basebackup, is not in every package.
    async fn copy_to(&self, data: &Path) -> Result<()> {
        let (client, connection) = tokio_postgres::connect(&self.url("postgres"), NoTls).await?;
        tokio::spawn(connection);
        client.query("select pg_backup_start('standby', fast => true)", &[]).await?;
        for entry in fs::read_dir(self.home.data())? {
            let entry = entry?;
            if !PRIMARY_ONLY.iter().any(|name| entry.file_name() == *name) {
                copy(&entry.path(), data)?;
            }
        }
        DirBuilder::new().mode(0o700).create(data.join("pg_wal"))?;
        let label = "select labelfile, spcmapfile from pg_backup_stop(wait_for_archive => false)";
        let row = client.query_one(label, &[]).await?;
        let tablespaces: Option<String> = row.try_get(1)?;
        ensure!(tablespaces.is_none_or(|map| map.is_empty()), "the server has tablespaces");
        fs::write(data.join("backup_label"), row.try_get::<_, String>(0)?)?;
        Ok(())
    }
}

/// Copies a file or folder of a running server. A file that vanishes meanwhile is not needed, and changes are in the
/// WAL.
fn copy(from: &Path, folder: &Path) -> Result<()> {
    let name = from.file_name().context("the file has no name")?;
    let to = folder.join(name);
    let Ok(kind) = from.symlink_metadata() else { return Ok(()) };
    if kind.is_dir() {
        DirBuilder::new().mode(0o700).create(&to)?;
        for entry in fs::read_dir(from)? {
            copy(&entry?.path(), &to)?;
        }
        return Ok(());
    }
    match fs::copy(from, to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot copy {}", from.display()))
        }
        _ => Ok(()),
    }
}
