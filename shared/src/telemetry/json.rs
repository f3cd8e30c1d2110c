//! JSON members written directly into a buffer.

use serde::Serialize;

/// Appends `value`. The values written here can always be serialised.
pub(super) fn value(line: &mut Vec<u8>, value: impl Serialize) {
    let start = line.len();
    if serde_json::to_writer(&mut *line, &value).is_err() {
        line.truncate(start);
        line.extend_from_slice(b"null");
    }
}

/// Appends `,"name":value`.
pub(super) fn member(line: &mut Vec<u8>, name: &str, content: impl Serialize) {
    line.push(b',');
    value(line, name);
    line.push(b':');
    value(line, content);
}
