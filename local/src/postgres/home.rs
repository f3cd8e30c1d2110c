//! The folder of one server, with its data, the superuser's password and its log, and the lock that limits it to one
//! server at a time.

use std::fs::{self, File, Permissions, TryLockError};
use std::io::{self, PipeWriter, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use project::NAME;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};
use tools::Say;

use super::account::{Account, is_alive, reachable_folder, substitute};
use super::binaries::Binaries;
use super::postmaster::{GONE_WITHIN, Postmaster};

pub(super) const SUPERUSER: &str = NAME;

/// pg_trgm ignores all letters but ASCII's unless the character type is UTF-8. macOS may lack the first locale.
const LOCALES: [&[&str]; 2] = [&["--locale=C.UTF-8"], &["--locale=en_US.UTF-8", "--lc-collate=C"]];

/// Removes the folder of a temporary server once every process has closed the other end of this script's standard
/// input.
const CLEANUP: &str = r#"cat >/dev/null; rm -rf -- "$1""#;

/// Where a server keeps its files.
pub enum DataFolder {
    /// In this folder, across starts, until [`remove_data`].
    Kept(PathBuf),
    /// In a new folder, which is removed when the server and its owner are gone.
    Temporary,
}

pub(super) struct Home {
    pub(super) folder: PathBuf,
    pub(super) account: Account,
    lease: Lease,
}

/// A handle that every process of a server keeps open. It is released when the last of them has ended, however it
/// ended.
enum Lease {
    /// A lock on the folder: one server at a time.
    Kept(File),
    Temporary {
        pipe: PipeWriter,
        cleanup: Child,
    },
}

impl Home {
    pub(super) async fn open(data: &DataFolder, account: Account, say: Say<'_>) -> Result<Self> {
        let (folder, lease) = match data {
            DataFolder::Kept(folder) => {
                let folder = reachable_folder(folder, account, say).await?;
                let lock = lock(&folder, say).await?;
                (folder, Lease::Kept(lock))
            }
            DataFolder::Temporary => temporary_folder(account).await?,
        };
        Ok(Self { folder, account, lease })
    }

