//! Pairs of small documents, each with the sentence for the breaking change, or none.

use serde_json::{Value, json};

use super::breaking;

/// A contract with one of each kind of element that can change.
fn contract() -> Value {
    json!({
        "openapi": "3.0.3",
        "security": [{"iam": []}, {"pool": ["read"]}],
        "paths": {
            "/cups/{id}": {
                "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string", "format": "uuid"}}],
                "get": {
                    "operationId": "getCup",
                    "parameters": [
                        {"$ref": "#/components/parameters/Glaze"},
                        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}},
                        {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}},
                    ],
                    "responses": {
                        "200": {
                            "description": "a cup",
                            "headers": {"ETag": {"required": true, "schema": {"type": "string"}}},
                            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Cup"}}},
                        },
                        "304": {"description": "the same cup"},
                        "404": {"$ref": "#/components/responses/Problem"},
                    },
                },
                "patch": {
                    "operationId": "patchCup",
                    "requestBody": {"required": false, "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/NewCup"}},
                        "application/merge-patch+json": {"schema": {"$ref": "#/components/schemas/NewCup"}},
                    }},
                    "responses": {"204": {"description": "changed"}},
                },
            },
        },
        "components": {
            "parameters": {"Glaze": {"name": "glaze", "in": "query", "schema": {"type": "string", "enum": ["ash", "salt"]}}},
            "responses": {"Problem": {"description": "a problem", "content": {"application/problem+json": {"schema": {
                "type": "object", "properties": {"title": {"type": "string"}},
            }}}}},
            "schemas": {
                "Cup": {
                    "type": "object",
                    "required": ["id", "colour"],
                    "properties": {
                        "id": {"type": "string", "format": "uuid"},
                        "colour": {"type": "string", "enum": ["blue", "green"]},
                        "size": {"type": "integer", "format": "int32"},
                        "maker": {"nullable": true, "allOf": [{"$ref": "#/components/schemas/Maker"}]},
                        "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Cup"}},
                        "use": {"oneOf": [{"type": "string"}, {"type": "boolean"}]},
                    },
                },
                "Maker": {"type": "object", "properties": {"name": {"type": "string"}}},
                "NewCup": {
                    "type": "object",
                    "required": ["name"],
                    "additionalProperties": false,
                    "properties": {
                        "id": {"type": "string", "readOnly": true},
                        "name": {"type": "string", "minLength": 1, "maxLength": 10, "pattern": "^[a-z]+$"},
                        "colour": {"type": "string", "nullable": true},
                        "price": {"type": "number", "minimum": 0},
                    },
                },
            },
            "securitySchemes": {"iam": {"type": "apiKey", "in": "header", "name": "Authorization"}, "pool": {"type": "oauth2"}},
        },
    })
}

/// `target` with `patch` applied (RFC 7396).
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(&name);
        } else {
            merge(&mut target[name], value);
        }
    }
}

fn cup(patch: Value) -> Value {
    json!({"paths": {"/cups/{id}": patch}})
}

/// A change of a response body.
fn answered(members: Value) -> Value {
    json!({"components": {"schemas": {"Cup": {"properties": members}}}})
}

/// A change of a request body.
fn sent(members: Value) -> Value {
    json!({"components": {"schemas": {"NewCup": {"properties": members}}}})
}

fn glaze(parameter: Value) -> Value {
    json!({"components": {"parameters": {"Glaze": parameter}}})
}

/// The parameters of `getCup` together with `others`.
fn parameters(others: &[Value]) -> Value {
    let glaze = json!({"$ref": "#/components/parameters/Glaze"});
    let tag = json!({"name": "if-none-match", "in": "header", "schema": {"type": "string"}});
    let all = [&[glaze, tag], others].concat();
    cup(json!({"get": {"parameters": all}}))
}

fn limit(schema: Value) -> Value {
    json!({"name": "limit", "in": "query", "schema": schema})
}

