//! What the functions cost beside others that do the same: time, memory, size and instructions, measured on one machine.

pub mod peers;
pub mod subject;
