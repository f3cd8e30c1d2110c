//! Measures what the functions cost compared with other implementations: time, memory, size and instructions, on one
//! machine.

pub mod budget;
pub mod database;
pub mod events;
pub mod instructions;
pub mod load;
pub mod machine;
pub mod measure;
pub mod peers;
pub mod processes;
pub mod processor;
pub mod random;
pub mod report;
pub mod results;
pub mod running;
pub mod runtime_api;
pub mod scale;
pub mod size;
pub mod statistics;
pub mod subject;
pub mod subjects;
pub mod zipf;
