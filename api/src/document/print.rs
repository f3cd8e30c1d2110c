//! JSON for people and for diffs, with members in reading order.

use serde::Serialize;
use serde_json::{Map, Value};

/// The members that come first in an object, in this order; the others follow by name.
const FIRST: &[&str] = &[
    "openapi",
    "info",
    "servers",
    "tags",
    "security",
    "paths",
    "components", // the document
    "get",
    "head",
    "post",
    "put",
    "patch",
    "delete", // a path
    "operationId",
    "tags",
    "title",
    "summary",
    "name",
    "in",
    "required",
    "description", // whatever it is
    "type",
    "status",
    "detail",
    "instance",
    "request_id",
    "errors", // a problem
];

/// `value` as indented JSON with a trailing newline; the members of `paths` in the order of `paths`.
pub fn pretty(value: &Value, paths: &[&str]) -> String {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"  ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    // Writing plain JSON to memory cannot fail.
    let _ = Ordered { value, paths }.serialize(&mut serializer);
    text.push(b'\n');
    String::from_utf8(text).unwrap_or_default()
}

struct Ordered<'a> {
    value: &'a Value,
    paths: &'a [&'a str],
}

impl Serialize for Ordered<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let paths = self.paths;
        match self.value {
            Value::Object(members) => serializer
                .collect_map(in_order(members, paths).map(|(name, value)| (name, Ordered { value, paths }))),
            Value::Array(items) => serializer.collect_seq(items.iter().map(|value| Ordered { value, paths })),
            value => value.serialize(serializer),
        }
    }
}

fn in_order<'a>(
    members: &'a Map<String, Value>,
    paths: &[&str],
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let place =
        |list: &[&str], name: &str| list.iter().position(|first| *first == name).unwrap_or(list.len());
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_by_cached_key(|(name, _)| (place(paths, name), place(FIRST, name), (*name).clone()));
    sorted.into_iter()
}