#[test]
fn what_breaks_clients_is_told() {
    let path = "/paths/~1cups~1{id}";
    for (patch, expected) in [
        (
            json!({"paths": {"/cups/{id}": null}}),
            vec!["getCup: the operation is gone", "patchCup: the operation is gone"],
        ),
        (cup(json!({"patch": null})), vec!["patchCup: the operation is gone (PATH/patch)"]),
        (
            cup(json!({"get": {"operationId": "readCup"}})),
            vec!["getCup: the operation is now called \"readCup\""],
        ),
        // Parameters
        (
            parameters(&[]),
            vec!["getCup: the query parameter \"limit\" is no longer accepted (PATH/get/parameters/1)"],
        ),
        (
            cup(json!({"parameters": [
                {"name": "id", "in": "path", "required": true, "schema": {"type": "string", "format": "uuid"}},
                {"name": "Accept-Language", "in": "header", "required": true},
            ]})),
            vec![
                "getCup: the new header parameter \"Accept-Language\" is required (PATH/parameters/1)",
                "patchCup: the new header parameter \"Accept-Language\" is required",
            ],
        ),
        (glaze(json!({"required": true})), vec!["getCup: the query parameter \"glaze\" is now required"]),
        (
            glaze(json!({"explode": false})),
            vec!["getCup: the query parameter \"glaze\" is written in another way"],
        ),
        (
            glaze(json!({"schema": {"enum": ["ash"]}})),
            vec!["\"glaze\" is no longer accepted as \"salt\" (/components/parameters/Glaze/schema/enum)"],
        ),
        (glaze(json!({"schema": {"type": "boolean"}})), vec!["\"glaze\" is no longer accepted as string"]),
        (
            parameters(&[limit(json!({"type": "integer", "minimum": 1, "maximum": 50, "default": 20}))]),
            vec!["\"limit\" has another maximum: 50 instead of 100"],
        ),
        (
            parameters(&[limit(
                json!({"type": "integer", "minimum": 1, "exclusiveMinimum": true, "maximum": 100, "default": 20}),
            )]),
            vec!["\"limit\" has another minimum"],
        ),
        (
            parameters(&[limit(json!({"type": "integer", "minimum": 1, "maximum": 100, "default": 10}))]),
            vec!["\"limit\" has another default: 10 instead of 20"],
        ),
        // Bodies
        (cup(json!({"patch": {"requestBody": null}})), vec!["patchCup: a body is no longer accepted"]),
        (
            cup(json!({"patch": {"requestBody": {"required": true}}})),
            vec!["patchCup: the body is now required"],
        ),
        (
            cup(json!({"get": {"requestBody": {"required": true, "content": {}}}})),
            vec!["getCup: a body is now required"],
        ),
        (
            cup(json!({"patch": {"requestBody": {"content": {"application/json": null}}}})),
            vec!["patchCup: the body is no longer accepted as application/json"],
        ),
        (sent(json!({"price": null})), vec!["patchCup: the member `price` is no longer accepted"]),
        (
            sent(json!({"colour": {"nullable": false}})),
            vec!["the member `colour` is no longer accepted as null"],
        ),
        (
            sent(json!({"colour": {"enum": ["blue", null]}})),
            vec!["the member `colour` is now accepted only as one of \"blue\""],
        ),
        (
            sent(json!({"price": {"type": "integer"}})),
            vec!["the member `price` is no longer accepted as number"],
        ),
        (
            sent(json!({"price": {"minimum": 1}})),
            vec!["the member `price` has another minimum: 1 instead of 0"],
        ),
        (
            sent(json!({"price": {"multipleOf": 5}})),
            vec!["the member `price` has another multipleOf: 5 instead of none"],
        ),
        (
            sent(json!({"name": {"minLength": 2}})),
            vec!["the member `name` has another minLength: 2 instead of 1"],
        ),
        (
            sent(json!({"name": {"maxLength": 9}})),
            vec!["the member `name` has another maxLength: 9 instead of 10"],
        ),
        (sent(json!({"name": {"pattern": "^[a-y]+$"}})), vec!["the member `name` has another pattern"]),
        (sent(json!({"colour": {"format": "uuid"}})), vec!["the member `colour` is accepted only as uuid"]),
        (
            json!({"components": {"schemas": {"NewCup": {"required": ["name", "price"]}}}}),
            vec!["the member `price` is now required"],
        ),
        (
            json!({"components": {"schemas": {"NewCup": {"required": ["name", "kiln"], "properties": {"kiln": {"type": "string"}}}}}}),
            vec!["the member `kiln` is new and required (/components/schemas/NewCup/properties/kiln)"],
        ),
        // Answers
        (
            cup(json!({"get": {"responses": {"304": null}}})),
            vec!["getCup: the response 304 is gone (PATH/get/responses/304)"],
        ),
        (
            cup(json!({"get": {"responses": {"304": {"content": {"text/plain": {}}}}}})),
            vec!["the response 304 now has a body"],
        ),
        (
            cup(json!({"get": {"responses": {"200": {"headers": {"ETag": null}}}}})),
            vec!["the header ETag of the response 200 is gone"],
        ),
        (
            cup(json!({"get": {"responses": {"200": {"headers": {"ETag": {"required": false}}}}}})),
            vec!["the header ETag of the response 200 may now be absent"],
        ),
        (
            json!({"components": {"responses": {"Problem": {"content": {"application/problem+json": null, "application/json": {}}}}}}),
            vec![
                "getCup: the response 404 is no longer sent as application/problem+json (/components/responses/Problem/content/",
            ],
        ),
        (
            answered(json!({"size": null})),
            vec![
                "getCup: the member `size` of the response 200 is gone (/components/schemas/Cup/properties/size)",
            ],
        ),
        (
            answered(json!({"colour": {"enum": ["blue", "green", "red"]}})),
            vec!["the member `colour` of the response 200 may now be \"red\""],
        ),
        (
            answered(json!({"colour": {"enum": null}})),
            vec!["the member `colour` of the response 200 may now be other than \"blue\", \"green\""],
        ),
        (
            answered(json!({"colour": {"nullable": true}})),
            vec!["the member `colour` of the response 200 may now be null"],
        ),
        (
            answered(json!({"size": {"type": "number"}})),
            vec!["the member `size` of the response 200 may now be number"],
        ),
        (
            answered(json!({"size": {"format": "int64"}})),
            vec!["the member `size` of the response 200 may now be int64 instead of int32"],
        ),
        (
            answered(json!({"id": {"format": null}})),
            vec!["the member `id` of the response 200 may now be text of any format"],
        ),
        (
            answered(json!({"use": {"oneOf": [{"type": "string"}, {"type": "integer"}]}})),
            vec!["the member `use` of the response 200 may now be {\"type\":\"integer\"}"],
        ),
        (
            json!({"components": {"schemas": {"Cup": {"required": ["id"]}}}}),
            vec!["the member `colour` of the response 200 may now be absent"],
        ),
        (
            json!({"components": {"schemas": {"Maker": {"properties": {"name": {"type": "object"}}}}}}),
            vec!["the member `name` of the member `maker` of the response 200 may now be object"],
        ),
        // Security
        (
            json!({"security": [{"iam": []}]}),
            vec!["getCup: pool is no longer enough", "patchCup: pool is no longer enough"],
        ),
        (
            cup(json!({"get": {"security": [{"iam": []}, {"pool": ["read", "write"]}]}})),
            vec!["getCup: pool is no longer enough to call it"],
        ),
        (
            json!({"components": {"securitySchemes": {"iam": {"name": "X-Key"}}}}),
            vec!["getCup: iam is no longer enough", "patchCup: iam is no longer enough"],
        ),
    ] {
        let mut new = contract();
        merge(&mut new, patch.clone());
        let changes: Vec<_> = breaking(&contract(), &new).iter().map(ToString::to_string).collect();
        assert_eq!(changes.len(), expected.len(), "{patch}: {changes:#?}");
        for (change, expected) in changes.iter().zip(expected) {
            assert!(change.contains(&expected.replace("PATH", path)), "{patch}: {change} is not {expected}");
        }
    }
}

