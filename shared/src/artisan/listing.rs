//! How artisans are filtered and sorted.

use serde::{Deserialize, Serialize};
use utoipa::{
    IntoParams, PartialSchema,
    openapi::path::{Parameter, ParameterIn},
};
use uuid::Uuid;

use super::{Artisan, PersonName};
use crate::{
    contract::{choice, query},
    db::{Select, value},
    http::{Choice, CursorKeys, PageRequest, Query, Result},
    time::{Moment, exact},
};

/// Which artisans are listed; what is none does not restrict.
#[derive(Debug, Default)]
pub struct ArtisanFilter {
    given_name: Option<PersonName>,
    family_name: Option<PersonName>,
}

impl ArtisanFilter {
    /// The filter that `query` asks for.
    pub fn from_query(query: &mut Query<'_>) -> Self {
        Self { given_name: query.optional("given_name"), family_name: query.optional("family_name") }
    }

    /// Adds the conditions to `select`.
    pub fn apply(self, select: &mut Select) {
        let Self { given_name, family_name } = self;
        if let Some(name) = given_name {
            select.filter("given_name = ?", vec![value::text(name)]);
        }
        if let Some(name) = family_name {
            select.filter("family_name = ?", vec![value::text(name)]);
        }
    }
}

/// The order of a listing; the id decides between equals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ArtisanSort {
    /// Newest first.
    #[default]
    Newest,
    /// Oldest first.
    Oldest,
    /// By family name, then given name, in the order of Unicode code points.
    Name,
}

/// Where a listing goes on: the sort key and id of the last artisan seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ArtisanPosition {
    /// Sorted by time of creation.
    #[serde(rename = "c")]
    CreatedAt(#[serde(with = "exact")] Moment, Uuid),
    /// Sorted by name.
    #[serde(rename = "n")]
    Name(String, String, Uuid),
}

impl ArtisanSort {
    /// The position of `artisan` in this order.
    pub fn position(self, artisan: &Artisan) -> ArtisanPosition {
        let id = artisan.id.0;
        match self {
            Self::Newest | Self::Oldest => ArtisanPosition::CreatedAt(artisan.created_at, id),
            Self::Name => ArtisanPosition::Name(artisan.family_name.clone(), artisan.given_name.clone(), id),
        }
    }

    /// Whether `position` is one of this order.
    fn has(self, position: &ArtisanPosition) -> bool {
        match position {
            ArtisanPosition::CreatedAt(..) => matches!(self, Self::Newest | Self::Oldest),
            ArtisanPosition::Name(..) => self == Self::Name,
        }
    }

    /// Restricts `select` to `page`, and orders it.
    ///
    /// # Errors
    /// 400 for a cursor that is not one of this list and order.
    pub fn apply(self, select: &mut Select, page: &PageRequest, keys: &CursorKeys) -> Result<()> {
        let (after, order) = match self {
            Self::Newest => ("(created_at, id) < (?, ?)", "order by created_at desc, id desc\nlimit ?"),
            Self::Oldest => ("(created_at, id) > (?, ?)", "order by created_at, id\nlimit ?"),
            Self::Name => {
                ("(family_name, given_name, id) > (?, ?, ?)", "order by family_name, given_name, id\nlimit ?")
            }
        };
        if let Some(position) = page.position_where(keys, |position| self.has(position))? {
            let position = match position {
                ArtisanPosition::CreatedAt(time, id) => vec![value::moment(time), value::uuid(id)],
                ArtisanPosition::Name(family, given, id) => {
                    vec![value::text(family), value::text(given), value::uuid(id)]
                }
            };
            select.filter(after, position);
        }
        select.end(order, vec![value::int8(page.rows())]);
        Ok(())
    }
}

impl Choice for ArtisanSort {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("-created_at", Self::Newest), ("created_at", Self::Oldest), ("name", Self::Name)];
}

impl IntoParams for ArtisanSort {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![query("sort", "The order; `-` is descending.", choice::<Self>())]
    }
}

impl IntoParams for ArtisanFilter {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![
            query("given_name", "Only artisans of exactly this given name.", PersonName::schema()),
            query("family_name", "Only artisans of exactly this family name.", PersonName::schema()),
        ]
    }
}
