//! The schemas and list parameters of a resource in the API contract (OpenAPI). None of this runs in a
//! function.

use std::{borrow::Cow, marker::PhantomData};

use serde_json::{Map, Value, json};
use utoipa::{
    IntoParams, PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, Ref, RefOr, Schema, Type,
        extensions::Extensions,
        path::{Parameter, ParameterIn},
        schema::SchemaType,
    },
};

use super::{Filter, Member, Resource, key, listing::sorts, search};
use crate::{
    contract::{Component, query},
    text,
};

/// The extension that carries a schema that `utoipa` cannot express: the document has it in place of the
/// carrier.
pub const CARRIED: &str = "x-schema";

/// The schemas of a field.
pub struct MemberSchema {
    name: &'static str,
    about: &'static str,
    accepted: Value,
    answered: Value,
    component: Option<(&'static str, RefOr<Schema>)>,
    is_nullable: bool,
    default: Option<Value>,
}

impl MemberSchema {
    /// The field `name` of the type `T`, described by `about`.
    pub fn of<T: Member>(name: &'static str, about: &'static str, default: Option<T>) -> Self {
        let component = T::component().map(|name| (name, T::accepted()));
        let accepted =
            component.as_ref().map_or_else(T::accepted, |(name, _)| Ref::from_schema_name(*name).into());
        Self {
            name,
            about: about.trim(),
            accepted: plain(&accepted),
            answered: plain(&T::answered()),
            component,
            is_nullable: T::IS_NULLABLE,
            default: default.map(|default| serde_json::to_value(default).unwrap_or_default()),
        }
    }

    /// The schema of a query parameter of the field's type.
    fn parameter(&self) -> RefOr<Schema> {
        carried(self.accepted.clone())
    }

    /// `schema` with this field's description.
    fn described(&self, schema: &Value, is_nullable: bool, more: &str) -> Value {
        let mut schema = schema.clone();
        let said = format!("{}{more}", self.about.trim_end_matches('.'));
        if schema["$ref"].is_string() {
            schema["description"] = format!("{said}.").into();
            return if is_nullable { json!({"oneOf": [schema, {"type": "null"}]}) } else { schema };
        }
        let general = schema["description"].as_str().map(|general| format!(" {general}")).unwrap_or_default();
        schema["description"] = format!("{said}.{general}").into();
        if is_nullable {
            schema["type"] = json!([schema["type"], "null"]);
        }
        schema
    }
}

/// A schema of `utoipa` as JSON; the conversion cannot fail.
fn plain(schema: &RefOr<Schema>) -> Value {
    serde_json::to_value(schema).unwrap_or_default()
}

/// A carrier of `schema`.
fn carried(schema: Value) -> RefOr<Schema> {
    let carrier = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Object));
    carrier.extensions(Some(Extensions::builder().add(CARRIED, schema).build())).build().into()
}

