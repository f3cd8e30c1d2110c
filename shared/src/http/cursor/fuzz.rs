//! Fuzz target: invariants of cursors, valid and forged.

#![expect(clippy::expect_used, reason = "a fuzz target reports a violation by a panic")]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use super::CursorKeys;

/// Parses `bytes` as a cursor, then creates one from them: the first line is the list, the rest is the
/// position.
pub fn cursor(bytes: &[u8]) -> &'static str {
    let (key, other_key) = (CursorKeys::new(b"secret"), CursorKeys::new(b"terces"));
    let text = String::from_utf8_lossy(bytes);
    let (list, name) = text.split_once('\n').unwrap_or(("", &text));

    for list in ["", list] {
        if let Some(position) = key.decode::<Value>(list, &text) {
            let made = key.encode(list, &position).expect("a cursor");
            assert_eq!(made, text, "a cursor is accepted that was never made");
        }
    }

    let position = (name.to_owned(), i64::try_from(bytes.len()).unwrap_or(i64::MAX));
    let cursor = key.encode(list, &position).expect("a cursor");
    let read = key.decode(list, &cursor);
    // No row contains NUL in a text, so no client has such a position.
    assert_eq!(read, Some(position).filter(|_| !name.contains('\0')), "{list:?} {name:?}");
    assert_eq!(other_key.decode::<Value>(list, &cursor), None, "under another key");
    for other in [&format!("{list} "), &format!("{list}\u{1}"), &list.to_uppercase(), name, ""] {
        if other != list {
            assert_eq!(key.decode::<Value>(other, &cursor), None, "{cursor} of {list:?} in {other:?}");
        }
    }

    let raw = URL_SAFE_NO_PAD.decode(&cursor).expect("Base64");
    let sum = bytes.iter().fold(0_usize, |sum, &byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let mut changed = raw.clone();
    changed[sum % raw.len()] ^= 1 << (sum % 8);
    let cut = &raw[..sum % raw.len()];
    let mut longer = raw.clone();
    longer.insert(sum % raw.len(), bytes.first().copied().unwrap_or(0));
    for changed in [&changed, cut, &longer] {
        if changed != raw {
            assert_eq!(
                key.decode::<Value>(list, &URL_SAFE_NO_PAD.encode(changed)),
                None,
                "{changed:?} of {cursor}"
            );
        }
    }
    // Left-over bits of Base64 and padding: a position has exactly one cursor.
    for changed in [format!("{cursor}="), format!("{cursor}A"), format!("{cursor}\n")] {
        assert_eq!(key.decode::<Value>(list, &changed), None, "{changed:?}");
    }
    if list.is_empty() { "first page" } else { "list" }
}
