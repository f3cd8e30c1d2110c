//! Idempotency keys: a POST repeated with the same `Idempotency-Key` has one effect and one response.
//!
//! The statement that creates the row claims the key: the database's `claim_idempotency_key` decides which
//! request is first, and stores the id and time of the created row. Together with the repeated request, that
//! is enough to reproduce the first response, so no response and no personal data is stored. The rules follow
//! the IETF draft draft-ietf-httpapi-idempotency-key-header.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

use ::http::{HeaderName, HeaderValue};
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{FieldError, JsonObject, Preconditions, Problem, Request, Response, Result, Versioned};
use crate::{
    db::{self, Row},
    time::Moment,
};

/// How long a key is stored.
pub const SECONDS_TO_LIVE: i64 = 24 * 60 * 60;

const MAX_KEY_CHARACTERS: usize = 255;

/// The request header.
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A resource that a POST creates.
pub trait Creation: Serialize + Versioned {
    /// The same resource, created with the id `id` at the time `at`.
    #[must_use]
    fn created_as(self, id: Uuid, at: Moment) -> Self;
}

/// A POST's claim to an idempotency key.
#[derive(Debug)]
pub struct IdempotencyClaim {
    /// The [key](super::Caller::key) of the caller, which scopes its idempotency keys; empty for all
    /// unauthenticated callers.
    pub caller: String,
    /// The idempotency key; `None` if the request has none.
    pub key: Option<String>,
    /// A hash of the operation and its JSON, which distinguishes this request from others.
    pub fingerprint: Vec<u8>,
}

impl IdempotencyClaim {
    /// The claim of `request` with the body `members` to `operation`.
    ///
    /// # Errors
    /// 400 if the key or a precondition is malformed; 412 for an `If-Match`: the resource to be created has
    /// no representation yet that could match (RFC 9110, section 13.1.1). `If-None-Match` is true for the
    /// same reason.
    pub(super) fn of(request: &Request, operation: &str, members: &JsonObject) -> Result<Self> {
        if Preconditions::from_headers(request.headers())?.has_if_match() {
            return Err(Problem::nothing_to_match());
        }
        let mut values = request.headers().get_all(IDEMPOTENCY_KEY).iter();
        let key = match (values.next(), values.next()) {
            (None, _) => None,
            (Some(value), None) => Some(read_key(value).ok_or_else(malformed)?),
            (Some(_), Some(_)) => return Err(malformed()),
        };
        let caller = request.gateway().caller.as_ref().map_or_else(String::new, |it| it.key().to_owned());
        Ok(Self { caller, key, fingerprint: fingerprint(operation, members) })
    }

    /// The response to `request`, given the `row` of `claim_idempotency_key` that the creating statement
    /// returned: 201 with `created` if this request was the first, otherwise with what the first one created.
    ///
    /// # Errors
    /// 409 while the first request is in progress, 422 if the key was used for another request.
    pub fn resolve<T: Creation>(&self, row: Option<Row>, request: &Request, created: T) -> Result<Response> {
        let Some(row) = row else { return Err(Problem::still_running()) };
        if row.try_get("is_new").map_err(db::Error::from)? {
            return Ok(created_response(request, &created));
        }
        let fingerprint: Vec<u8> = row.try_get("fingerprint").map_err(db::Error::from)?;
        if fingerprint != self.fingerprint {
            return Err(Problem::idempotency_key_reused());
        }
        let id = row.try_get("created_id").map_err(db::Error::from)?;
        let at = row.try_get("created_at").map_err(db::Error::from)?;
        // The id is that of this request's first attempt if its success was never reported.
        let is_replay = id != created.id();
        let response = created_response(request, &created.created_as(id, at));
        Ok(if is_replay {
            response.with_header(REPLAYED, HeaderValue::from_static("true"))
        } else {
            response
        })
    }
}

/// 201 with `resource`, its validators and its URL, which is below that of `request`.
fn created_response(request: &Request, resource: &(impl Serialize + Versioned)) -> Response {
    Response::created(&format!("{}/{}", request.public_path(), resource.id()), resource)
}

/// Parses a key of 1 to 255 printable ASCII characters; white space around it is removed.
fn read_key(value: &HeaderValue) -> Option<String> {
    let key = value.to_str().ok()?.trim();
    // Of the control characters, header values may only contain the tab.
    let is_key = (1..=MAX_KEY_CHARACTERS).contains(&key.len()) && !key.contains('\t');
    is_key.then(|| key.to_owned())
}

fn malformed() -> Problem {
    let detail = "must be one key of 1 to 255 printable ASCII characters";
    Problem::invalid_parameters(vec![FieldError::parameter("Idempotency-Key", detail)])
}

/// Equal for equal JSON, regardless of white space and the order of fields.
fn fingerprint(operation: &str, members: &JsonObject) -> Vec<u8> {
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
        let of = |operation: &str, body: &str| {
            fingerprint(operation, &JsonObject::parse(body.as_bytes()).unwrap())
        };
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
