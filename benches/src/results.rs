//! Everything that has been measured, in `benches/results.json`: each part with the date and the machine of its own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::{
    instructions::Instructions,
    load::{Load, Soak},
    machine::Machine,
    measure::{Measured, Missing},
    scale::Scale,
};

/// The parts that have been measured.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Results {
    /// Subjects, one request at a time.
    pub functions: Option<Dated<Functions>>,
    /// How reads grow with the table.
    pub scale: Option<Dated<Scale>>,
    /// The local environment under load.
    pub load: Option<Dated<Load>>,
    /// All operations mixed, for minutes.
    pub soak: Option<Dated<Soak>>,
}

/// A part, and when and on what it was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Dated<T> {
    /// The day, in UTC.
    pub date: String,
    /// How long it took.
    pub seconds: u64,
    /// On what.
    pub machine: Machine,
    /// The figures.
    pub figures: T,
}

/// Subjects, one request at a time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Functions {
    /// Rows of the table of products.
    pub products: u32,
    /// The processor that everything was bound to, or why it was not.
    pub processor: Result<usize, String>,
    /// What has been measured.
    pub measured: Vec<Measured>,
    /// What has not.
    pub missing: Vec<Missing>,
    /// Instructions by the name of the subject.
    pub instructions: Vec<(String, Instructions)>,
}

/// The file of the results.
pub fn file() -> PathBuf {
    tools::checkout().join("benches/results.json")
}

impl Results {
    /// The results of `file`; none if it is not there.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(file: &Path) -> Result<Self> {
        if !file.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(file)?;
        serde_json::from_str(&text).with_context(|| format!("{} is not what it was", file.display()))
    }

    /// Writes them into `file`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}
