//! Cursors: opaque, URL-safe positions in a list, bound to their query and authenticated with HMAC-SHA-256
//! (RFC 2104), so that neither a modified cursor nor one of another list is accepted.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

use std::str::FromStr;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The first byte of every cursor. Incremented when the meaning of a position changes, so that old cursors
/// are rejected.
const VERSION: u8 = 2;

/// The length of the authentication code in bytes; forging one takes 2^128 attempts.
const TAG_BYTES: usize = 16;

/// The keys that authenticate cursors: the first creates them, all verify them. To rotate without
/// interrupting a client's paging, append the new key, then move it to the front, then remove the old one.
#[derive(Clone, Default)]
pub struct CursorKeys(Vec<Hmac<Sha256>>);

impl CursorKeys {
    /// A single key, derived from `secret` of any length.
    pub fn new(secret: &[u8]) -> Self {
        Self(vec![key(secret)])
    }

    /// A cursor to `position` in the list that `binding` identifies.
    pub(crate) fn encode(&self, binding: &str, position: &impl Serialize) -> Result<String, EncodeError> {
        let key = self.0.first().ok_or("there is no key for cursors")?;
        let mut bytes = vec![VERSION];
        serde_json::to_writer(&mut bytes, position)?;
        let tag = authenticate(key, binding, &bytes).finalize().into_bytes();
        bytes.extend_from_slice(&tag[..TAG_BYTES]);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The position in `cursor`; `None` if the cursor was modified, or was created for another list, by
    /// another version or with another key, or if its content is not a position (anyone with a key can create
    /// such a cursor).
    pub(super) fn decode<P: DeserializeOwned>(&self, binding: &str, cursor: &str) -> Option<P> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (content, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG_BYTES)?)?;
        let is_made_with = |key| authenticate(key, binding, content).verify_truncated_left(tag).is_ok();
        if !self.0.iter().any(is_made_with) {
            return None;
        }
        let (version, position) = content.split_first()?;
        if *version != VERSION {
            return None;
        }
        let position: Value = serde_json::from_slice(position).ok()?;
        if has_nul(&position) { None } else { serde_json::from_value(position).ok() }
    }
}

/// Why a cursor cannot be created.
type EncodeError = Box<dyn std::error::Error + Send + Sync>;

fn key(secret: &[u8]) -> Hmac<Sha256> {
    // Hashed first, as HMAC does with long keys, so that a secret may have any length.
    let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
    block[..32].copy_from_slice(&Sha256::digest(secret));
    Hmac::new(&block)
}

fn authenticate(key: &Hmac<Sha256>, binding: &str, content: &[u8]) -> Hmac<Sha256> {
    let mut mac = key.clone();
    // The length separates the binding from the content.
    mac.update(&(binding.len() as u64).to_be_bytes());
    mac.update(binding.as_bytes());
    mac.update(content);
    mac
}

