//! Builds the API contract as an OpenAPI document from the declarations of handlers, types and the register.

mod components;
mod contents;
mod openapi30;
mod print;
mod tags;
mod tidy;

use serde_json::{Map, Value, json};
use shared::{Operation, Role};
use utoipa::OpenApi;

pub use openapi30::to_3_0;
pub use print::pretty;

use crate::{Declared, OPERATIONS};
use contents::Contents;

/// The responses that any operation may have, from the gateway or from a failing function.
const ANYWHERE: [(&str, &str); 7] = [
    ("401", "Unauthorized"),
    ("403", "Forbidden"),
    ("429", "TooManyRequests"),
    ("500", "InternalServerError"),
    ("502", "BadGateway"),
    ("503", "Unavailable"),
    ("504", "GatewayTimeout"),
];

/// The document, as OpenAPI 3.1.
///
/// # Errors
/// If a route of the register has no handler with its own attributes or the other way round, or if a
/// reference cannot be resolved.
pub fn document() -> Result<Value, Gap> {
    let openapi = Declared::openapi();
    let mut declared = serde_json::to_value(openapi.paths).unwrap_or_default();
    let bodies = openapi.components.map(|components| components.schemas);
    let contents =
        Contents::take(&mut declared, declared_paths(), serde_json::to_value(bodies).unwrap_or_default());
    let mut components = components::components(OPERATIONS, &contents);
    let mut paths = json!({});
    for operation in OPERATIONS {
        for route in operation.all_routes() {
            let (path, method) = (route.path, route.method.as_str().to_lowercase());
            let is_head = method == "head";
            let own = &declared[path][if is_head { "get" } else { &method }];
            if own.is_null() {
                return Err(Gap(format!(
                    "no handler of {} declares {} {path}",
                    operation.name, route.method
                )));
            }
            paths[path][&method] = complete(own.clone(), operation, path, is_head, &components);
        }
    }
    for (path, item) in declared.as_object().into_iter().flatten() {
        if let Some((method, _)) =
            item.as_object().into_iter().flatten().find(|(method, _)| paths[path][method].is_null())
        {
            return Err(Gap(format!("a handler declares {method} {path}, its operation does not")));
        }
    }
    if let Some(responses) = components["responses"].as_object_mut() {
        add_head_responses(&paths, responses);
        // These responses are inlined in the operations, with a link to the next page.
        responses.retain(|name, _| !name.ends_with("Page") || name.starts_with("Head"));
    }
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": project::TITLE,
            "summary": "A catalogue of artisans and their products.",
            "description": include_str!("description.md"),
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": tags::described(&paths)?,
        "security": [{"sigv4": []}],
        "paths": paths,
        "components": components,
    });
    tidy::tidy(&mut document);
    match dangling(&document, &document) {
        None => Ok(document),
        Some(reference) => Err(Gap(format!(
            "{reference} does not exist: no type in a handler's declaration contributes it (shared::contract::Component)"
        ))),
    }
}

/// The paths of all operations, in order.
fn declared_paths() -> impl Iterator<Item = &'static str> {
    OPERATIONS.iter().flat_map(|operation| operation.routes).map(|route| route.path)
}

/// The first `$ref` in `part` that cannot be resolved in `document`.
fn dangling<'a>(part: &'a Value, document: &Value) -> Option<&'a str> {
    match part {
        Value::Object(members) => {
            let reference = members.get("$ref").and_then(Value::as_str);
            let leads_nowhere = |reference: &&str| {
                let pointer = reference.strip_prefix('#');
                pointer.and_then(|pointer| document.pointer(pointer)).is_none()
            };
            reference
                .filter(leads_nowhere)
                .or_else(|| members.values().find_map(|member| dangling(member, document)))
        }
        Value::Array(items) => items.iter().find_map(|item| dangling(item, document)),
        _ => None,
    }
}

/// The prefixes of references to responses, and to those of HEAD.
const RESPONSES: &str = "#/components/responses/";
const HEAD_RESPONSES: &str = "#/components/responses/Head";

