//! A function, as it is configured, and where it claims to be.

use std::{path::PathBuf, time::Duration};

/// The account in every ARN and event: AWS's own example value is longer to read and no more real.
pub const ACCOUNT_ID: &str = "000000000000";
/// The region of functions that do not set `AWS_REGION` themselves.
pub const REGION: &str = "us-east-1";

/// A function as it is configured: the program and the limits of its environments.
#[derive(Clone, Debug)]
pub struct Function {
    /// The name that `Functions::invoke` knows it by; `AWS_LAMBDA_FUNCTION_NAME`.
    pub name: String,
    /// The executable that speaks the Runtime API.
    pub program: PathBuf,
    /// Its arguments, usually none.
    pub arguments: Vec<String>,
    /// Its variables; they win over those that Lambda sets. Nothing else is inherited but `PATH`, `HOME` and
    /// `RUST_BACKTRACE`.
    pub environment: Vec<(String, String)>,
    /// The function's time-out; initialisation does not count.
    pub timeout: Duration,
    /// `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`, in MiB; told to the function, not enforced.
    pub memory_mb: u32,
    /// The reserved concurrency: never more processes than this.
    pub max_environments: usize,
}
