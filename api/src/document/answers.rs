//! What the types that handlers name bring into the document: schemas, and what responses answer.

use serde_json::{Map, Value, json};
use shared::{contract::ANSWERS, resource::contract::CARRIED};

/// The components that types bring along.
#[derive(Default)]
pub(super) struct Answers {
    /// Schemas by name.
    pub(super) schemas: Map<String, Value>,
    /// What responses answer, in the order in which operations name it.
    pub(super) components: Vec<Answer>,
}

/// What a response answers.
pub(super) struct Answer {
    /// The name of its schema.
    pub(super) name: String,
    /// The segment of the paths below which it is found, if it is a resource.
    pub(super) collection: Option<String>,
    pub(super) example: Value,
}

impl Answers {
    /// Takes them out of the `paths` that handlers declare, in the given order, and puts references in their place; `schemas`
    /// are those of the bodies of requests.
    pub(super) fn take<'a>(
        paths: &mut Value,
        order: impl Iterator<Item = &'a str>,
        mut schemas: Value,
    ) -> Self {
        unwrap_carried(paths);
        unwrap_carried(&mut schemas);
        let mut answers = Self::default();
        if let Value::Object(schemas) = schemas {
            answers.schemas = schemas;
        }
        for path in order {
            let operations = paths[path].as_object_mut().into_iter().flat_map(Map::values_mut);
            let responses = operations.filter_map(|operation| operation["responses"].as_object_mut());
            responses.flat_map(Map::values_mut).for_each(|response| answers.register(response));
        }
        answers
    }

    fn register(&mut self, response: &mut Value) {
        let Some(mut brought) = response.get_mut(ANSWERS).map(Value::take) else { return };
        let name = brought["name"].as_str().unwrap_or_default().to_owned();
        let suffix = match brought["answer"].as_str() {
            Some("created") => "Created",
            Some("page") => "Page",
            _ => "",
        };
        *response = json!({"$ref": format!("#/components/responses/{name}{suffix}")});
        for schema in brought["schemas"].as_array().into_iter().flatten() {
            if let Some([Value::String(name), schema]) = schema.as_array().map(Vec::as_slice) {
                self.schemas.insert(name.clone(), schema.clone());
            }
        }
        if self.components.iter().all(|known| known.name != name) {
            let collection = brought["collection"].as_str().map(str::to_owned);
            self.components.push(Answer { name, collection, example: brought["example"].take() });
        }
    }
}

/// Puts the schemas that are made without `utoipa` in the place of those that carry them.
fn unwrap_carried(value: &mut Value) {
    if let Some(schema) = value.get_mut(CARRIED) {
        *value = schema.take();
    }
    match value {
        Value::Object(members) => members.values_mut().for_each(unwrap_carried),
        Value::Array(items) => items.iter_mut().for_each(unwrap_carried),
        _ => {}
    }
}
