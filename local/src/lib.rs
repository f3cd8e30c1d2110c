//! The cloud on one machine: API Gateway, Lambda, PostgreSQL and a cache as real processes and sockets, for development,
//! tests and benchmarks. Only `stack` knows our functions: to the rest, routes and programs are data.

mod aside;
pub mod gateway;
pub mod lambda;
pub mod postgres;
pub mod redis;
pub mod sample;
pub mod stack;
