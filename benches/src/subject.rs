//! A subject of a measurement: a program that fetches events from a Lambda Runtime API and responds to them.

use std::{ffi::OsString, path::PathBuf};

/// A program to measure.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its name in tables and plots, such as `fastapi-mangum`.
    pub name: &'static str,
    /// Its libraries, with versions.
    pub about: String,
    /// The absolute path of the program, and its arguments.
    pub command: Vec<OsString>,
    /// Its working directory.
    pub folder: PathBuf,
    /// Additional variables. Every subject also has Lambda's variables and `DATABASE_URL`.
    pub environment: Vec<(&'static str, OsString)>,
    /// The files and folders in its zip.
    pub deployed: Vec<PathBuf>,
}
