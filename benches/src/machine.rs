//! The machine that the figures were measured on.

use std::{fs, process::Command};

use serde::{Deserialize, Serialize};

/// A machine with the relevant software versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The model of its processors.
    pub processor: String,
    /// The number of processors.
    pub processors: usize,
    /// The memory in MiB.
    pub memory_mb: u64,
    /// The operating system's kernel.
    pub kernel: String,
    /// The compiler of the functions.
    pub rust: String,
    /// The database.
    pub postgres: String,
    /// The measured commit, with `+` if there were uncommitted changes.
    pub commit: String,
    /// The load average of one minute at the beginning: on an idle machine far below 1.
    pub load: String,
}

impl Machine {
    /// This machine, with PostgreSQL version `postgres`.
    pub fn this(postgres: String) -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        Self {
            processor: field(&cpuinfo, "model name").unwrap_or(std::env::consts::ARCH).to_owned(),
            // All processors, not only those that this process is bound to.
            processors: cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
            memory_mb: field(&read("/proc/meminfo"), "MemTotal")
                .and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok())
                .unwrap_or_default()
                / 1024,
            kernel: output_of("uname", &["-sr"]),
            rust: env!("CARGO_PKG_RUST_VERSION").to_owned(),
            postgres,
            commit: commit(),
            load: read("/proc/loadavg").split_whitespace().next().unwrap_or("unknown").to_owned(),
        }
    }
}

fn commit() -> String {
    let mut commit = output_of("git", &["rev-parse", "--short", "HEAD"]);
    // Ignore the files that a run writes.
    let paths = ["status", "--porcelain", "--", "functions", "shared", "domain", "Cargo.lock", "Cargo.toml"];
    if !output_of("git", &paths).is_empty() {
        commit.push('+');
    }
    commit
}

/// The output of a program; empty if it cannot be run.
fn output_of(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    tools::output(command.args(arguments).current_dir(tools::checkout()))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn field<'a>(file: &'a str, name: &str) -> Option<&'a str> {
    file.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_kernel_are_read() {
        let file = "model\t\t: 143\nmodel name\t: Intel(R) Xeon(R) Processor\n";
        assert_eq!(field(file, "model name"), Some("Intel(R) Xeon(R) Processor"));
        assert_eq!(field("MemTotal:       16393588 kB\n", "MemTotal"), Some("16393588 kB"));
        assert_eq!(field(file, "flags"), None);
    }
}