    pub(super) fn is_temporary(&self) -> bool {
        matches!(self.lease, Lease::Temporary { .. })
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(super) fn password(&self) -> PathBuf {
        self.folder.join("password")
    }

    /// A copy of the lease for a process of this server to inherit.
    pub(super) fn lease_handle(&self) -> io::Result<Stdio> {
        Ok(match &self.lease {
            Lease::Kept(lock) => lock.try_clone()?.into(),
            Lease::Temporary { pipe, .. } => pipe.try_clone()?.into(),
        })
    }

    /// Creates the cluster unless it exists. An existing one must have the same major version.
    pub(super) async fn prepare(&self, binaries: &Binaries) -> Result<()> {
        let data = self.data();
        if !data.exists() {
            return self.initdb(binaries).await;
        }
        let folder = self.folder.display();
        ensure!(
            self.account.owns(&data)?,
            "{folder} belongs to another user, who can remove the data with `--fresh`"
        );
        let major = fs::read_to_string(data.join("PG_VERSION"))?;
        ensure!(
            major.trim() == binaries.major(),
            "{folder} holds data of PostgreSQL {}, but {} is PostgreSQL {}: `--fresh` removes the data",
            major.trim(),
            binaries.folder.display(),
            binaries.version
        );
        Ok(())
    }

    async fn initdb(&self, binaries: &Binaries) -> Result<()> {
        // The final name appears only when the cluster is complete: an interrupted run leaves nothing that looks ready.
        let unfinished = self.folder.join("data.unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        fs::create_dir(&unfinished)?;
        self.account.give(&unfinished)?;
        let secret: String = random::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect();
        write_private(&self.password(), &secret)?;
        self.account.give(&self.password())?;

        let mut last_error = String::new();
        for locale in LOCALES {
            let mut initdb = self.account.command(binaries.program("initdb"));
            initdb.arg("--pgdata").arg(&unfinished).arg("--pwfile").arg(self.password()).args(locale);
            initdb.args(["--username", SUPERUSER, "--auth=scram-sha-256", "--encoding=UTF8"]);
            initdb.args(["--locale-provider=libc", "--no-instructions"]);
            if self.is_temporary() {
                initdb.arg("--no-sync");
            }
            let output = initdb.stdin(self.lease_handle()?).kill_on_drop(true).output().await;
            let output = output.context("cannot run initdb")?;
            if output.status.success() {
                return Ok(fs::rename(&unfinished, self.data())?);
            }
            last_error = String::from_utf8_lossy(&output.stderr).into_owned();
        }
        bail!("initdb failed: {}", last_error.trim())
    }

    /// Releases the folder, and returns when a temporary one is removed.
    pub(super) async fn release(self) -> Result<()> {
        if let Lease::Temporary { pipe, mut cleanup } = self.lease {
            drop(pipe);
            let cleaned = timeout(GONE_WITHIN, cleanup.wait()).await;
            cleaned.with_context(|| format!("{} is still in use", self.folder.display()))??;
        }
        Ok(())
    }
}

/// Removes the data of a kept server, also from the substitute folder that a server started by root may have used.
///
/// # Errors
/// When a server is using the folder, or it cannot be removed.
pub async fn remove_data(folder: &Path, say: Say<'_>) -> Result<()> {
    let folder = std::path::absolute(folder)?;
    let account = Account::current().await?;
    let elsewhere = account.is_nobody().then(|| substitute(&folder));
    for folder in [Some(folder), elsewhere].into_iter().flatten().filter(|it| it.exists()) {
        let _lock = lock(&folder, say).await?;
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
        say(&format!("removed {}", folder.display()));
    }
    Ok(())
}

async fn temporary_folder(account: Account) -> Result<(PathBuf, Lease)> {
    let mut parent = std::path::absolute(std::env::temp_dir())?;
    if !account.can_enter(&parent).await? {
        parent = PathBuf::from("/var/tmp");
    }
    let folder =
        tempfile::Builder::new().prefix(concat!(project::name!(), "-postgres-")).tempdir_in(parent)?;
    if account.is_nobody() {
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
    }
    let (input, pipe) = io::pipe()?;
    let mut cleanup = Command::new("/bin/sh");
    cleanup.args(["-c", CLEANUP, "sh"]).arg(folder.path()).current_dir("/").process_group(0);
    let cleanup = cleanup.stdin(input).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    Ok((folder.keep(), Lease::Temporary { pipe, cleanup }))
}

/// Locks a folder until this process, and every other process that inherits the file, has ended.
async fn lock(folder: &Path, say: Say<'_>) -> Result<File> {
    let lock = File::open(folder).with_context(|| format!("cannot open {}", folder.display()))?;
    let owner = folder.join("owner");
    let deadline = Instant::now() + GONE_WITHIN;
    // On a file system without locks, PostgreSQL's own lock file has to suffice.
    while let Err(TryLockError::WouldBlock) = lock.try_lock() {
        let pid = fs::read_to_string(&owner).unwrap_or_default();
        ensure!(
            !is_alive(&pid).await,
            "another `cargo xtask dev` is using {}, process {pid}",
            folder.display()
        );
        // The server of a killed owner is about to end, unless its watchdog was killed, too.
        if let Some(postmaster) = Postmaster::of(&folder.join("data")).await {
            let pid = postmaster.pid.as_raw_nonzero();
            say(&format!("ending PostgreSQL of a `cargo xtask dev` that was killed, process {pid}"));
            postmaster.end().await?;
        }
        ensure!(
            Instant::now() < deadline,
            "a process of a killed `cargo xtask dev` is still using {}; find it with `lsof {}`",
            folder.display(),
            folder.display()
        );
        sleep(Duration::from_millis(50)).await;
    }
    write_private(&owner, &std::process::id().to_string())?;
    Ok(lock)
}

/// Writes a new file that only its owner can read, replacing an existing one.
fn write_private(path: &Path, text: &str) -> Result<()> {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error).with_context(|| {
            format!("cannot replace {}: does another user run this checkout?", path.display())
        });
    }
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Random bytes from the operating system.
pub(super) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}
