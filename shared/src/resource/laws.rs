//! Invariants of every resource, whatever its description: functions for tests, which panic if an invariant
//! is violated.

#![expect(clippy::expect_used, reason = "a law reports a violation by a panic")]

use std::collections::HashSet;

use ::http::{HeaderValue, header};
use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::{Changes, READ_ONLY, Resource, column_names};
use crate::http::{Gateway, JsonObject, MAX_BODY_BYTES, Request, Result};

/// serde_json's depth limit, which bounds the stack.
const MAX_DEPTH: usize = 127;

/// The fields of `T` that a client may set.
pub fn writable<T: Resource>() -> Vec<&'static str> {
    T::FIELDS.iter().map(|field| field.name).collect()
}

/// The example, created now.
///
/// # Panics
/// If it is not accepted.
pub fn example<T: Resource>() -> T {
    members(&T::example()).and_then(JsonObject::create).expect("the example is accepted")
}

/// Checks that the examples are accepted and that no two columns, filters or orders have the same name.
///
/// # Panics
/// If that is not the case.
pub fn is_sound<T: Resource>() {
    example::<T>();
    members(&T::patch_example())
        .and_then(JsonObject::patch::<T>)
        .expect("the example of a patch is accepted");
    let of_every_table = [&READ_ONLY[..], &["changed_by_request"]].concat();
    assert_distinct::<T>("columns", column_names::<T>().into_iter().chain(of_every_table));
    let of_every_list = ["limit", "cursor", "sort", "q"];
    assert_distinct::<T>("filters", T::FILTERS.iter().map(|filter| filter.name).chain(of_every_list));
    assert_distinct::<T>("orders", T::ORDERS.iter().map(|order| order.word).chain(of_every_list));
    for filter in T::FILTERS {
        assert_eq!(
            filter.condition().matches('?').count(),
            1,
            "{}: one value for `{}`",
            T::TYPE,
            filter.name
        );
    }
}

fn assert_distinct<T: Resource>(what: &str, names: impl Iterator<Item = &'static str>) {
    let mut seen = HashSet::new();
    for name in names {
        assert!(seen.insert(name), "{}: two {what} are called {name}", T::TYPE);
    }
}

/// Checks that a full replacement sets exactly what a creation stores.
///
/// # Panics
/// If that is not the case.
pub fn a_replacement_sets_everything<T: Resource>() {
    let created = example::<T>();
    let changes = Changes::to(&created);
    assert_eq!(changes.names::<T>(), writable::<T>(), "{}", T::TYPE);
    assert_eq!(changes.columns::<T>(), super::columns::<T>(created.values()), "{}", T::TYPE);
}

/// Parses `bytes` as a merge patch and applies it to the example. Returns how far the input was processed.
///
/// # Panics
/// If the patch is not applied as RFC 7396 defines.
pub fn merge_patch<T: Resource>(bytes: &[u8]) -> &'static str {
    let Ok(members) = parse(bytes) else { return "refused" };
    assert!(bytes.len() <= MAX_BODY_BYTES, "{} bytes are accepted", bytes.len());
    let Ok(patch) = serde_json::from_slice::<Value>(bytes) else {
        let _: IgnoredAny = serde_json::from_slice(bytes).expect("what was read is JSON");
        // A number beyond any double, which no field accepts.
        assert!(members.patch::<T>().is_err(), "an infinite number is accepted");
        return "invalid";
    };
    assert!(depth(&patch) <= MAX_DEPTH, "{} levels are accepted", depth(&patch));
    if patch.as_object().is_some_and(|patch| patch.len() != members.names().count()) {
        assert!(members.patch::<T>().is_err(), "repeated members are accepted: {patch}");
        return "repeated";
    }
    a_patch_is_a_merge_then_a_check::<T>(&patch, &with_nulls::<T>());
    if a_patch_is_a_merge_then_a_check::<T>(&patch, &T::example()) { "applied" } else { "invalid" }
}

/// Checks that `patch` is applied as RFC 7396 defines: merge it into `target`, then validate the result like
/// a new resource. In one respect the service is stricter: unknown and read-only fields are rejected even if
/// null would remove nothing. Returns whether the patch is accepted.
///
/// # Panics
/// If that is not the case.
pub fn a_patch_is_a_merge_then_a_check<T: Resource>(patch: &Value, target: &Value) -> bool {
    let existing: T = members(target).and_then(JsonObject::create).expect("a resource");
    let merged = members(&rfc_7396(target.clone(), patch)).and_then(JsonObject::create::<T>);
    let patched = members(patch).and_then(JsonObject::patch::<T>);
    let names_foreign = patch
        .as_object()
        .is_some_and(|patch| patch.keys().any(|name| !writable::<T>().contains(&name.as_str())));
    match (patched, merged) {
        (Ok(changes), Ok(merged)) => {
            assert_eq!(changes.apply(existing.values()), merged.values(), "{patch}");
            return true;
        }
        (Err(_), Err(_)) => {}
        (Err(_), Ok(_)) => assert!(names_foreign, "refused: {patch}"),
        (Ok(_), Err(problem)) => unreachable!("accepted: {patch} {problem:?}"),
    }
    false
}

/// The example with all nullable fields null.
pub fn with_nulls<T: Resource>() -> Value {
    let mut example = T::example();
    for field in T::FIELDS.iter().filter(|field| field.is_nullable) {
        example[field.name] = Value::Null;
    }
    example
}

/// The algorithm of RFC 7396, section 2, line by line.
pub fn rfc_7396(target: Value, patch: &Value) -> Value {
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

fn members(body: &Value) -> Result<JsonObject> {
    parse(body.to_string().as_bytes())
}

/// Parses the body of a PATCH.
fn parse(body: &[u8]) -> Result<JsonObject> {
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
