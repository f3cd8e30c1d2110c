//! `router`: every operation behind one Lambda function, for deployments with few requests and therefore many cold starts.
//! It is not an operation itself, and the gateway's routes are the same.

fn main() -> std::process::ExitCode {
    shared::serve_all(env!("CARGO_PKG_NAME"), api::OPERATIONS)
}
