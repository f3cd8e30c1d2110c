//! The caller: the scope of idempotency keys, and the name in the history and the log.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest, Sha256};

/// Longer keys are hashed: PostgreSQL limits an index entry to 2,704 bytes.
const MAX_KEY_BYTES: usize = 1_024;

/// Longer identities are truncated, because every log line contains them. ARNs are shorter.
const MAX_IDENTITY_CHARACTERS: usize = 2_048;

/// The caller, as API Gateway identified it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    identity: String,
    key: String,
}

impl Caller {
    /// The IAM principal `arn`; `stable` is the part shared by all of its sessions.
    pub fn of_arn(arn: &str, stable: &str) -> Self {
        // Only an ARN may look like one, and PostgreSQL does not allow NUL in text.
        let is_arn = stable.starts_with("arn:") && !stable.contains(char::is_control);
        let key = if is_arn && stable.len() <= MAX_KEY_BYTES {
            stable.to_owned()
        } else {
            key("principal", &[Some(stable)])
        };
        Self { identity: shown(arn), key }
    }

    /// A caller of `kind`, identified by `names` within that kind.
    pub fn of_kind(kind: &str, names: &[Option<&str>], identity: &str) -> Self {
        Self { identity: shown(identity), key: key(kind, names) }
    }

    /// The full identity: an ARN with its session, an identity id, or a kind and names.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The key of this caller: the same for all of its requests, and different from that of any other caller.
    pub fn key(&self) -> &str {
        &self.key
    }
}

/// A JSON list, which cannot be mistaken for an ARN and keeps the names apart.
fn key(kind: &str, names: &[Option<&str>]) -> String {
    let key = json!([kind, names]).to_string();
    if key.len() <= MAX_KEY_BYTES { key } else { json!(["sha256", digest(&key)]).to_string() }
}

/// The SHA-256 hash of `text` in base64url.
pub fn digest(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}

/// `identity` on one line.
fn shown(identity: &str) -> String {
    let line =
        identity.chars().map(|char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { char });
    line.take(MAX_IDENTITY_CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_names_share_a_key() {
        let long = "湯呑".repeat(1_000);
        let keys = [
            Caller::of_arn("arn:aws:iam::1:user/ann", "arn:aws:iam::1:user/ann"),
            Caller::of_kind("authorizer", &[Some("arn:aws:iam::1:user/ann")], ""),
            Caller::of_kind("authorizer", &[Some("a"), Some("b")], ""),
            Caller::of_kind("authorizer", &[Some("a b")], ""),
            Caller::of_kind("authorizer", &[Some("a\",\"b")], ""),
            Caller::of_kind("authorizer", &[None, Some("a")], ""),
            Caller::of_kind("authorizer", &[Some("a"), None], ""),
            Caller::of_kind("authorizer", &[Some("")], ""),
            Caller::of_kind("token", &[Some("a"), None], ""),
            Caller::of_arn("[\"token\",[\"a\",null]]", "[\"token\",[\"a\",null]]"),
            Caller::of_kind("token", &[Some(&long)], ""),
            Caller::of_kind("token", &[Some(&format!("{long}湯"))], ""),
            Caller::of_arn("arn:\0", "arn:\0"),
            Caller::of_arn("arn:\u{1}", "arn:\u{1}"),
        ];
        for (index, caller) in keys.iter().enumerate() {
            let key = caller.key();
            assert!(keys[..index].iter().all(|other| other.key() != key), "{key}");
            assert!(!key.is_empty() && key.len() <= MAX_KEY_BYTES && !key.contains('\0'), "{key}");
        }
    }
}
