//! What figures were measured on.

use std::{fs, process::Command};

use serde::{Deserialize, Serialize};

/// A machine with the programs that matter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The model of its processors.
    pub processor: String,
    /// How many of them there are.
    pub processors: usize,
    /// In MiB.
    pub memory_mb: u64,
    /// The operating system's kernel.
    pub kernel: String,
    /// The compiler of the functions.
    pub rust: String,
    /// The database.
    pub postgres: String,
    /// The commit that was measured; `+` if files differed from it.
    pub commit: String,
    /// Processes that wanted to run when it began, on average over a minute: on an idle machine far below 1.
    pub load: String,
}

impl Machine {
    /// This one, with PostgreSQL of the version `postgres`.
    pub fn this(postgres: String) -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        Self {
            processor: field(&cpuinfo, "model name").unwrap_or(std::env::consts::ARCH).to_owned(),
            // All of them, and not those that this process is bound to.
            processors: cpuinfo.lines().filter(|line| line.starts_with("processor")).count(),
            memory_mb: field(&read("/proc/meminfo"), "MemTotal")
                .and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok())
                .unwrap_or_default()
                / 1024,
            kernel: said("uname", &["-sr"]),
            rust: env!("CARGO_PKG_RUST_VERSION").to_owned(),
            postgres,
            commit: commit(),
            load: read("/proc/loadavg").split_whitespace().next().unwrap_or("unknown").to_owned(),
        }
    }
}

fn commit() -> String {
    let mut commit = said("git", &["rev-parse", "--short", "HEAD"]);
    // What is written by a run is no difference of what it measures.
    let paths = ["status", "--porcelain", "--", "functions", "shared", "domain", "Cargo.lock", "Cargo.toml"];
    if !said("git", &paths).is_empty() {
        commit.push('+');
    }
    commit
}

/// What a program says; nothing where there is no such program.
fn said(program: &str, arguments: &[&str]) -> String {
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
