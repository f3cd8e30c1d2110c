//! The principals with keys to the local API, and what they may call.

use std::{collections::HashSet, fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::lambda::ACCOUNT_ID;

/// A caller with a key.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// The ARN, such as `arn:aws:iam::000000000000:user/reader`.
    pub arn: String,
    /// The id of the access key.
    pub access_key_id: String,
    /// The key to sign with, for this machine only. It leaves this process only in the output of `cargo xtask dev`.
    pub secret_access_key: String,
    /// For temporary credentials: the token that every request must have.
    #[serde(default)]
    pub session_token: Option<String>,
    /// The methods it may call, as `METHOD/path` with `*` for any characters and `?` for one: `GET/v1/*`.
    pub allow: Vec<String>,
}

impl Principal {
    /// The three default principals. Their keys are the same on every machine and so not secret; the local gateway
    /// listens only on 127.0.0.1.
    pub fn defaults() -> Vec<Self> {
        let principal = |name: &str, allow: &[&str]| Self {
            arn: format!("arn:aws:iam::{ACCOUNT_ID}:user/{name}"),
            access_key_id: format!("AKIA{:0<16}", format!("LOCAL{}", name.to_uppercase())),
            secret_access_key: format!("local-{name}-key-that-is-no-secret"),
            session_token: None,
            allow: allow.iter().map(|pattern| (*pattern).to_owned()).collect(),
        };
        vec![
            principal("reader", &["GET/*", "HEAD/*"]),
            principal("editor", &["GET/*", "HEAD/*", "POST/*", "PUT/*", "PATCH/*"]),
            principal("admin", &["*"]),
        ]
    }

    /// Reads principals from a JSON file: a list of objects with this type's fields.
    ///
    /// # Errors
    /// When the file cannot be read, or a principal in it is invalid.
    pub fn load(file: &Path) -> Result<Vec<Self>> {
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let principals: Vec<Self> = serde_json::from_str(&text)
            .with_context(|| format!("{} is not a list of principals", file.display()))?;
        check(&principals).with_context(|| format!("{} is not valid", file.display()))?;
        Ok(principals)
    }

    /// Whether the principal may call `method` on `path`, compared as sent.
    pub fn may(&self, method: &str, path: &str) -> bool {
        let called = format!("{method}{path}");
        self.allow.iter().any(|pattern| is_match(pattern.as_bytes(), called.as_bytes()))
    }

    /// The account id in the ARN.
    pub(super) fn account_id(&self) -> &str {
        self.arn.split(':').nth(4).unwrap_or_default()
    }

    /// IAM's unique id of the user, or of the role followed by the session's name; derived from the access key id.
    pub(super) fn unique_id(&self) -> String {
        let key = self.access_key_id.get(4..).unwrap_or_default();
        match self.arn.split_once(":assumed-role/").and_then(|(_, role)| role.split_once('/')) {
            Some((_, session)) => format!("AROA{key}:{session}"),
            None => format!("AIDA{key}"),
        }
    }
}

fn check(principals: &[Principal]) -> Result<()> {
    let mut known = HashSet::new();
    for Principal { arn, access_key_id, secret_access_key, session_token, allow } in principals {
        let is_arn = arn.starts_with("arn:") && arn.splitn(6, ':').count() == 6;
        ensure!(is_arn, "{arn:?} is not an ARN, such as arn:aws:iam::{ACCOUNT_ID}:user/ann");
        let is_key =
            access_key_id.len() >= 16 && access_key_id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        ensure!(is_key, "{arn}: access_key_id must have 16 or more letters and digits");
        ensure!(known.insert(access_key_id), "{arn}: access_key_id belongs to another principal");
        ensure!(!secret_access_key.is_empty(), "{arn}: secret_access_key is empty");
        ensure!(session_token.as_deref() != Some(""), "{arn}: session_token is empty");
        for pattern in allow {
            let is_pattern =
                pattern == "*" || pattern.split_once('/').is_some_and(|(method, _)| !method.is_empty());
            ensure!(is_pattern, "{arn}: {pattern:?} is not METHOD/path, such as GET/v1/*");
        }
    }
    Ok(())
}

