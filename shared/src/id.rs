//! Ids of resources: UUIDv7 (RFC 9562), which sort by the time of creation.

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
            fn from_json(value: &serde_json::Value) -> Result<Self, String> {
                use $crate::http::FromParameter;
                Self::from_parameter(value.as_str().ok_or("must be a string")?)
            }
        }
    };
}

pub(crate) use id;
