//! Runs the local environment as a process.

use std::{
    fs::File,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::client::Client;
use crate::processes::Tree;

const START_LIMIT: Duration = Duration::from_secs(60);
const END_LIMIT: Duration = Duration::from_secs(20);

/// Whether the local environment has a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cache {
    None,
    /// A cache that the environment starts itself.
    Own,
}

/// A running local environment, which ends when this is dropped.
pub(super) struct Stack {
    process: Child,
    pub(super) port: u16,
}

impl Stack {
    /// Starts the program `local` in the folder `programs`, with the functions in the same folder.
    pub(super) fn start(programs: &Path, database_url: &str, cache: Cache) -> Result<Self> {
        let port = local::postgres::free_port()?;
        let program = programs.join("local");
        let log = tempfile::NamedTempFile::new()?;
        let mut command = Command::new(&program);
        command.args(["--auth", "none", "--empty", "--port", &port.to_string()]);
        if cache == Cache::Own {
            command.arg("--cache");
        }
        command.env("DATABASE_URL", database_url).env_remove("CACHE_URL").process_group(0);
        // Discard the functions' log, which nothing reads.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(log.path())?);
        let process = command.spawn().with_context(|| format!("cannot run {}", program.display()))?;
        let mut stack = Self { process, port };
        let until = Instant::now() + START_LIMIT;
        while !Client::connect(port)
            .is_ok_and(|mut client| client.get("/health").is_ok_and(|it| it.status == 200))
        {
            let has_ended = stack.process.try_wait()?.is_some();
            ensure!(
                !has_ended && Instant::now() < until,
                "the local environment does not start: {}",
                std::fs::read_to_string(log.path()).unwrap_or_default()
            );
            thread::sleep(Duration::from_millis(50));
        }
        Ok(stack)
    }

    /// Its processes, including those of the functions.
    pub(super) fn tree(&self) -> Tree {
        Tree::of(self.process.id())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let Some(pid) = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw) else { return };
        // It ends its functions' processes itself.
        let _ = kill_process(pid, Signal::INT);
        let until = Instant::now() + END_LIMIT;
        while Instant::now() < until {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        let _ = kill_process_group(pid, Signal::KILL);
        let _ = self.process.wait();
    }
}
