//! The project's name, in one place: everything named after the project derives its name from here. `cargo
//! xtask adopt` changes it.

/// The name as a literal, for `concat!`: one word of lower-case letters, because it becomes part of URNs,
/// stack names, database names and keys.
#[macro_export]
macro_rules! name {
    () => {
        "atelier"
    };
}

/// The same name as a constant; see [`name!`].
pub const NAME: &str = name!();

/// The name as people read it; may be several words.
pub const TITLE: &str = "Atelier";

/// The CloudWatch namespace of the metrics. One word, because queries contain it.
pub const METRICS_NAMESPACE: &str = "Atelier";

/// The scopes of the user pool's resource server that an access token needs for reads and for writes.
pub const READ_SCOPE: &str = concat!(name!(), "/read");
/// See [`READ_SCOPE`].
pub const WRITE_SCOPE: &str = concat!(name!(), "/write");
