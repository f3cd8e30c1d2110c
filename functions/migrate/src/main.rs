//! `migrate`: brings the database up to date that the environment names; `migrate forget` deletes what has expired there.
//! Under Lambda it does the first for CloudFormation and the second on a schedule.

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some() {
        migrate::serve()
    } else {
        migrate::run_once(std::env::args().nth(1).as_deref())
    }
}
