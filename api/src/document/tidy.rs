//! Simplifies the schemas that `utoipa` composes: it puts a field's description next to its type's schema in
//! an `allOf`, and null in a `oneOf`.

use serde_json::{Map, Value, json};

/// Merges such compositions in every schema of `value`.
pub(super) fn tidy(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(tidy);
            merge_words(members);
            merge_null(members);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// Merges `allOf: [schema, {description, default, type: object}]` into the schema.
fn merge_words(members: &mut Map<String, Value>) {
    let Some([Value::Object(schema), Value::Object(words)]) =
        members.get("allOf").and_then(Value::as_array).map(Vec::as_slice)
    else {
        return;
    };
    let are_words = words.keys().all(|name| ["description", "default", "type"].contains(&name.as_str()));
    if !are_words || words.get("type") != Some(&json!("object")) {
        return;
    }
    let (mut schema, mut words) = (schema.clone(), words.clone());
    words.remove("type");
    if let (Some(Value::String(own)), Some(Value::String(general))) =
        (words.get_mut("description"), schema.get("description"))
    {
        own.push(' ');
        own.push_str(general);
    }
    schema.extend(words);
    members.remove("allOf");
    members.extend(schema);
}

/// Merges `oneOf: [schema, {type: null}]` into a schema with two types, unless it is a reference.
fn merge_null(members: &mut Map<String, Value>) {
    let Some([Value::Object(schema), null]) =
        members.get("oneOf").and_then(Value::as_array).map(Vec::as_slice)
    else {
        return;
    };
    if *null != json!({"type": "null"}) || schema.contains_key("enum") {
        return;
    }
    let Some(Value::String(name)) = schema.get("type") else { return };
    let (mut schema, types) = (schema.clone(), json!([name, "null"]));
    schema.insert("type".to_owned(), types);
    if let (Some(Value::String(own)), Some(Value::String(general))) =
        (members.get_mut("description"), schema.remove("description"))
    {
        own.push(' ');
        own.push_str(&general);
    }
    members.remove("oneOf");
    members.extend(schema);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_words_and_null_into_the_schema() {
        let mut value = json!({
            "a": {"allOf": [{"type": "string", "description": "1 to 9."}, {"type": "object", "description": "A name."}]},
            "b": {"oneOf": [{"type": "string", "format": "uuid"}, {"type": "null"}], "description": "An id."},
            "c": {"oneOf": [{"$ref": "#/x"}, {"type": "null"}]},
            "d": {"allOf": [{"$ref": "#/x"}, {"type": "object", "properties": {}}]},
        });
        tidy(&mut value);
        assert_eq!(
            value,
            json!({
                "a": {"type": "string", "description": "A name. 1 to 9."},
                "b": {"type": ["string", "null"], "format": "uuid", "description": "An id."},
                "c": {"oneOf": [{"$ref": "#/x"}, {"type": "null"}]},
                "d": {"allOf": [{"$ref": "#/x"}, {"type": "object", "properties": {}}]},
            })
        );
    }
}
