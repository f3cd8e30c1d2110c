//! What holds for every merge patch of a product: it means what RFC 7396 says.

#![expect(clippy::expect_used, reason = "a target says by a panic what does not hold")]

use ::http::{HeaderValue, header};
use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};

use super::{NewProduct, ProductPatch};
use crate::http::{Gateway, MAX_BODY_BYTES, Members, Patch, Request, Result};

/// The members that a client may set.
pub(super) const WRITABLE: [&str; 5] = ["artisan_id", "name", "description", "price", "currency"];

/// How deep serde_json reads, which keeps the stack bounded.
const MAX_DEPTH: usize = 127;

/// Reads `bytes` as the body of a merge patch, and applies it to a product with and without an artisan.
pub fn merge_patch(bytes: &[u8]) -> &'static str {
    let Ok(members) = members(bytes) else { return "refused" };
    assert!(bytes.len() <= MAX_BODY_BYTES, "{} bytes are accepted", bytes.len());
    let Ok(patch) = serde_json::from_slice::<Value>(bytes) else {
        let _: IgnoredAny = serde_json::from_slice(bytes).expect("what was read is JSON");
        // A number that no double can hold, and no member.
        assert!(ProductPatch::from_members(members).is_err(), "an infinite number is accepted");
        return "invalid";
    };
    assert!(depth(&patch) <= MAX_DEPTH, "{} levels are accepted", depth(&patch));
    if patch.as_object().is_some_and(|patch| patch.len() != members.names().count()) {
        assert!(ProductPatch::from_members(members).is_err(), "repeated members are accepted: {patch}");
        return "repeated";
    }
    is_a_merge_then_a_check(&patch, false);
    if is_a_merge_then_a_check(&patch, true) { "applied" } else { "invalid" }
}

/// Asserts that `patch` means what RFC 7396 says: merge it into the product, then check the result like a new product.
/// One thing is stricter: members that nobody knows, or may set, are refused even where null removes nothing.
/// Whether it is accepted.
pub(super) fn is_a_merge_then_a_check(patch: &Value, has_artisan: bool) -> bool {
    let artisan = if has_artisan { json!("01936b5e-7c00-7000-8000-000000000001") } else { Value::Null };
    let target = json!({
        "artisan_id": artisan, "name": "Cup", "description": "Blue", "price": 1, "currency": "USD",
    });
    let parse = |value: &Value| members(value.to_string().as_bytes());
    let product = parse(&target).and_then(NewProduct::from_members).expect("a product");

    let merged = parse(&rfc_7396(target, patch)).and_then(NewProduct::from_members);
    let patched = parse(patch).and_then(ProductPatch::from_members).map(|patch| apply(&product, patch));
    let names_foreign =
        patch.as_object().is_some_and(|patch| patch.keys().any(|name| !WRITABLE.contains(&name.as_str())));
    match (patched, merged) {
        (Ok(patched), Ok(merged)) => {
            assert_eq!(patched, merged, "{patch}");
            return true;
        }
        (Err(_), Err(_)) => {}
        (Err(_), Ok(_)) => assert!(names_foreign, "refused: {patch}"),
        (Ok(_), Err(problem)) => unreachable!("accepted: {patch} {problem:?}"),
    }
    false
}

/// The algorithm of RFC 7396, section 2, line by line.
pub(super) fn rfc_7396(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    let mut target = if let Value::Object(target) = target { target } else { Map::new() };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            let member = target.remove(name).unwrap_or(Value::Null);
            target.insert(name.clone(), rfc_7396(member, value));
        }
    }
    Value::Object(target)
}

/// What the statement of `change` makes of a product.
fn apply(product: &NewProduct, patch: ProductPatch) -> NewProduct {
    let ProductPatch { artisan_id, name, description, price, currency } = patch;
    let product = product.clone();
    NewProduct {
        artisan_id: match artisan_id {
            Patch::Absent => product.artisan_id,
            Patch::Null => None,
            Patch::Value(id) => Some(id),
        },
        name: name.unwrap_or(product.name),
        description: description.unwrap_or(product.description),
        price: price.unwrap_or(product.price),
        currency: currency.unwrap_or(product.currency),
    }
}

/// The members of a PATCH with this body.
fn members(body: &[u8]) -> Result<Members> {
    let mut http = ::http::Request::new(Bytes::copy_from_slice(body));
    http.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/merge-patch+json"));
    Request::new(http, Gateway::default()).merge_patch()
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