/// Whether a string in `position` contains NUL, which PostgreSQL does not allow in text.
fn has_nul(position: &Value) -> bool {
    match position {
        Value::String(text) => text.contains('\0'),
        Value::Array(parts) => parts.iter().any(has_nul),
        Value::Object(parts) => parts.values().any(has_nul),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Parses a comma-separated list of keys. White space around a key is ignored.
impl FromStr for CursorKeys {
    type Err = String;

    fn from_str(keys: &str) -> Result<Self, String> {
        let keys: Vec<_> = keys.split(',').map(str::trim).collect();
        if keys.contains(&"") {
            return Err("a key must not be empty".to_owned());
        }
        Ok(Self(keys.iter().map(|secret| key(secret.as_bytes())).collect()))
    }
}

impl std::fmt::Debug for CursorKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CursorKeys(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use serde::Deserialize;

    use super::*;

    fn key() -> CursorKeys {
        CursorKeys::new(b"secret")
    }

    #[test]
    fn comes_back_for_the_list_it_was_made_for() {
        let cursor = key().encode("list a", &("湯呑", 7)).unwrap();
        assert_eq!(key().decode::<(String, i64)>("list a", &cursor), Some(("湯呑".to_owned(), 7)));
        assert_eq!(key().decode::<(String, i64)>("list b", &cursor), None);
        assert_eq!(CursorKeys::new(b"other").decode::<(String, i64)>("list a", &cursor), None);
    }

    #[test]
    fn is_accepted_with_any_key_and_made_with_the_first() {
        let keys = |list: &str| list.parse::<CursorKeys>().unwrap();
        for (made_with, read_with, is_accepted) in [
            ("old", "old,new", true),
            ("old,new", "old", true),
            ("old", "new,old", true),
            ("old,new", "new, old", true),
            ("new,old", "old,new", true),
            ("new,old", "new", true),
            ("new,old", "old", false),
            ("old", "new", false),
            ("old,new", "new", false),
        ] {
            let cursor = keys(made_with).encode("list", &7).unwrap();
            let read = keys(read_with).decode::<i64>("list", &cursor);
            assert_eq!(read, is_accepted.then_some(7), "{made_with} {read_with}");
        }
        let one = CursorKeys::new(b"old").encode("list", &7).unwrap();
        assert_eq!(keys(" old ").encode("list", &7).unwrap(), one);
        for refused in ["", ",", "a,", ",a", "a,,b", "a, ,b"] {
            assert!(refused.parse::<CursorKeys>().is_err(), "{refused}");
        }
        assert!(CursorKeys::default().encode("list", &7).is_err());
    }

    #[test]
    fn a_position_is_one_that_the_database_can_compare_with() {
        #[derive(Serialize, Deserialize)]
        struct At(#[serde(with = "crate::time::exact")] crate::time::Moment);

        for (time, is_accepted) in [
            ("2026-11-21T09:30:00Z", true),
            ("9999-12-30T22:00:00Z", true),
            ("0001-01-01T00:00:00Z", true),
            ("-004709-01-01T00:00:00Z", true),
            ("-004714-01-01T00:00:00Z", false),
            ("-009999-12-31T00:00:00Z", false),
            ("yesterday", false),
        ] {
            let cursor = key().encode("list", &time).unwrap();
            assert_eq!(key().decode::<At>("list", &cursor).is_some(), is_accepted, "{time}");
        }
        for (text, is_accepted) in [("\0", false), ("a\0", false), ("\\u0000", true), ("", true)] {
            let cursor = key().encode("list", &(text, [text])).unwrap();
            let read = key().decode::<(String, [String; 1])>("list", &cursor);
            assert_eq!(read.is_some(), is_accepted, "{text:?}");
        }
    }

    #[test]
    fn is_url_safe() {
        let cursor = key().encode("list", &"?>?>~~~").unwrap();
        assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{cursor}");
    }

    #[test]
    fn is_refused_when_any_character_is_changed() {
        let cursor = key().encode("list", &42).unwrap();
        for index in 0..cursor.len() {
            for replacement in "AZaz09-_=.é".chars() {
                let mut changed = cursor.clone();
                changed.replace_range(index..=index, &replacement.to_string());
                if changed != cursor {
                    assert_eq!(key().decode::<i64>("list", &changed), None, "{changed}");
                }
            }
        }
        for garbage in ["", "A", "====", "AAAAAAAAAAAAAAAAAAAAAAAA", "💥"] {
            assert_eq!(key().decode::<i64>("list", garbage), None);
        }
    }

    proptest! {
        #[test]
        fn decoding_never_panics_and_accepts_nothing_foreign(cursor in ".{0,120}") {
            prop_assert_eq!(key().decode::<serde_json::Value>("list", &cursor), None);
        }

        #[test]
        fn decoding_accepts_no_changed_byte(position in any::<(i64, String)>(), index: prop::sample::Index, change in 1..=255_u8) {
            let cursor = key().encode("list", &position).unwrap();
            prop_assert_eq!(key().decode("list", &cursor), Some(position));
            let mut bytes = URL_SAFE_NO_PAD.decode(&cursor).unwrap();
            let index = index.index(bytes.len());
            bytes[index] ^= change;
            prop_assert_eq!(key().decode::<serde_json::Value>("list", &URL_SAFE_NO_PAD.encode(bytes)), None);
        }
    }
}
