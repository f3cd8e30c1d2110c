//! Ids of resources: UUIDv7 (RFC 9562), which sort by the time of creation.

use utoipa::openapi::{
    Object, ObjectBuilder, Required, SchemaFormat, Type,
    path::{Parameter, ParameterIn},
    schema::SchemaType,
};

/// The id in examples.
const EXAMPLE: &str = "01936b5e-7c00-7000-8000-00000000000a";

/// Declares a resource's id type: `id! { /// A product's id. ProductId }`.
#[macro_export]
macro_rules! id {
    ($(#[$documentation:meta])* $name:ident) => {
        $(#[$documentation])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub uuid::Uuid);

        impl $crate::http::FromParameter for $name {
            fn from_parameter(text: &str) -> Result<Self, String> {
                uuid::Uuid::from_parameter(text).map(Self)
            }
        }

        impl From<uuid::Uuid> for $name {
            fn from(id: uuid::Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for uuid::Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl $crate::resource::Member for $name {
            type Column = uuid::Uuid;

            const KIND: $crate::db::value::ColumnType = $crate::db::value::ColumnType::Uuid;

            fn from_column(id: uuid::Uuid) -> Self {
                Self(id)
            }

            fn value(&self) -> $crate::db::value::Value {
                $crate::db::value::Value::Uuid(self.0)
            }

            fn accept(json: &$crate::http::Json) -> Result<Self, String> {
                $crate::http::FromParameter::from_parameter(json.as_str().ok_or("must be a string")?)
            }

            fn accepted() -> $crate::contract::openapi::RefOr<$crate::contract::openapi::Schema> {
                $crate::resource::id::schema().into()
            }
        }

        /// The path parameter `id`.
        impl $crate::contract::IntoParams for $name {
            fn into_params(
                _: impl Fn() -> Option<$crate::contract::openapi::path::ParameterIn>,
            ) -> Vec<$crate::contract::openapi::path::Parameter> {
                vec![$crate::resource::id::path_parameter(stringify!($name))]
            }
        }
    };
}

/// The schema of an id.
pub fn schema() -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .format(Some(SchemaFormat::Custom("uuid".to_owned())))
        .examples([EXAMPLE])
        .build()
}

/// The path parameter `id` of a resource whose id type is `name`.
pub fn path_parameter(name: &str) -> Parameter {
    let mut parameter = Parameter::new("id");
    parameter.parameter_in = ParameterIn::Path;
    parameter.required = Required::True;
    parameter.description = Some(format!("The {}'s id.", name.trim_end_matches("Id").to_lowercase()));
    parameter.schema = Some(schema().into());
    parameter
}
