//! Artisans: types and rules. No HTTP, and no queries beyond the row mapping.

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::http::{FromJson, FromParameter};

/// An artisan's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct ArtisanId(pub Uuid);

impl FromJson for ArtisanId {
    fn from_json(value: &Value) -> Result<Self, String> {
        Self::from_parameter(value.as_str().ok_or("must be a string or null")?)
    }
}

impl FromParameter for ArtisanId {
    fn from_parameter(text: &str) -> Result<Self, String> {
        Uuid::from_parameter(text).map(Self)
    }
}
