//! Ids of resources: UUIDv7 (RFC 9562), which sort by the time of creation.

use utoipa::openapi::{
    Object, ObjectBuilder, Required, SchemaFormat, Type,
    path::{Parameter, ParameterIn},
    schema::SchemaType,
};

/// An id in examples.
const EXAMPLE: &str = "01936b5e-7c00-7000-8000-00000000000a";

/// Makes the id type of a resource.
macro_rules! id {
    ($(#[$documentation:meta])* $name:ident) => {
        $(#[$documentation])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub uuid::Uuid);

        impl $name {
            /// A new id of the current time.
            pub fn generate() -> Self {
                Self(uuid::Uuid::now_v7())
            }
        }

        impl $crate::http::FromParameter for $name {
            fn from_parameter(text: &str) -> Result<Self, String> {
                uuid::Uuid::from_parameter(text).map(Self)
            }
        }

        impl $crate::http::FromJson for $name {
            fn from_json(value: &$crate::http::Json) -> Result<Self, String> {
                use $crate::http::FromParameter;
                Self::from_parameter(value.as_str().ok_or("must be a string")?)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                $crate::id::schema().into()
            }
        }

        impl utoipa::ToSchema for $name {}

        /// The path parameter `id`.
        impl utoipa::IntoParams for $name {
            fn into_params(
                _: impl Fn() -> Option<utoipa::openapi::path::ParameterIn>,
            ) -> Vec<utoipa::openapi::path::Parameter> {
                vec![$crate::id::path_parameter(stringify!($name))]
            }
        }
    };
}

pub(crate) use id;

/// The schema of an id.
pub(crate) fn schema() -> Object {
    ObjectBuilder::new()
        .schema_type(SchemaType::Type(Type::String))
        .format(Some(SchemaFormat::Custom("uuid".to_owned())))
        .examples([EXAMPLE])
        .build()
}

/// The path parameter `id` of a resource whose id type is `name`.
pub(crate) fn path_parameter(name: &str) -> Parameter {
    let mut parameter = Parameter::new("id");
    parameter.parameter_in = ParameterIn::Path;
    parameter.required = Required::True;
    parameter.description = Some(format!("The {}'s id.", name.trim_end_matches("Id").to_lowercase()));
    parameter.schema = Some(schema().into());
    parameter
}
