//! The project's name. Whatever is called after the project is called after these; `cargo xtask adopt` changes them.

/// One word of lower-case letters, for URNs, stacks, databases, keys and the like.
pub const NAME: &str = "atelier";

/// The name for people to read, which may be of several words.
pub const TITLE: &str = "Atelier";

/// The CloudWatch namespace of the metrics: one word, because queries have it in them.
pub const METRICS_NAMESPACE: &str = "Atelier";
