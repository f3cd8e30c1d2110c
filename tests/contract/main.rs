//! The contract, tested from outside: real binaries, a real PostgreSQL, real HTTP.

mod access_log;
mod artisans;
mod bad_input;
mod browser;
mod cache;
mod cognito;
mod concurrency;
mod conditional;
mod cors;
mod events;
mod failover;
mod faults;
mod gateway;
mod iam;
mod idempotency;
mod limits;
mod migrations;
mod outages;
mod plans;
mod products;
mod register;
mod rotation;
mod statements;
mod tls;
mod walks;
