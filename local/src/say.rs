//! The messages of `cargo xtask dev` itself, on standard error, apart from the functions' log.

/// Prints a line to standard error.
pub(crate) fn say(line: &str) {
    eprintln!("· {line}");
}
