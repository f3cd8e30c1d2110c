//! Finds and ends the server process of a data folder by PostgreSQL's `postmaster.pid`, for a server whose watchdog is
//! gone.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::Command,
    time::{Instant, sleep},
};

/// How long a server may take to end.
pub(super) const GONE_WITHIN: Duration = Duration::from_secs(30);

/// The server process of a data folder.
pub(super) struct Postmaster {
    pub(super) pid: Pid,
    data: PathBuf,
}

impl Postmaster {
    /// The running server of the data folder `data`. Its file can be left over from a killed server, and the process id
    /// reused by another program.
    pub(super) async fn of(data: &Path) -> Option<Self> {
        let file = fs::read_to_string(data.join("postmaster.pid")).ok()?;
        let pid = Pid::from_raw(file.lines().next()?.trim().parse().ok()?)?;
        let postmaster = Self { pid, data: data.to_owned() };
        postmaster.is_running().await.then_some(postmaster)
    }

    /// Ends the server by a fast shutdown, or by an immediate one if that takes too long. Returns when it is gone.
    pub(super) async fn end(&self) -> Result<()> {
        for signal in [Signal::INT, Signal::QUIT] {
            // Errors are ignored: the process may have ended by itself.
            let _ = kill_process(self.pid, signal);
            let deadline = Instant::now() + GONE_WITHIN;
            while self.is_running().await {
                if Instant::now() >= deadline {
                    break;
                }
                sleep(Duration::from_millis(20)).await;
            }
            if !self.is_running().await {
                return Ok(());
            }
        }
        bail!("PostgreSQL does not stop, process {}", self.pid.as_raw_nonzero())
    }

    /// Whether the process exists and was started with this folder.
    async fn is_running(&self) -> bool {
        let pid = self.pid.as_raw_nonzero();
        let proc = PathBuf::from(format!("/proc/{pid}/cmdline"));
        let line = if Path::new("/proc/self/cmdline").exists() {
            // A zombie process has an empty command line.
            fs::read(proc).unwrap_or_default()
        } else {
            let listed = Command::new("ps").args(["-o", "args=", "-p", &pid.to_string()]).output().await;
            listed.map(|output| output.stdout).unwrap_or_default()
        };
        String::from_utf8_lossy(&line).contains(&*self.data.to_string_lossy())
    }
}
