//! All results, stored in `benches/results.json`: each part with its own date and machine.

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
    /// Subjects with one request at a time.
    pub functions: Option<Dated<Functions>>,
    /// How reads grow with the table.
    pub scale: Option<Dated<Scale>>,
    /// The local environment under load.
    pub load: Option<Dated<Load>>,
    /// The soak test.
    pub soak: Option<Dated<Soak>>,
}

/// A part, with the date and the machine of its measurement.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Dated<T> {
    /// The day, in UTC.
    pub date: String,
    /// The duration of the measurement.
    pub seconds: u64,
    /// The machine.
    pub machine: Machine,
    /// The figures.
    pub figures: T,
}

/// Subjects, one request at a time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Functions {
    /// The number of products in the table.
    pub products: u32,
    /// The processor that everything was bound to, or why it was not.
    pub processor: Result<usize, String>,
    /// The measured subjects.
    pub measured: Vec<Measured>,
    /// The subjects that could not be measured.
    pub missing: Vec<Missing>,
    /// The instructions, by the subject's name.
    pub instructions: Vec<(String, Instructions)>,
}

/// The file of the results.
pub fn file() -> PathBuf {
    tools::checkout().join("benches/results.json")
}

impl Results {
    /// Reads the results from `file`; empty if it does not exist.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn read(file: &Path) -> Result<Self> {
        if !file.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(file)?;
        serde_json::from_str(&text).with_context(|| format!("{} has another format", file.display()))
    }

    /// Writes the results to `file`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}
