//! Finds the changes of a new contract that break clients of an old one, and checks that each of them is
//! declared.
//!
//! Documents are OpenAPI 3.0 or 3.1. Whatever a client may send must still be accepted, and responses must
//! stay within what was documented. In responses, lengths, ranges and patterns are not part of the contract,
//! only types, formats, enumerations and members.

mod check;
mod schema;
#[cfg(test)]
mod tests;

pub use check::{Report, check};

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde_json::{Map, Value};

use schema::{Schemas, Side};

/// A breaking change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The operation's old id, or its method and path if it had none.
    pub operation: String,
    /// A JSON pointer to the change: into the new document for an addition, otherwise into the old one.
    pub pointer: String,
    /// What changed, as a sentence.
    pub sentence: String,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.operation, self.sentence, self.pointer)
    }
}

/// The changes in `new` that break clients of `old`, in the order of the old operations.
pub fn breaking(old: &Value, new: &Value) -> Vec<Change> {
    let new_operations = operations(new);
    let mut changes = Vec::new();
    for (key, old_operation) in operations(old) {
        let comparison = Comparison { old, new, operation: old_operation.name(&key), changes: &mut changes };
        comparison.compare(&old_operation, new_operations.get(&key));
    }
    changes
}

const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// A method and a path with unnamed parameters, because clients never see the names.
type Key = (String, &'static str);

struct Operation<'a> {
    path: &'a str,
    pointer: String,
    item: &'a Value,
    operation: &'a Value,
}

/// The operations of `document`.
fn operations(document: &Value) -> BTreeMap<Key, Operation<'_>> {
    let mut operations = BTreeMap::new();
    for (path, item) in members(&document["paths"]) {
        for method in METHODS {
            if let Some(operation) = item.get(method) {
                let pointer = below(&below("/paths", path), method);
                operations.insert((unnamed(path), method), Operation { path, pointer, item, operation });
            }
        }
    }
    operations
}

/// `path` with its parameters replaced by `{}`.
fn unnamed(path: &str) -> String {
    let unnamed = |segment| if is_parameter(segment) { "{}" } else { segment };
    path.split('/').map(unnamed).collect::<Vec<_>>().join("/")
}

fn is_parameter(segment: &str) -> bool {
    segment.starts_with('{') && segment.ends_with('}')
}

impl Operation<'_> {
    fn name(&self, (_, method): &Key) -> String {
        let id = self.operation["operationId"].as_str().map(ToOwned::to_owned);
        id.unwrap_or_else(|| format!("{} {}", method.to_uppercase(), self.path))
    }
}

/// A parameter and its place in the document.
struct Parameter<'a> {
    pointer: String,
    value: &'a Value,
}

impl Parameter<'_> {
    fn is_required(&self) -> bool {
        self.value["required"] == true
    }
}

/// The parameters of `operation` by place and name; path parameters by position.
fn parameters<'a>(
    document: &'a Value,
    operation: &Operation<'a>,
) -> BTreeMap<(String, String), Parameter<'a>> {
    let (path_pointer, _) = operation.pointer.rsplit_once('/').unwrap_or_default();
    let mut parameters = BTreeMap::new();
    for (owner, pointer) in [(operation.item, path_pointer), (operation.operation, &operation.pointer)] {
        let list = below(pointer, "parameters");
        for (index, value) in items(&owner["parameters"]).enumerate() {
            let (value, pointer) = resolve(document, value, Cow::Owned(below(&list, &index.to_string())));
            let (place, name) = (text(&value["in"]), text(&value["name"]));
            let name = match place {
                "path" => position(operation.path, name).unwrap_or_else(|| name.to_owned()),
                "header" => name.to_lowercase(),
                _ => name.to_owned(),
            };
            parameters.insert((place.to_owned(), name), Parameter { pointer: pointer.into_owned(), value });
        }
    }
    parameters
}

/// The position of the parameter `name` in `path`.
fn position(path: &str, name: &str) -> Option<String> {
    let mut names = path.split('/').filter(|segment| is_parameter(segment));
    names.position(|segment| segment[1..segment.len() - 1] == *name).map(|position| position.to_string())
}

/// The comparison of one operation.
struct Comparison<'a> {
    old: &'a Value,
    new: &'a Value,
    operation: String,
    changes: &'a mut Vec<Change>,
}