/// The schema of an object with the given fields, of which those in `required` are required.
fn object(about: &str, members: Map<String, Value>, required: &[&str], example: Value) -> Value {
    let mut schema = json!({
        "description": about,
        "type": "object",
        "properties": members,
        "example": example,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn answered<T: Resource>() -> Value {
    let mut members = Map::new();
    let mut id = plain(&super::id::schema().into());
    id["description"] = format!("The {}'s id, a UUIDv7.", T::NAME).into();
    members.insert("id".to_owned(), id);
    let mut required = vec!["id"];
    for member in T::schemas() {
        required.push(member.name);
        members.insert(member.name.to_owned(), member.described(&member.answered, member.is_nullable, ""));
    }
    let version = json!({"description": "1 at creation, incremented by every change.", "type": "integer", "format": "int64", "minimum": 1});
    members.insert("version".to_owned(), version);
    for (name, about) in
        [("created_at", "The time of creation."), ("updated_at", "The time of the last change.")]
    {
        members
            .insert(name.to_owned(), json!({"description": about, "type": "string", "format": "date-time"}));
    }
    required.extend(["version", "created_at", "updated_at"]);
    object(T::ABOUT.trim(), members, &required, answered_example::<T>())
}

/// The example as it is returned: with defaults, and with the fields that the service sets.
fn answered_example<T: Resource>() -> Value {
    let mut example = json!({"id": T::EXAMPLE_ID});
    let given = T::example();
    for member in T::schemas() {
        let value = given.get(member.name).cloned().or(member.default);
        example[member.name] = value.unwrap_or_default();
    }
    example["version"] = 1.into();
    example["created_at"] = "2026-11-21T09:30:00Z".into();
    example["updated_at"] = "2026-11-21T09:30:00Z".into();
    example
}

impl<T: Resource> Component for T {
    const COLLECTION: Option<&'static str> = Some(T::TABLE);

    fn name() -> String {
        T::TYPE.to_owned()
    }

    fn schemas() -> Vec<(String, Value)> {
        vec![(T::TYPE.to_owned(), answered::<T>())]
    }

    fn example() -> Value {
        answered_example::<T>()
    }
}

/// The body of a request that creates or replaces a `T`.
#[derive(Debug)]
pub struct New<T>(PhantomData<T>);

/// The body of a request that changes some fields of a `T`.
#[derive(Debug)]
pub struct Patch<T>(PhantomData<T>);

impl<T: Resource> PartialSchema for New<T> {
    fn schema() -> RefOr<Schema> {
        let mut members = Map::new();
        let mut required = Vec::new();
        for member in T::schemas() {
            let mut schema = member.described(&member.accepted, member.is_nullable, "");
            match &member.default {
                Some(default) => schema["default"] = default.clone(),
                None if !member.is_nullable => required.push(member.name),
                None => {}
            }
            members.insert(member.name.to_owned(), schema);
        }
        let about = format!("The body of a request that creates or replaces {}.", with_article(T::NAME));
        let mut schema = object(&about, members, &required, T::example());
        schema["additionalProperties"] = false.into();
        carried(schema)
    }
}

impl<T: Resource> PartialSchema for Patch<T> {
    fn schema() -> RefOr<Schema> {
        let mut members = Map::new();
        for member in T::schemas() {
            let more = match &member.default {
                Some(Value::String(default)) if default.is_empty() => "; null empties it".to_owned(),
                Some(Value::String(default)) => format!("; null sets {default}"),
                Some(default) => format!("; null sets {default}"),
                None if member.is_nullable => "; null removes it".to_owned(),
                None => String::new(),
            };
            let is_nullable = member.is_nullable || member.default.is_some();
            members.insert(member.name.to_owned(), member.described(&member.accepted, is_nullable, &more));
        }
        let about =
            format!("A change of some of {}'s fields; omitted fields stay unchanged.", with_article(T::NAME));
        let mut schema = object(&about, members, &[], T::patch_example());
        schema["additionalProperties"] = false.into();
        carried(schema)
    }
}

impl<T: Resource> ToSchema for New<T> {
    fn name() -> Cow<'static, str> {
        format!("New{}", T::TYPE).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        components::<T>(schemas);
    }
}

impl<T: Resource> ToSchema for Patch<T> {
    fn name() -> Cow<'static, str> {
        format!("{}Patch", T::TYPE).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        components::<T>(schemas);
    }
}

/// Adds the schemas that fields refer to.
fn components<T: Resource>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    for member in T::schemas() {
        schemas.extend(member.component.map(|(name, schema)| (name.to_owned(), schema)));
    }
}

/// "a product", "an artisan".
fn with_article(name: &str) -> String {
    format!("{} {name}", if name.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" })
}

/// The filter and sort parameters of a list of `T`.
#[derive(Debug)]
pub struct Lists<T>(PhantomData<T>);

/// Those of a list that is restricted to one `Owner`.
#[derive(Debug)]
pub struct ListsWithin<T, Owner>(PhantomData<(T, Owner)>);

/// The search, filter and sort parameters of a search for `T`.
#[derive(Debug)]
pub struct Searches<T>(PhantomData<T>);

impl<T: Resource> IntoParams for Lists<T> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        parameters::<T>(false, |_| true)
    }
}

impl<T: Resource> IntoParams for Searches<T> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameters = parameters::<T>(true, |_| true);
        [search::parameter()].into_iter().chain(parameters).collect()
    }
}

impl<T: Resource, Owner: Resource> IntoParams for ListsWithin<T, Owner> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let owner = &T::FILTERS[const { key::owner_filter::<T, Owner>() }];
        parameters::<T>(false, |filter| filter.name != owner.name)
    }
}

fn parameters<T: Resource>(is_search: bool, is_wanted: impl Fn(&Filter) -> bool) -> Vec<Parameter> {
    let schemas = T::schemas();
    let filters = T::FILTERS.iter().filter(|filter| is_wanted(filter)).filter_map(|filter| {
        let member = schemas.iter().find(|member| member.name == filter.member)?;
        Some(query(filter.name, filter.about, member.parameter()))
    });
    let words = sorts::<T>(is_search);
    let sort = text::text().default(words.first().map(|&word| word.into())).enum_values(Some(words)).build();
    let about = if is_search {
        "The order: `relevance` sorts by how well names match, then by name; `-` means descending."
    } else {
        "The order; `-` means descending."
    };
    filters.chain([query("sort", about, sort)]).collect()
}
