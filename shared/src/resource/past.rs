//! Past versions of a resource, computed from the contents that the history has of each write.

use serde_json::{Map, Value as Json};
use utoipa::{
    IntoParams,
    openapi::path::{Parameter, ParameterIn},
};
use uuid::Uuid;

use super::{Described, Member, Resource, Whole, row_as_json};
use crate::{
    App, Problem,
    app::{RowSource, Sourced},
    contract::query,
    db::{self, Type},
    http::{Request, Response, Result},
};

/// The query parameter for a past version.
#[derive(Debug)]
pub struct Version;

/// A version of a resource.
type Number = Whole<1, { i64::MAX }>;

impl Version {
    const NAME: &'static str = "version";

    /// The version that `request` asks for, or `None` for the current one. Other parameters are ignored.
    ///
    /// # Errors
    /// 400 for an invalid version.
    pub(super) fn of(request: &Request) -> Result<Option<i64>> {
        let mut query = request.query();
        let version = query.optional_as(Self::NAME, Number::accept_text);
        query.ignore_others()?;
        Ok(version.map(Number::get))
    }
}

impl IntoParams for Version {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let about = "Read this version instead of the current one, also of a resource that has been deleted. 404 if there is \
            no such version, or its contents were not kept.";
        vec![query(Self::NAME, about, Number::accepted())]
    }
}

/// Selects the version `$2` of the `T` with the id `$1`. The value of a field is the one that the first later write
/// replaced; if no later write changed the field, it is the current one. Versions before a write without contents are
/// unknown.
pub(super) fn past<T: Described>() -> String {
    format!(
        "with later as (
  select version, inverse
  from history
  where resource = '{name}' and resource_id = $1 and version > $2
), unknown as (
  select min(version) as version
  from later
  where inverse is null
), known as (
  select later.version, later.inverse as members
  from later, unknown
  where unknown.version is null or later.version < unknown.version
  union all
  select null, {now}
  from {table}, unknown
  where id = $1 and unknown.version is null
)
select jsonb_object_agg(name, value)::text as representation
from (
  select distinct on (name) name, value
  from known, jsonb_each(members) member (name, value)
  order by name, version nulls last
) first",
        name = T::NAME,
        table = T::TABLE,
        now = row_as_json::<T>(T::TABLE),
    )
}

impl App {
    /// The response to `request` with the version `version` of the `T` with this id.
    ///
    /// # Errors
    /// 404 if the version does not exist or its contents were not kept; 503 if the database cannot answer.
    pub(super) async fn past<T: Resource>(
        &self,
        request: &Request,
        id: Uuid,
        version: i64,
    ) -> Result<Response> {
        let parameters = [(&id as _, Type::UUID), (&version as _, Type::INT8)];
        let row = self.database.read_optional(T::statements().past(), &parameters).await?;
        let text = row.map(|row| row.try_get("representation")).transpose().map_err(db::Error::from)?;
        let past = text.flatten().and_then(read::<T>).filter(|past| past.head().version == version);
        let past = past.ok_or_else(|| Problem::not_found(&format!("version of this {}", T::NAME)))?;
        Sourced { row: past, source: RowSource::Database }.respond(request)
    }
}

/// Reads a `T` from its representation. A field that was added after the version has its default.
fn read<T: Resource>(representation: String) -> Option<T> {
    let mut members: Map<String, Json> = serde_json::from_str(&representation).ok()?;
    for field in T::FIELDS {
        if !members.contains_key(field.name) {
            let value = match field.default {
                Some(default) => serde_json::to_value(default()).ok()?,
                None if field.is_nullable => Json::Null,
                None => return None,
            };
            members.insert(field.name.to_owned(), value);
        }
    }
    serde_json::from_value(Json::Object(members)).ok()
}