impl<'a> Comparison<'a> {
    fn compare(mut self, old: &Operation<'a>, new: Option<&Operation<'a>>) {
        let Some(new) = new else { return self.report(&old.pointer, "the operation is gone") };
        let id = |operation: &Operation<'_>| operation.operation["operationId"].clone();
        if id(old) != id(new) {
            let pointer = below(&old.pointer, "operationId");
            self.report(&pointer, format!("the operation is now called {}", id(new)));
        }
        self.parameters(old, new);
        self.request_body(old, new);
        self.responses(old, new);
        self.security(old, new);
    }

    fn report(&mut self, pointer: &str, sentence: impl Into<String>) {
        let (operation, pointer) = (self.operation.clone(), pointer.to_owned());
        let change = Change { operation, pointer, sentence: sentence.into() };
        // Two media types may share a schema.
        if !self.changes.contains(&change) {
            self.changes.push(change);
        }
    }

    /// Reports the breaking differences between the schemas at `pointers`. `subject` starts the sentences.
    fn schemas(&mut self, side: Side, subject: &str, pointers: (&str, &str), old: &'a Value, new: &'a Value) {
        let schemas = Schemas::new(self.old, self.new, side);
        for (pointer, sentence) in schemas.compare(subject, pointers, old, new) {
            self.report(&pointer, sentence);
        }
    }

    fn parameters(&mut self, old: &Operation<'a>, new: &Operation<'a>) {
        let (old, mut new) = (parameters(self.old, old), parameters(self.new, new));
        for ((place, name), old) in old {
            let what = format!("the {place} parameter {}", old.value["name"]);
            let Some(new) = new.remove(&(place, name)) else {
                self.report(&old.pointer, format!("{what} is no longer accepted"));
                continue;
            };
            if new.is_required() && !old.is_required() {
                self.report(&new.pointer, format!("{what} is now required"));
            }
            for member in ["style", "explode"] {
                if old.value[member] != new.value[member] {
                    self.report(&below(&old.pointer, member), format!("{what} is written in another way"));
                }
            }
            let pointers = (below(&old.pointer, "schema"), below(&new.pointer, "schema"));
            let schemas = (&old.value["schema"], &new.value["schema"]);
            self.schemas(Side::Request, &what, (&pointers.0, &pointers.1), schemas.0, schemas.1);
            let defaults = (&schemas.0["default"], &schemas.1["default"]);
            if defaults.0 != defaults.1 && !old.is_required() {
                let sentence =
                    format!("{what} has another default: {} instead of {}", defaults.1, defaults.0);
                self.report(&below(&pointers.0, "default"), sentence);
            }
        }
        for ((place, _), new) in new.into_iter().filter(|(_, new)| new.is_required()) {
            self.report(&new.pointer, format!("the new {place} parameter {} is required", new.value["name"]));
        }
    }

