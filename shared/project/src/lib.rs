//! The project's name. Whatever is called after the project is called after what stands here; `cargo xtask adopt` changes
//! it.

/// The name as a literal, for `concat!`: one word of lower-case letters, in URNs, stacks, databases, keys and the like.
#[macro_export]
macro_rules! name {
    () => {
        "atelier"
    };
}

/// The name, as [`name!`] has it.
pub const NAME: &str = name!();

/// The name for people to read, which may be of several words.
pub const TITLE: &str = "Atelier";

/// The CloudWatch namespace of the metrics: one word, because queries have it in them.
pub const METRICS_NAMESPACE: &str = "Atelier";

/// What an access token must allow to read, and to write: scopes of the user pool's resource server.
pub const READ_SCOPE: &str = concat!(name!(), "/read");
/// See [`READ_SCOPE`].
pub const WRITE_SCOPE: &str = concat!(name!(), "/write");
