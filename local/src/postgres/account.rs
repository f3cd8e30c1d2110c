//! The account that PostgreSQL runs under: this process's own, or `nobody` where that is root, which PostgreSQL refuses.

use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

#[derive(Clone, Copy)]
pub(super) struct Account {
    /// uid and gid of `nobody`; `None`: this process's own.
    nobody: Option<(u32, u32)>,
}

impl Account {
    pub(super) async fn current() -> Result<Self> {
        let nobody = match id(&["-u"]).await? {
            0 => Some((id(&["-u", "nobody"]).await?, id(&["-g", "nobody"]).await?)),
            _ => None,
        };
        Ok(Self { nobody })
    }

    pub(super) fn is_nobody(self) -> bool {
        self.nobody.is_some()
    }

    /// A command under this account, out of reach of a terminal's Ctrl-C and with messages in English.
    pub(super) fn command(self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.current_dir("/").env("LC_ALL", "C").stdin(Stdio::null()).process_group(0);
        if let Some((uid, gid)) = self.nobody {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Gives a file or folder to this account.
    pub(super) fn give(self, path: &Path) -> io::Result<()> {
        self.nobody.map_or(Ok(()), |(uid, gid)| chown(path, Some(uid), Some(gid)))
    }

    /// Gives a folder to this account with all that is in it.
    pub(super) fn give_all(self, folder: &Path) -> io::Result<()> {
        self.give(folder)?;
        if self.is_nobody() && folder.is_dir() {
            for entry in folder.read_dir()? {
                self.give_all(&entry?.path())?;
            }
        }
        Ok(())
    }

    pub(super) fn owns(self, path: &Path) -> io::Result<bool> {
        let owner = path.metadata()?.uid();
        Ok(self.nobody.is_none_or(|(uid, _)| uid == owner))
    }

    /// Whether this account can enter a folder, which takes the right to pass through all that lead to it.
    pub(super) async fn can_enter(self, folder: &Path) -> Result<bool> {
        let mut shell = self.command("/bin/sh");
        let status = shell.args(["-c", r#"cd "$1""#, "sh"]).arg(folder).stderr(Stdio::null()).status().await;
        Ok(status.context("cannot run /bin/sh")?.success())
    }
}

/// Whether a process with this id runs.
pub(super) async fn is_alive(pid: &str) -> bool {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", r#"kill -0 "$1" 2>/dev/null"#, "sh", pid]).stderr(Stdio::null());
    shell.status().await.is_ok_and(|status| status.success())
}

async fn id(arguments: &[&str]) -> Result<u32> {
    let output = Command::new("id").args(arguments).output().await.context("cannot run `id`")?;
    ensure!(output.status.success(), "`id {}` failed", arguments.join(" "));
    let text = String::from_utf8(output.stdout)?;
    text.trim().parse().with_context(|| format!("`id {}` said {text:?}", arguments.join(" ")))
}
