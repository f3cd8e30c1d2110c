//! How the project is delivered: its workflows, its dependencies, and what must not be in its sources.

mod supply;
mod workflows;
