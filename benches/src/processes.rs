//! The resource use of a process and its descendants, from Linux's /proc.

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::{Context, Result};

/// A process with all its descendants.
pub struct Tree {
    root: u32,
}

impl Tree {
    /// The tree of the process `root`.
    pub fn of(root: u32) -> Self {
        Self { root }
    }

    /// The ids of the current processes, `root` first.
    ///
    /// # Errors
    /// When /proc is not available.
    pub fn processes(&self) -> Result<Vec<u32>> {
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for entry in fs::read_dir("/proc").context("processes can be measured on Linux only")? {
            let Some(id) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // The file is gone if the process has ended meanwhile.
            let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else { continue };
            if let Some(parent) = parent(&stat) {
                children.entry(parent).or_default().push(id);
            }
        }
        let mut found = vec![self.root];
        let mut next = 0;
        while let Some(id) = found.get(next) {
            found.extend(children.remove(id).unwrap_or_default());
            next += 1;
        }
        Ok(found)
    }

    /// The processor time that all their threads have used.
    ///
    /// # Errors
    /// When the kernel does not count it.
    pub fn processor_time(&self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for id in self.processes()? {
            let Ok(threads) = fs::read_dir(format!("/proc/{id}/task")) else { continue };
            for thread in threads {
                let Ok(text) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
                nanoseconds += first_number(&text).context("the kernel has no schedstat")?;
            }
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// The sum of the processes' peak resident memory (`VmHWM`), in bytes. Shared pages count for each process.
    ///
    /// # Errors
    /// When /proc is not available.
    pub fn peak_memory_bytes(&self) -> Result<u64> {
        self.memory_bytes("VmHWM:")
    }

    /// The sum of the processes' current resident memory (`VmRSS`), in bytes.
    ///
    /// # Errors
    /// When /proc is not available.
    pub fn resident_memory_bytes(&self) -> Result<u64> {
        self.memory_bytes("VmRSS:")
    }

    fn memory_bytes(&self, field: &str) -> Result<u64> {
        let status = |id| fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let bytes = |id| kibibytes(&status(id), field).unwrap_or_default() * 1024;
        Ok(self.processes()?.into_iter().map(bytes).sum())
    }
}

/// The parent in a line of /proc/ID/stat, whose second field is a name in parentheses that may contain any character.
fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

fn first_number(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.parse().ok()
}

fn kibibytes(status: &str, field: &str) -> Option<u64> {
    status.lines().find_map(|line| first_number(line.strip_prefix(field)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_kernel_are_read() {
        assert_eq!(parent("12 (a ) b) S 7 12 12 0"), Some(7));
        assert_eq!(first_number("123456 78 9\n"), Some(123_456));
        let status = "Name:\tx\nVmPeak:\t 1000 kB\nVmHWM:\t    1984 kB\nVmRSS:\t 1980 kB\n";
        assert_eq!(kibibytes(status, "VmHWM:"), Some(1984));
        assert_eq!(kibibytes(status, "VmSwap:"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_has_used_time_and_memory_and_so_have_its_children() {
        let tree = Tree::of(std::process::id());
        let alone = tree.peak_memory_bytes().unwrap();
        assert!(tree.processor_time().unwrap() > Duration::ZERO && alone > 100_000);
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        assert!(tree.processes().unwrap().contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!tree.processes().unwrap().contains(&child.id()));
    }
}
