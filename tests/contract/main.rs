//! The contract, tested from outside: real binaries, a real PostgreSQL, real HTTP.

mod access_log;
mod bad_input;
mod browser;
mod concurrency;
mod cors;
mod events;
mod iam;
mod limits;
mod migrations;
mod outages;
mod products;
mod register;
