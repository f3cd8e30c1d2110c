//! The cloud on one machine: API Gateway, Lambda, PostgreSQL and a cache as real processes and sockets, for
//! development, tests and benchmarks. Only `stack` and `sample` depend on this API; everything else takes routes and
//! programs as data.

mod blocking;
pub mod gateway;
pub mod lambda;
pub mod postgres;
pub mod redis;
pub mod sample;
pub mod stack;
