//! Cursors: where a list goes on. Opaque, URL-safe, bound to the query that they were made for, and
//! authenticated with HMAC-SHA-256 (RFC 2104), so that neither a changed nor a foreign cursor is accepted.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

/// First byte of every cursor. Goes up when the meaning of a position changes, so that old cursors are refused.
const VERSION: u8 = 1;

/// Bytes of the authentication code that a cursor carries; forging one takes 2^128 tries.
const TAG_BYTES: usize = 16;

/// The key that cursors are authenticated with.
#[derive(Clone)]
pub struct CursorKey(Hmac<Sha256>);

impl CursorKey {
    /// A key of `secret`, of any length.
    pub fn new(secret: &[u8]) -> Self {
        // Hashed first, as RFC 2104 does with long keys: any length fills a block.
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        block[..32].copy_from_slice(&Sha256::digest(secret));
        Self(Hmac::new(&block))
    }

    /// A cursor to `position` in the list that `binding` describes.
    pub(super) fn encode(
        &self,
        binding: &str,
        position: &impl Serialize,
    ) -> Result<String, serde_json::Error> {
        let mut bytes = vec![VERSION];
        serde_json::to_writer(&mut bytes, position)?;
        let tag = self.authenticate(binding, &bytes).finalize().into_bytes();
        bytes.extend_from_slice(&tag[..TAG_BYTES]);
        Ok(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The position of `cursor`; none when it was changed, made for another list, or made by another version.
    pub(super) fn decode<P: DeserializeOwned>(&self, binding: &str, cursor: &str) -> Option<P> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (content, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG_BYTES)?)?;
        self.authenticate(binding, content).verify_truncated_left(tag).ok()?;
        let (version, position) = content.split_first()?;
        if *version != VERSION {
            return None;
        }
        serde_json::from_slice(position).ok()
    }

    fn authenticate(&self, binding: &str, content: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        // The length keeps a binding's end apart from the content's start.
        mac.update(&(binding.len() as u64).to_be_bytes());
        mac.update(binding.as_bytes());
        mac.update(content);
        mac
    }
}

impl std::fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CursorKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> CursorKey {
        CursorKey::new(b"secret")
    }

    #[test]
    fn comes_back_for_the_list_it_was_made_for() {
        let cursor = key().encode("list a", &("湯呑", 7)).unwrap();
        assert_eq!(key().decode::<(String, i64)>("list a", &cursor), Some(("湯呑".to_owned(), 7)));
        assert_eq!(key().decode::<(String, i64)>("list b", &cursor), None);
        assert_eq!(CursorKey::new(b"other").decode::<(String, i64)>("list a", &cursor), None);
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
