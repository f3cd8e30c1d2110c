//! What `cargo xtask dev` says of itself, beside the log of the functions.

/// Says a line to the person at the terminal.
pub(crate) fn say(line: &str) {
    eprintln!("· {line}");
}
