//! `migrate` migrates the database that the environment names; `migrate forget` deletes its expired rows.
//! Under Lambda it does the former for CloudFormation and the latter on a schedule.

use std::process::ExitCode;

use shared::environment::AWS_LAMBDA_RUNTIME_API;

fn main() -> ExitCode {
    if AWS_LAMBDA_RUNTIME_API.read().is_some() {
        migrate::serve()
    } else {
        migrate::run_once(std::env::args().nth(1).as_deref())
    }
}
