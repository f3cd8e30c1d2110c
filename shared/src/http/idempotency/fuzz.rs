//! Fuzz target: invariants of idempotency keys and fingerprints.

#![expect(clippy::expect_used, reason = "a fuzz target reports a violation by a panic")]

use std::collections::BTreeMap;

use ::http::HeaderValue;
use bytes::Bytes;
use serde_json::{Map, Value, value::RawValue};

use super::{IDEMPOTENCY_KEY, IdempotencyClaim, fingerprint};
use crate::http::{Gateway, JsonObject, MAX_BODY_BYTES, Request};

/// Parses the first line of `bytes` as a key, and the rest as one document, or two separated by a line of
/// `--`.
pub fn idempotency(bytes: &[u8]) -> &'static str {
    let (key, rest) = split(bytes, b"\n").unwrap_or((bytes, b""));
    let reached = claim(key);
    let (first, second) = split(rest, b"\n--\n").unwrap_or((rest, b"{}"));
    match (document(first), document(second)) {
        (Some((first, of_first)), Some((second, of_second))) => {
            assert_eq!(of_first == of_second, canonical(&first) == canonical(&second), "{first} {second}");
            "documents"
        }
        (Some(_), None) | (None, Some(_)) => "document",
        (None, None) => reached,
    }
}

/// A valid key is accepted unchanged; any other is rejected.
fn claim(key: &[u8]) -> &'static str {
    let Ok(value) = HeaderValue::from_bytes(key) else { return "no header" };
    let mut http = ::http::Request::new(Bytes::new());
    http.headers_mut().insert(IDEMPOTENCY_KEY, value);
    let request = Request::new(http, Gateway::default());
    let members = JsonObject::parse(b"{}").expect("an object");
    let is_key =
        |key: &[u8]| (1..=255).contains(&key.len()) && key.iter().all(|byte| (b' '..=b'~').contains(byte));
    let sent = key.trim_ascii();
    match IdempotencyClaim::of(&request, "create-cup", &members) {
        Ok(claim) => {
            assert_eq!(claim.key.as_deref().map(str::as_bytes), Some(sent));
            assert!(is_key(sent), "{sent:?} is accepted");
            "key"
        }
        Err(problem) => {
            assert_eq!(problem.status(), 400);
            assert!(!is_key(sent), "{sent:?} is refused");
            "no key"
        }
    }
}

/// The object in `json`, if it is one, and its fingerprint.
fn document(json: &[u8]) -> Option<(Value, Vec<u8>)> {
    if json.len() > MAX_BODY_BYTES {
        return None;
    }
    let members = JsonObject::parse(json).ok()?;
    let of_json = fingerprint("create-cup", &members);
    assert_eq!(of_json.len(), 32);
    assert_ne!(of_json, fingerprint("create-bowl", &members), "of another operation");

    let object: Map<_, _> = serde_json::from_slice(json).ok().filter(|object| {
        let values: Vec<_> = Map::values(object).collect();
        !values.into_iter().any(has_double)
    })?;
    if members.names().count() != object.len() {
        // A repeated name, which is rejected later.
        return None;
    }
    // The numbers as written: parsing a printed number need not return the same number.
    let written: BTreeMap<String, &RawValue> = serde_json::from_slice(json).expect("an object");
    for is_backwards in [false, true] {
        let mut members: Vec<_> = written
            .iter()
            .map(|(name, value)| format!("{} :\n{value}", Value::from(name.as_str())))
            .collect();
        if is_backwards {
            members.reverse();
        }
        let rewritten = format!("\t{{ {} }} ", members.join(" ,\r\n"));
        assert_eq!(of_json, of(&rewritten), "{object:?} written as {rewritten}");
    }

    if let Some(name) = object.keys().next() {
        for changed in [
            changed(&object, |object| {
                object.remove(name);
            }),
            changed(&object, |object| {
                let value = object[name].take();
                object.insert(name.clone(), Value::from(vec![value]));
            }),
        ] {
            assert_ne!(of_json, of(&changed), "{object:?} {changed}");
        }
    }
    Some((Value::Object(object), of_json))
}

/// Whether a number is parsed as a double, which may differ from the written number.
fn has_double(value: &Value) -> bool {
    match value {
        Value::Object(object) => object.values().any(has_double),
        Value::Array(values) => values.iter().any(has_double),
        value => value.is_f64(),
    }
}

fn changed(object: &Map<String, Value>, change: impl FnOnce(&mut Map<String, Value>)) -> String {
    let mut object = object.clone();
    change(&mut object);
    Value::Object(object).to_string()
}

fn of(json: &str) -> Vec<u8> {
    fingerprint("create-cup", &JsonObject::parse(json.as_bytes()).expect("an object"))
}

/// Canonical text, equal for equal values; implemented independently of the code under test.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(object) => {
            let mut members: Vec<_> =
                object.iter().map(|(name, value)| format!("{name:?}={}", canonical(value))).collect();
            members.sort();
            format!("({})", members.join(";"))
        }
        Value::Array(values) => format!("[{}]", values.iter().map(canonical).collect::<Vec<_>>().join(";")),
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

fn split<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = bytes.windows(separator.len()).position(|window| window == separator)?;
    Some((&bytes[..at], &bytes[at + separator.len()..]))
}
