//! Collects the components that the types in handler declarations contribute to the document.

use serde_json::{Map, Value, json};
use shared::{contract::CONTENT, resource::contract::CARRIED};

/// The contributed components.
#[derive(Default)]
pub(super) struct Contents {
    /// The schemas by name.
    pub(super) schemas: Map<String, Value>,
    /// The contents of responses, in the order in which operations refer to them.
    pub(super) components: Vec<Content>,
}

/// The content of a response.
pub(super) struct Content {
    /// The name of its schema.
    pub(super) name: String,
    /// The path segment of its collection, if it is a resource.
    pub(super) collection: Option<String>,
    pub(super) example: Value,
    /// Whether there is a feed of it.
    pub(super) is_fed: bool,
}

impl Contents {
    /// Replaces the contents of responses in `paths` by references, in the given order, and returns them
    /// together with `schemas`, those of request bodies.
    pub(super) fn take<'a>(
        paths: &mut Value,
        order: impl Iterator<Item = &'a str>,
        mut schemas: Value,
    ) -> Self {
        unwrap_carried(paths);
        unwrap_carried(&mut schemas);
        let mut contents = Self::default();
        if let Value::Object(schemas) = schemas {
            contents.schemas = schemas;
        }
        for path in order {
            let operations = paths[path].as_object_mut().into_iter().flat_map(Map::values_mut);
            let responses = operations.filter_map(|operation| operation["responses"].as_object_mut());
            responses.flat_map(Map::values_mut).for_each(|response| contents.register(response));
        }
        contents
    }

    fn register(&mut self, response: &mut Value) {
        let Some(mut brought) = response.get_mut(CONTENT).map(Value::take) else { return };
        let name = brought["name"].as_str().unwrap_or_default().to_owned();
        let suffix = match brought["answer"].as_str() {
            Some("created") => "Created",
            Some("page") => "Page",
            Some("feed") => "FeedPage",
            _ => "",
        };
        *response = json!({"$ref": format!("#/components/responses/{name}{suffix}")});
        for schema in brought["schemas"].as_array().into_iter().flatten() {
            if let Some([Value::String(name), schema]) = schema.as_array().map(Vec::as_slice) {
                self.schemas.insert(name.clone(), schema.clone());
            }
        }
        let is_fed = brought["answer"] == "feed";
        match self.components.iter_mut().find(|known| known.name == name) {
            Some(known) => known.is_fed |= is_fed,
            None => {
                let collection = brought["collection"].as_str().map(str::to_owned);
                self.components.push(Content {
                    name,
                    collection,
                    example: brought["example"].take(),
                    is_fed,
                });
            }
        }
    }
}

/// Replaces carriers by the schemas that they carry.
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