#[test]
fn what_breaks_no_client_is_not_told() {
    for patch in [
        json!({}),
        json!({"paths": {"/bowls": {"get": {"operationId": "listBowls", "responses": {}}}}}),
        cup(json!({"put": {"operationId": "replaceCup", "responses": {}}})),
        cup(json!({"get": {"summary": "other words", "tags": ["cups"], "deprecated": true}})),
        cup(json!({"get": {"responses": {"429": {"description": "too many"}}}})),
        cup(json!({"get": {"responses": {"200": {"headers": {"Age": {"schema": {"type": "integer"}}}}}}})),
        cup(json!({"get": {"responses": {"200": {"content": {"text/csv": {}}}}}})),
        cup(json!({"get": {"security": [{"iam": []}, {"pool": []}, {"key": []}]}})),
        cup(json!({"get": {"requestBody": {"content": {}}}})),
        cup(json!({"patch": {"requestBody": {"content": {"text/plain": {}}}}})),
        cup(json!({"parameters": [
            {"name": "id", "in": "path", "required": true, "schema": {"type": "string", "format": "uuid"}},
            {"name": "shape", "in": "query", "schema": {"type": "string"}},
        ]})),
        glaze(json!({"schema": {"enum": ["ash", "salt", "tin"]}})),
        glaze(json!({"description": "other words"})),
        parameters(&[limit(json!({"type": "integer", "minimum": 0, "maximum": 200, "default": 20}))]),
        sent(json!({"kiln": {"type": "string"}})),
        sent(json!({"id": null})),
        sent(json!({"name": {"minLength": 0, "maxLength": 20, "pattern": null, "nullable": true}})),
        sent(json!({"colour": {"minLength": 0, "uniqueItems": false}})),
        sent(json!({"price": {"minimum": null}})),
        json!({"components": {"schemas": {"NewCup": {"required": null, "additionalProperties": true}}}}),
        answered(json!({"weight": {"type": "integer"}})),
        answered(json!({"colour": {"enum": ["blue"]}})),
        answered(json!({"size": {"minimum": 1}})),
        answered(json!({"use": {"oneOf": [{"type": "boolean"}]}})),
        answered(json!({"maker": {"nullable": false}})),
        answered(json!({"id": {"maxLength": 36}})),
        json!({"components": {"schemas": {"Cup": {"required": ["id", "colour", "size"]}}}}),
        json!({"components": {"securitySchemes": {"iam": {"description": "signed"}}}}),
    ] {
        let mut new = contract();
        merge(&mut new, patch.clone());
        assert_eq!(breaking(&contract(), &new), [], "{patch}");
    }
}

