//! Idempotency keys: a POST that is repeated with the same `Idempotency-Key` has one effect and one answer.
//!
//! The answer is made before the row is written, and stored with it by the same statement: `claim_idempotency_key`
//! in the database decides who is first. The rules follow the IETF draft draft-ietf-httpapi-idempotency-key-header.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

use std::borrow::Cow;

use ::http::{HeaderName, HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Fault, Members, Problem, Reply, Request, Result};
use crate::db::{self, Row};

/// How long a key is remembered.
pub const SECONDS_TO_LIVE: i64 = 24 * 60 * 60;

const MAX_KEY_CHARACTERS: usize = 255;

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// What a POST claims: its caller's key, if it has one, for the request that it is.
#[derive(Debug)]
pub struct Claim {
    /// The principal, whose keys are nobody else's.
    pub caller: String,
    /// The key; none if the request has none.
    pub key: Option<String>,
    /// What tells this request from another: its operation and its JSON.
    pub fingerprint: Vec<u8>,
}

/// A reply as it is stored.
#[derive(Serialize, Deserialize)]
struct Stored {
    status: u16,
    headers: Vec<(String, String)>,
    body: Cow<'static, str>,
}

impl Claim {
    /// The claim of `request` with the body `members` to `operation`.
    ///
    /// # Errors
    /// 400 when the key is malformed.
    pub(super) fn of(request: &Request, operation: &str, members: &Members) -> Result<Self> {
        let mut values = request.headers().get_all(HEADER).iter();
        let key = match (values.next(), values.next()) {
            (None, _) => None,
            (Some(value), None) => Some(read_key(value).ok_or_else(malformed)?),
            (Some(_), Some(_)) => return Err(malformed()),
        };
        let caller = request.gateway().caller.clone().unwrap_or_default();
        Ok(Self { caller, key, fingerprint: fingerprint(operation, members) })
    }

    /// `reply` as it is stored with the claim.
    ///
    /// # Errors
    /// 500 when a header is not text, which ours are.
    pub fn answer(&self, reply: &Reply) -> Result<String> {
        let text = |value: &HeaderValue| value.to_str().map(ToOwned::to_owned);
        let headers = reply.headers.iter().map(|(name, value)| Ok((name.to_string(), text(value)?)));
        let headers =
            headers.collect::<Result<_, ::http::header::ToStrError>>().map_err(Problem::internal)?;
        let stored = Stored { status: reply.status.as_u16(), headers, body: reply.body.clone() };
        serde_json::to_string(&stored).map_err(Problem::internal)
    }

    /// The reply to send after the statement returned `row` of `claim_idempotency_key`: `reply` if the claim was the
    /// first, else what was answered then.
    ///
    /// # Errors
    /// 409 while the first request is running, 422 when the key was used for another request.
    pub fn settle(&self, row: Option<Row>, reply: Reply) -> Result<Reply> {
        let Some(row) = row else { return Err(Problem::still_running()) };
        if row.try_get("is_new").map_err(db::Error::from)? {
            return Ok(reply);
        }
        let fingerprint: Vec<u8> = row.try_get("fingerprint").map_err(db::Error::from)?;
        if fingerprint != self.fingerprint {
            return Err(Problem::idempotency_key_reused());
        }
        let answer: String = row.try_get("answer").map_err(db::Error::from)?;
        if answer == self.answer(&reply)? {
            // Our own first attempt, whose success nobody heard of.
            return Ok(reply);
        }
        let stored: Stored = serde_json::from_str(&answer).map_err(Problem::internal)?;
        stored.replay().map_err(Problem::internal)
    }
}

impl Stored {
    fn replay(self) -> Result<Reply, ::http::Error> {
        let mut reply = Reply::no_content();
        reply.status = StatusCode::from_u16(self.status)?;
        for (name, value) in self.headers {
            reply.headers.append(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
        }
        reply
            .headers
            .insert(HeaderName::from_static("idempotency-replayed"), HeaderValue::from_static("true"));
        reply.body = self.body;
        Ok(reply)
    }
}

/// A key of 1 to 255 printable characters of ASCII, as it was sent; white space around it is none of it.
fn read_key(value: &HeaderValue) -> Option<String> {
    let key = value.to_str().ok()?.trim();
    // The tab is the one control character that header text may have.
    let is_key = (1..=MAX_KEY_CHARACTERS).contains(&key.len()) && !key.contains('\t');
    is_key.then(|| key.to_owned())
}

fn malformed() -> Problem {
    let detail = "must be one key of 1 to 255 printable ASCII characters";
    Problem::invalid_parameters(vec![Fault::parameter("Idempotency-Key", detail)])
}

/// Equal for requests of equal JSON, whatever the order of its members and its white space.
fn fingerprint(operation: &str, members: &Members) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(operation);
    hash.update(b"\n");
    hash.update(members.canonical());
    hash.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_that_of_the_json() {
        let of =
            |operation: &str, body: &str| fingerprint(operation, &Members::parse(body.as_bytes()).unwrap());
        let first = of("create-product", r#"{"name": "a", "price": 1}"#);
        assert_eq!(first, of("create-product", r#"{"price":1,"name":"\u0061"}"#));
        for (operation, body) in [
            ("create-product", r#"{"name": "a", "price": 2}"#),
            ("create-product", r#"{"name": "a", "price": "1"}"#),
            ("create-product", r#"{"name": "a"}"#),
            ("create-artisan", r#"{"name": "a", "price": 1}"#),
        ] {
            assert_ne!(first, of(operation, body), "{operation} {body}");
        }
    }
}
