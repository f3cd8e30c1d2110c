//! What is measured: a program that asks a Lambda Runtime API for events and answers them.

use std::{ffi::OsString, path::PathBuf};

/// One program of those that are compared.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Its name in tables and plots, such as `fastapi-mangum`.
    pub name: &'static str,
    /// What it is made of, with versions.
    pub about: String,
    /// The program, an absolute path, and its arguments.
    pub command: Vec<OsString>,
    /// The folder that it runs in.
    pub folder: PathBuf,
    /// Variables beside those that every subject gets from the driver: those of Lambda, and `DATABASE_URL`.
    pub environment: Vec<(&'static str, OsString)>,
    /// The files and folders that its zip would hold.
    pub deployed: Vec<PathBuf>,
}