    fn request_body(&mut self, old: &Operation<'a>, new: &Operation<'a>) {
        let at = |document, operation: &Operation<'a>| {
            let pointer = below(&operation.pointer, "requestBody");
            operation.operation.get("requestBody").map(|body| resolve(document, body, Cow::Owned(pointer)))
        };
        match (at(self.old, old), at(self.new, new)) {
            (None, None) => {}
            (Some((_, pointer)), None) => self.report(&pointer, "a body is no longer accepted"),
            (None, Some((new, pointer))) => {
                if new["required"] == true {
                    self.report(&pointer, "a body is now required");
                }
            }
            (Some((old, old_pointer)), Some((new, new_pointer))) => {
                if new["required"] == true && old["required"] != true {
                    self.report(&below(&new_pointer, "required"), "the body is now required");
                }
                self.content(Side::Request, "the body", (&old_pointer, &new_pointer), old, new);
            }
        }
    }

    fn content(&mut self, side: Side, what: &str, pointers: (&str, &str), old: &'a Value, new: &'a Value) {
        for (media_type, old) in members(&old["content"]) {
            let pointer = |pointer| below(&below(pointer, "content"), media_type);
            let (old_pointer, new_pointer) = (pointer(pointers.0), pointer(pointers.1));
            let Some(new) = new["content"].get(media_type) else {
                let verb = side.choose("is no longer accepted", "is no longer sent");
                self.report(&old_pointer, format!("{what} {verb} as {media_type}"));
                continue;
            };
            let pointers = (below(&old_pointer, "schema"), below(&new_pointer, "schema"));
            self.schemas(side, what, (&pointers.0, &pointers.1), &old["schema"], &new["schema"]);
        }
    }

    fn responses(&mut self, old: &Operation<'a>, new: &Operation<'a>) {
        let pointer =
            |operation: &Operation<'_>, status| below(&below(&operation.pointer, "responses"), status);
        for (status, old_response) in members(&old.operation["responses"]) {
            let (old_response, old_pointer) =
                resolve(self.old, old_response, Cow::Owned(pointer(old, status)));
            let Some(new_response) = new.operation["responses"].get(status) else {
                self.report(&old_pointer, format!("the response {status} is gone"));
                continue;
            };
            let (new_response, new_pointer) =
                resolve(self.new, new_response, Cow::Owned(pointer(new, status)));
            for (name, old_header) in members(&old_response["headers"]) {
                self.header(status, name, (&old_pointer, &new_pointer), old_header, new_response);
            }
            let what = format!("the response {status}");
            self.content(Side::Response, &what, (&old_pointer, &new_pointer), old_response, new_response);
            // A response without content, as opposed to an unspecified one.
            if old_response.get("content").is_none() && !is_empty(&new_response["content"]) {
                self.report(&below(&new_pointer, "content"), format!("{what} now has a body"));
            }
        }
    }

    fn header(
        &mut self,
        status: &str,
        name: &str,
        pointers: (&str, &str),
        old: &'a Value,
        new_response: &'a Value,
    ) {
        let what = format!("the header {name} of the response {status}");
        let pointer = |pointer| below(&below(pointer, "headers"), name);
        let (old, old_pointer) = resolve(self.old, old, Cow::Owned(pointer(pointers.0)));
        let new = members(&new_response["headers"]).find(|(other, _)| other.eq_ignore_ascii_case(name));
        let Some((_, new)) = new else { return self.report(&old_pointer, format!("{what} is gone")) };
        let (new, new_pointer) = resolve(self.new, new, Cow::Owned(pointer(pointers.1)));
        if old["required"] == true && new["required"] != true {
            self.report(&below(&old_pointer, "required"), format!("{what} may now be absent"));
        }
        let pointers = (below(&old_pointer, "schema"), below(&new_pointer, "schema"));
        self.schemas(Side::Response, &what, (&pointers.0, &pointers.1), &old["schema"], &new["schema"]);
    }

    fn security(&mut self, old: &Operation<'a>, new: &Operation<'a>) {
        let (old_options, pointer) = security(self.old, old);
        let (new_options, _) = security(self.new, new);
        let scheme = |document: &Value, name: &str| {
            let mut scheme = document["components"]["securitySchemes"][name].clone();
            scheme.as_object_mut().map(|scheme| scheme.remove("description"));
            scheme
        };
        for (index, old_option) in old_options.iter().enumerate() {
            let is_enough = new_options.iter().any(|new_option| {
                members(new_option).all(|(name, scopes)| {
                    old_option
                        .get(name)
                        .is_some_and(|had| items(scopes).all(|scope| items(had).any(|has| has == scope)))
                        && scheme(self.old, name) == scheme(self.new, name)
                })
            });
            if !is_enough {
                let names: Vec<_> = members(old_option).map(|(name, _)| name.as_str()).collect();
                let sentence = match names.is_empty() {
                    true => "it may no longer be called without credentials".to_owned(),
                    false => format!("{} is no longer enough to call it", names.join(" with ")),
                };
                self.report(&below(&pointer, &index.to_string()), sentence);
            }
        }
    }
}

/// The security requirements of `operation`, one of which has to be met, and their place.
fn security(document: &Value, operation: &Operation<'_>) -> (Vec<Value>, String) {
    let (list, pointer) = match operation.operation.get("security") {
        Some(list) => (list, below(&operation.pointer, "security")),
        None => (&document["security"], "/security".to_owned()),
    };
    let options: Vec<_> = items(list).cloned().collect();
    // No requirement is equivalent to an empty one, which every client meets.
    (if options.is_empty() { vec![Value::Object(Map::new())] } else { options }, pointer)
}

/// Follows the references of `value` in `document`; returns the result and its place.
fn resolve<'a, 'p>(
    document: &'a Value,
    value: &'a Value,
    pointer: Cow<'p, str>,
) -> (&'a Value, Cow<'p, str>) {
    let (mut value, mut pointer) = (value, pointer);
    // A longer chain of references is circular.
    for _ in 0..16 {
        let Some(target) = value["$ref"].as_str().and_then(|target| target.strip_prefix('#')) else { break };
        let Some(found) = document.pointer(target) else { break };
        (value, pointer) = (found, Cow::Owned(target.to_owned()));
    }
    (value, pointer)
}

fn below(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn is_empty(value: &Value) -> bool {
    members(value).next().is_none()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