/// Whether `text` matches `pattern` with IAM's wildcards: `*` is any characters, including slashes, and `?` is one. No
/// pattern causes exponential time.
pub fn is_match(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut read) = (0, 0);
    let mut star = None;
    while read < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[read] => {
                at += 1;
                read += 1;
            }
            _ => {
                // Backtrack: the last star matches one more byte.
                let Some((star_at, taken)) = star else { return false };
                star = Some((star_at, taken + 1));
                at = star_at + 1;
                read = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_as_iam_does() {
        for (pattern, called) in [
            ("*", "GET/v1/products"),
            ("GET/*", "GET/"),
            ("GET/v1/*", "GET/v1/products/7"),
            ("*/v1/products/*", "DELETE/v1/products/7"),
            ("*/v1/*/7", "GET/v1/products/7/7"),
            ("GET/v1/products/?", "GET/v1/products/7"),
            ("P*/v1/products", "PATCH/v1/products"),
        ] {
            assert!(is_match(pattern.as_bytes(), called.as_bytes()), "{pattern} {called}");
        }
        for (pattern, called) in [
            ("", "GET/v1/products"),
            ("GET/*", "POST/v1/products"),
            ("GET/*", "GET"),
            ("GET/v1/products", "GET/v1/products/7"),
            ("GET/v1/products/?", "GET/v1/products/"),
            ("*/v1/products/*", "DELETE/v1/artisans/7"),
            ("*a*a*a*a*a*a*a*a*b", &"a".repeat(1_000)),
        ] {
            assert!(!is_match(pattern.as_bytes(), called.as_bytes()), "{pattern} {called}");
        }
    }

    #[test]
    fn begins_with_a_reader_an_editor_and_an_admin() {
        let principals = Principal::defaults();
        check(&principals).unwrap();
        let may = |method: &str| {
            principals.iter().map(|principal| principal.may(method, "/v1/x")).collect::<Vec<_>>()
        };
        for method in ["GET", "HEAD"] {
            assert_eq!(may(method), [true, true, true], "{method}");
        }
        for method in ["POST", "PUT", "PATCH"] {
            assert_eq!(may(method), [false, true, true], "{method}");
        }
        assert_eq!(may("DELETE"), [false, false, true]);
        assert_eq!(principals[0].access_key_id, "AKIALOCALREADER00000");
        assert_eq!(principals[0].unique_id(), "AIDALOCALREADER00000");
        assert_eq!(principals[0].account_id(), ACCOUNT_ID);
    }

    #[test]
    fn names_the_session_of_a_role() {
        let arn = "arn:aws:sts::111122223333:assumed-role/store/ann".to_owned();
        let principal = Principal { arn, ..Principal::defaults().remove(0) };
        assert_eq!(principal.unique_id(), "AROALOCALREADER00000:ann");
        assert_eq!(principal.account_id(), "111122223333");
    }

    #[test]
    fn says_what_is_wrong_with_a_principal() {
        let valid = r#"{"arn": "arn:aws:iam::1:user/ann", "access_key_id": "AKIAANN0000000000000",
            "secret_access_key": "secret", "allow": ["GET/*"]}"#;
        let of = |text: &str| check(&serde_json::from_str::<Vec<Principal>>(text).unwrap());
        of(&format!("[{valid}]")).unwrap();
        for (from, to, reason) in [
            ("arn:aws:iam::1:user/ann", "ann", "is not an ARN"),
            ("AKIAANN0000000000000", "AKIA", "16 or more"),
            ("AKIAANN0000000000000", "AKIA/ANN/00000000000", "letters and digits"),
            (r#""secret""#, r#""""#, "secret_access_key is empty"),
            ("GET/*", "GET", "METHOD/path"),
            ("GET/*", "/v1", "METHOD/path"),
        ] {
            let error = of(&format!("[{}]", valid.replace(from, to))).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        assert!(of(&format!("[{valid}, {valid}]")).unwrap_err().to_string().contains("belongs to another"));
    }
}
