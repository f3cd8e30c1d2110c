//! A hot standby: a server that follows another one, until it is promoted in its place.

use std::{fs::DirBuilder, os::unix::fs::DirBuilderExt, process::Stdio};

use anyhow::{Context, Result, ensure};
use tokio::{process::Command, time::timeout};

use super::{DataFolder, Home, READY_WITHIN, Server};

impl Server {
    /// Starts a temporary standby of this server, which streams its changes and has its settings and passwords. SQL's
    /// `pg_promote()` makes it a primary.
    ///
    /// # Errors
    /// When this server cannot be copied, or the standby does not get ready; then the error holds the end of its log.
    pub async fn standby(&self) -> Result<Self> {
        let home = Home::open(&DataFolder::Temporary, self.home.account, &|_| {}).await?;
        DirBuilder::new().mode(0o700).create(home.data())?;
        self.home.account.give(&home.data())?;
        let mut copy: Command = self.home.account.command(self.binaries.program("pg_basebackup"));
        copy.arg("--pgdata").arg(home.data()).args([
            "--write-recovery-conf",
            "--wal-method=stream",
            "--no-sync",
        ]);
        copy.args(["--checkpoint=fast", "--host=127.0.0.1", "--username=atelier"])
            .arg(format!("--port={}", self.port));
        copy.env("PGPASSWORD", self.url.password().unwrap_or_default());
        let output = timeout(READY_WITHIN, copy.stdin(Stdio::null()).kill_on_drop(true).output()).await;
        let output =
            output.context("the server is not copied within 30 s")?.context("cannot run pg_basebackup")?;
        ensure!(
            output.status.success(),
            "cannot copy the server: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Self::launch_in(home, self.binaries.clone(), self.settings.clone(), self.url.clone()).await
    }
}