#[test]
fn a_path_parameter_may_change_its_name() {
    let mut new = contract();
    let text = new
        .to_string()
        .replace("/cups/{id}", "/cups/{cup_id}")
        .replace(r#""in":"path","name":"id""#, r#""in":"path","name":"cup_id""#);
    new = serde_json::from_str(&text).unwrap();
    assert!(new["paths"]["/cups/{cup_id}"]["parameters"][0]["name"] == "cup_id", "{new}");
    assert_eq!(breaking(&contract(), &new), []);
}

/// The same contract in 3.1: null is a type, a constant replaces an enumeration, an exclusive bound is a
/// number.
#[test]
fn both_versions_of_openapi_are_read() {
    let schema = |schema: Value| {
        json!({"paths": {"/cups": {"get": {"operationId": "listCups", "responses": {"200": {
            "content": {"application/json": {"schema": schema}},
        }}}}}})
    };
    for (old, new) in [
        (json!({"type": "string", "nullable": true}), json!({"type": ["string", "null"]})),
        (
            json!({"nullable": true, "allOf": [{"type": "object", "properties": {"a": {"type": "string"}}}]}),
            json!({"oneOf": [{"type": "null"}, {"type": "object", "properties": {"a": {"type": "string"}}}]}),
        ),
        (json!({"type": "string", "enum": ["a"]}), json!({"type": "string", "const": "a"})),
        (
            json!({"oneOf": [{"type": "string", "enum": ["a"]}, {"type": "string", "enum": [null], "nullable": true}]}),
            json!({"oneOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]}),
        ),
        (
            json!({"type": "integer", "minimum": 0, "exclusiveMinimum": true}),
            json!({"type": "integer", "exclusiveMinimum": 0}),
        ),
    ] {
        assert_eq!(breaking(&schema(old.clone()), &schema(new.clone())), [], "{old} {new}");
        assert_eq!(breaking(&schema(new.clone()), &schema(old.clone())), [], "{new} {old}");
    }
    let changes = breaking(
        &schema(
            json!({"type": "object", "properties": {"a": {"oneOf": [{"type": "object", "properties": {"b": {"type": "string"}}}]}}}),
        ),
        &schema(
            json!({"type": "object", "properties": {"a": {"oneOf": [{"type": "null"}, {"type": "object", "properties": {"b": {"type": "string"}}}]}}}),
        ),
    );
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert!(changes[0].sentence.contains("may now be"), "{changes:?}");
}
