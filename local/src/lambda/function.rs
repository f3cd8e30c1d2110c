//! A function's configuration, and the account and region that it sees.

use std::{path::PathBuf, time::Duration};

/// The account id in every ARN and event.
pub const ACCOUNT_ID: &str = "000000000000";
/// The default region of a function; `AWS_REGION` in its environment overrides it.
pub const REGION: &str = "us-east-1";

/// The configuration of a function: its program, and the limits of its environments.
#[derive(Clone, Debug)]
pub struct Function {
    /// The name, for `Functions::invoke` and as `AWS_LAMBDA_FUNCTION_NAME`.
    pub name: String,
    /// The executable; it must implement the Runtime API.
    pub program: PathBuf,
    /// The executable's arguments, usually none.
    pub arguments: Vec<String>,
    /// Environment variables, which override those that Lambda sets. Only `PATH`, `HOME` and `RUST_BACKTRACE` are
    /// inherited from this process.
    pub environment: Vec<(String, String)>,
    /// The timeout of an invocation, without initialisation.
    pub timeout: Duration,
    /// `AWS_LAMBDA_FUNCTION_MEMORY_SIZE`, in MiB; not enforced.
    pub memory_mb: u32,
    /// The reserved concurrency: the maximum number of processes.
    pub max_environments: usize,
}
