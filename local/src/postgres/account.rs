//! The account that PostgreSQL runs under, and the folders that it can reach. It is this process's own account, or
//! `nobody` if that is root, since PostgreSQL refuses to run as root.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use project::NAME;
use tokio::process::Command;
use tools::Say;

#[derive(Clone, Copy)]
pub(super) struct Account {
    /// uid and gid of `nobody`; `None` for this process's own account.
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

    /// A command under this account, with messages in English, that does not receive a terminal's Ctrl-C.
    pub(super) fn command(self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command.current_dir("/").env("LC_ALL", "C").stdin(Stdio::null()).process_group(0);
        if let Some((uid, gid)) = self.nobody {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Makes this account the owner of a file or folder.
    pub(super) fn give(self, path: &Path) -> io::Result<()> {
        self.nobody.map_or(Ok(()), |(uid, gid)| chown(path, Some(uid), Some(gid)))
    }

    /// Makes this account the owner of a folder and everything in it.
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

    /// Whether this account can enter a folder, which requires search permission on all of its parents.
    pub(super) async fn can_enter(self, folder: &Path) -> Result<bool> {
        let mut shell = self.command("/bin/sh");
        let status = shell.args(["-c", r#"cd "$1""#, "sh"]).arg(folder).stderr(Stdio::null()).status().await;
        Ok(status.context("cannot run /bin/sh")?.success())
    }
}

/// Whether a process with this id is running.
pub(super) async fn is_alive(pid: &str) -> bool {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", r#"kill -0 "$1" 2>/dev/null"#, "sh", pid]).stderr(Stdio::null());
    shell.status().await.is_ok_and(|status| status.success())
}

/// The folder `wanted`, created if necessary, or a substitute in /var/tmp if the account cannot reach it.
pub(super) async fn reachable_folder(wanted: &Path, account: Account, say: Say<'_>) -> Result<PathBuf> {
    let wanted = std::path::absolute(wanted)?;
    fs::create_dir_all(&wanted).with_context(|| format!("cannot create {}", wanted.display()))?;
    if !account.is_nobody() {
        return Ok(wanted);
    }
    let passable = Permissions::from_mode(0o755);
    fs::set_permissions(&wanted, passable.clone())?;
    if account.can_enter(&wanted).await? {
        return Ok(wanted);
    }
    // Only if it is empty: otherwise it would look as if the data were there.
    let _ = fs::remove_dir(&wanted);
    let folder = substitute(&wanted);
    say(&format!(
        "`nobody`, who runs PostgreSQL, cannot access {}: using {}",
        wanted.display(),
        folder.display()
    ));
    if let Err(error) = fs::create_dir(&folder) {
        // Anyone can create folders in /var/tmp, and this process is root.
        let ours = folder.symlink_metadata().is_ok_and(|it| it.is_dir() && it.uid() == 0);
        ensure!(ours, "cannot create {}: {error}", folder.display());
    }
    fs::set_permissions(&folder, passable)?;
    Ok(folder)
}

/// The substitute for `wanted`. It must be the same at every start, hence the hash (64-bit FNV-1a, since std guarantees
/// no stable one).
pub(super) fn substitute(wanted: &Path) -> PathBuf {
    let bytes = wanted.as_os_str().as_encoded_bytes();
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    PathBuf::from(format!("/var/tmp/{NAME}-{hash:016x}"))
}

async fn id(arguments: &[&str]) -> Result<u32> {
    let output = Command::new("id").args(arguments).output().await.context("cannot run `id`")?;
    ensure!(output.status.success(), "`id {}` failed", arguments.join(" "));
    let text = String::from_utf8(output.stdout)?;
    text.trim().parse().with_context(|| format!("`id {}` said {text:?}", arguments.join(" ")))
}