/// Adds the responses to HEAD that `paths` refer to: those to GET without their bodies.
fn add_head_responses(paths: &Value, responses: &mut Map<String, Value>) {
    let items = paths.as_object().into_iter().flat_map(Map::values);
    let named = items.filter_map(|item| item["head"]["responses"].as_object()).flat_map(Map::values);
    for name in named.filter_map(|response| response["$ref"].as_str()?.strip_prefix(HEAD_RESPONSES)) {
        let full = &responses[name];
        let head = json!({"description": full["description"], "headers": full["headers"]});
        responses.insert(format!("Head{name}"), head);
    }
}

/// A mismatch between the register and the attributes.
#[derive(Debug)]
pub struct Gap(String);

impl std::fmt::Display for Gap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Gap {}

/// `declared`, completed with what the register and the gateway determine.
fn complete(
    mut declared: Value,
    operation: &Operation,
    path: &str,
    is_head: bool,
    components: &Value,
) -> Value {
    if operation.routes.first().is_some_and(|route| route.path == path) {
        declared["operationId"] = operation.id.into();
    } else if let Some(handler) = declared["operationId"].as_str() {
        declared["operationId"] = camel_case(handler).into();
    }
    if operation.routes.iter().any(|route| route.path == path && route.is_open) {
        declared["security"] = json!([]);
    }
    // Without a declared tag, utoipa uses the crate's name.
    if declared["tags"] == json!([operation.name.replace('-', "_")]) {
        declared["tags"] = json!([tags::of(path)]);
    }
    if let Some(parameters) = declared["parameters"].as_array_mut() {
        parameters.push(correlation_id());
    } else {
        declared["parameters"] = json!([correlation_id()]);
    }
    declared["x-function"] = operation.name.into();
    declared["x-database-role"] = match operation.role {
        Role::Reader => "catalog_reader".into(),
        Role::Writer => "catalog_writer".into(),
        Role::None => Value::Null,
    };
    let Some(responses) = declared["responses"].as_object_mut() else { return declared };
    for (status, name) in ANYWHERE {
        responses.entry(status).or_insert(json!({"$ref": format!("#/components/responses/{name}")}));
    }
    let component = |response: &Value| {
        let name = response["$ref"].as_str().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        components["responses"][name].clone()
    };
    if is_head {
        for response in responses.values_mut() {
            match response["$ref"].as_str() {
                Some(component) => *response = json!({"$ref": component.replace(RESPONSES, HEAD_RESPONSES)}),
                None => drop(response.as_object_mut().map(|response| response.remove("content"))),
            }
        }
        let id = declared["operationId"].as_str().unwrap_or_default();
        declared["operationId"] = head_id(id).into();
        declared["summary"] =
            format!("{}: headers only", declared["summary"].as_str().unwrap_or_default()).into();
    } else if let Some(page) =
        responses.get_mut("200").filter(|page| component(page)["headers"]["Link"].is_object())
    {
        *page = component(page);
        page["links"] = json!({"next": {
            "operationId": operation.id,
            "parameters": {"query.cursor": "$response.body#/next_cursor"},
            "description": "The next page, with the same filters and order.",
        }});
    }
    declared
}

/// The `operationId` of a HEAD: `headProduct` for `getProduct`, `headListProducts` for `listProducts`.
fn head_id(get: &str) -> String {
    let name = get.strip_prefix("get").unwrap_or(get);
    let (first, rest) = name.split_at_checked(1).unwrap_or_default();
    format!("head{}{rest}", first.to_uppercase())
}

/// `get_docs` as `getDocs`.
fn camel_case(handler: &str) -> String {
    let mut words = handler.split('_');
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at_checked(1).unwrap_or_default();
        name.push_str(&first.to_uppercase());
        name.push_str(rest);
    }
    name
}

/// The header that every operation accepts.
fn correlation_id() -> Value {
    json!({
        "name": "X-Correlation-Id",
        "in": "header",
        "required": false,
        "description": "An id for the response and the log lines: 1 to 128 visible ASCII characters; otherwise it is ignored.",
        "schema": {"type": "string"},
        "example": "order-4711",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_that_leads_nowhere_is_named() {
        let mut document = document().unwrap();
        assert_eq!(dangling(&document, &document), None);
        document["components"]["schemas"].as_object_mut().unwrap().remove("Artisan");
        assert_eq!(dangling(&document, &document), Some("#/components/schemas/Artisan"));
    }
}
