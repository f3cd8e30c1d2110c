//! `cargo xtask token`: prints a token that `cargo xtask dev --auth cognito` accepts.

use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use jiff::Timestamp;
use local::{
    gateway::cognito::{Grant, UserPool},
    stack::user_pool_folder,
};

/// Print a token that `cargo xtask dev --auth cognito` accepts.
#[derive(Parser)]
#[command(name = "cargo xtask token", bin_name = "cargo xtask token")]
struct Arguments {
    /// The token's subject
    #[arg(long, default_value = "local-user")]
    sub: String,
    /// A scope to grant; repeatable. By default the scopes for reading and for writing
    #[arg(long)]
    scope: Vec<String>,
    /// The token's lifetime
    #[arg(long, default_value_t = 3600)]
    expires_in_seconds: u64,
    /// Print an ID token instead of an access token
    #[arg(long)]
    id: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut grant = Grant {
        subject: arguments.sub,
        lifetime: Duration::from_secs(arguments.expires_in_seconds),
        ..Grant::default()
    };
    if !arguments.scope.is_empty() {
        grant.scopes = arguments.scope;
    }
    let pool = UserPool::open(&user_pool_folder())?;
    let now = Timestamp::now();
    println!("{}", if arguments.id { pool.id_token(&grant, now)? } else { pool.access_token(&grant, now)? });
    Ok(())
}
