//! Converts the contract to OpenAPI 3.0, for tools that do not support 3.1 yet, such as Amazon API Gateway's
//! import.

use serde_json::{Map, Value, json};

/// `document` (OpenAPI 3.1) as OpenAPI 3.0.3.
///
/// Null becomes `nullable`, lists of examples become one example, siblings of `$ref` move into an `allOf`,
/// and what 3.0 cannot express (the summary and the SPDX identifier of the licence) is dropped.
pub fn to_3_0(document: &Value) -> Value {
    let mut document = document.clone();
    document["openapi"] = "3.0.3".into();
    if let Some(info) = document["info"].as_object_mut() {
        info.remove("summary");
        let identifier = info["license"]["identifier"].take();
        info["license"] = json!({
            "name": info["license"]["name"],
            "url": format!("https://spdx.org/licenses/{}.html", identifier.as_str().unwrap_or_default()),
        });
    }
    walk(&mut document);
    document
}

/// Rewrites every schema in `value`. Examples are data and stay unchanged.
fn walk(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                if name != "example" && name != "examples" && name != "default" && name != "enum" {
                    walk(member);
                }
            }
            if is_schema(members) {
                rewrite(members);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(walk),
        _ => {}
    }
}

/// Whether these members form a schema that 3.0 expresses differently.
fn is_schema(members: &Map<String, Value>) -> bool {
    let is_list = |name: &str| members.get(name).is_some_and(Value::is_array);
    is_list("type")
        || is_list("oneOf")
        || is_list("examples")
        || (members.contains_key("$ref") && members.len() > 1)
}

fn rewrite(schema: &mut Map<String, Value>) {
    let null = json!("null");
    if let Some(types) = schema.get_mut("type").and_then(Value::as_array_mut) {
        let has_null = types.contains(&null);
        types.retain(|name| *name != null);
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
        if has_null {
            schema.insert("nullable".to_owned(), true.into());
            if let Some(values) = schema.get_mut("enum").and_then(Value::as_array_mut)
                && !values.contains(&Value::Null)
            {
                values.push(Value::Null);
            }
        }
    }
    for variant in schema.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten() {
        if variant["type"] == null {
            *variant = json!({"type": "string", "nullable": true, "enum": [Value::Null]});
        }
    }
    if let Some(examples) = schema.remove("examples") {
        schema.insert("example".to_owned(), examples[0].clone());
    }
    if schema.len() > 1
        && let Some(reference) = schema.remove("$ref")
    {
        schema.insert("allOf".to_owned(), json!([{"$ref": reference}]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_null_examples_and_references_in_the_words_of_3_0() {
        let rewritten = |mut schema: Value| {
            walk(&mut schema);
            schema
        };
        assert_eq!(
            rewritten(json!({"type": ["string", "null"], "examples": ["a"]})),
            json!({"type": "string", "nullable": true, "example": "a"})
        );
        assert_eq!(
            rewritten(
                json!({"properties": {"a": {"oneOf": [{"$ref": "#/x"}, {"type": "null"}], "description": "b"}}})
            ),
            json!({"properties": {"a": {"oneOf": [{"$ref": "#/x"}, {"type": "string", "nullable": true, "enum": [null]}], "description": "b"}}})
        );
        assert_eq!(
            rewritten(json!({"$ref": "#/x", "description": "b"})),
            json!({"allOf": [{"$ref": "#/x"}], "description": "b"})
        );
        let data = json!({"example": {"type": ["a", "null"]}});
        assert_eq!(rewritten(data.clone()), data);
    }
}
