//! `migrate`: brings the database up to date that the environment names. Under Lambda it does so for CloudFormation.

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() { migrate::serve() } else { migrate::run_once() }
}
