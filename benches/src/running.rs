//! A running subject: its process and its Runtime API.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::{processes::Tree, runtime_api::RuntimeApi, subject::Subject};

/// The variables that each subject inherits from this process.
const INHERITED: [&str; 2] = ["PATH", "HOME"];

/// The maximum number of bytes of a failed subject's output in the error.
const OUTPUT_LIMIT_BYTES: usize = 2_000;

/// A running subject. Its process and all its descendants end when this is dropped.
pub struct Running {
    child: Child,
    /// Its Runtime API.
    pub api: RuntimeApi,
    /// When it was started.
    pub started: Instant,
    output: File,
}

impl Running {
    /// Starts `subject`.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub fn start(subject: &Subject, database_url: &str) -> Result<Self> {
        let mut api = RuntimeApi::bind()?;
        // Output goes to a file, since reading a pipe would take time of the one processor.
        let output = tempfile::tempfile()?;
        let mut words = subject.command.iter();
        let program = words.next().context("a program")?;
        let mut command = Command::new(program);
        command.args(words).current_dir(&subject.folder).env_clear().process_group(0);
        for (name, value) in INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))) {
            command.env(name, value);
        }
        command.envs(lambda_variables(subject.name, &subject.folder, api.address().to_string()));
        command.env("DATABASE_URL", database_url).envs(subject.environment.iter().cloned());
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output.try_clone()?);
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot run {}", program.display()))?;
        #[cfg(target_os = "linux")]
        if let Some(pid) = pid_of(&child) {
            api.watch(rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?);
        }
        Ok(Self { child, api, started, output })
    }

    /// Its processes.
    pub fn tree(&self) -> Tree {
        Tree::of(self.child.id())
    }

    /// Adds the end of the process's output to the error of `result`.
    ///
    /// # Errors
    /// That of `result`.
    pub fn with_output<T>(&mut self, result: Result<T>) -> Result<T> {
        result.with_context(|| match self.output() {
            Ok(text) => {
                let begin = text.ceil_char_boundary(text.len().saturating_sub(OUTPUT_LIMIT_BYTES));
                format!("it has written: {}", &text[begin..])
            }
            Err(error) => format!("what it has written cannot be read: {error}"),
        })
    }

    /// The output of the process.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn output(&mut self) -> io::Result<String> {
        let mut bytes = Vec::new();
        self.output.seek(SeekFrom::Start(0))?;
        self.output.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Sends SIGTERM to the process, and waits at most `limit` until it has ended.
    ///
    /// # Errors
    /// When the process does not end.
    pub fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        kill_process(self.pid().context("a process")?, Signal::TERM)?;
        let until = Instant::now() + limit;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        anyhow::bail!("the subject does not end")
    }

    fn pid(&self) -> Option<Pid> {
        pid_of(&self.child)
    }
}

fn pid_of(child: &Child) -> Option<Pid> {
    Pid::from_raw(i32::try_from(child.id()).ok()?)
}

impl Drop for Running {
    fn drop(&mut self) {
        // Processes that have left the group are killed one by one.
        let others = self.tree().processes().unwrap_or_default();
        if let Ok(None) = self.child.try_wait()
            && let Some(pid) = self.pid()
        {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        for id in others.into_iter().skip(1).filter_map(|id| Pid::from_raw(i32::try_from(id).ok()?)) {
            let _ = kill_process(id, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// The variables that Lambda sets for a custom runtime, as `local::lambda` does.
fn lambda_variables(name: &str, folder: &std::path::Path, api: String) -> [(&'static str, OsString); 16] {
    let text = |value: &str| OsString::from(value);
    [
        ("AWS_LAMBDA_RUNTIME_API", api.into()),
        ("AWS_LAMBDA_FUNCTION_NAME", name.into()),
        ("AWS_LAMBDA_FUNCTION_VERSION", text("1")),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", text("256")),
        ("AWS_LAMBDA_LOG_GROUP_NAME", text("/aws/lambda/bench")),
        ("AWS_LAMBDA_LOG_STREAM_NAME", text("2026/01/01/[1]5f0d9a40000040008000000000000000")),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", text("on-demand")),
        ("AWS_REGION", text("eu-central-1")),
        ("AWS_DEFAULT_REGION", text("eu-central-1")),
        ("AWS_EC2_METADATA_DISABLED", text("true")),
        ("AWS_ACCESS_KEY_ID", text("local")),
        ("AWS_SECRET_ACCESS_KEY", text("local")),
        ("LAMBDA_TASK_ROOT", OsStr::new(folder).to_owned()),
        ("_HANDLER", text("bootstrap")),
        ("TZ", text(":UTC")),
        ("LANG", text("en_US.UTF-8")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_subject_that_ends_is_not_waited_for_and_what_it_wrote_is_told() {
        let command = ["/bin/sh", "-c", "echo $AWS_LAMBDA_FUNCTION_NAME is tired >&2"].map(Into::into).into();
        let folder = std::env::temp_dir();
        let (about, environment, deployed) = (String::new(), Vec::new(), Vec::new());
        let subject = Subject { name: "it", about, command, folder, environment, deployed };
        let mut running = Running::start(&subject, "").unwrap();
        let waited = running.api.wait_for_next(Duration::from_secs(60));
        let error = format!("{:#}", running.with_output(waited).unwrap_err());
        assert!(error.starts_with("it has written: it is tired\n"), "{error}");
        assert!(error.ends_with("the subject has ended"), "{error}");
    }
}
