//! Artisans: types and rules, and how they are stored and listed. No HTTP.

mod listing;

pub use listing::{ArtisanFilter, ArtisanPosition, ArtisanSort};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    cache::Cached,
    contract::Example,
    db::{self, Row, value},
    http::{Creation, Members, Problem, Result, Versioned},
    id::id,
    stored::{Changes, Column, Statements, Stored, Violation, statements_of},
    text::{self, Line, Paragraphs},
    time::Moment,
};

/// Members that the service alone sets.
const READ_ONLY: [&str; 4] = ["id", "version", "created_at", "updated_at"];

id! {
    /// An artisan's id.
    ArtisanId
}

/// A given or a family name.
pub type PersonName = Line<100>;

/// An artisan's biography.
pub type Biography = Paragraphs<4_000>;

/// An artisan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = Self::example)]
pub struct Artisan {
    /// The artisan's id, a UUIDv7.
    #[schema(inline)]
    pub id: ArtisanId,
    /// The given name, in NFC.
    #[schema(min_length = 1, max_length = 100)]
    pub given_name: String,
    /// The family name, in NFC.
    #[schema(min_length = 1, max_length = 100)]
    pub family_name: String,
    /// The biography, in NFC.
    #[schema(max_length = 4_000)]
    pub biography: String,
    /// 1 at creation, one more with every change.
    #[schema(minimum = 1)]
    pub version: i64,
    /// When the artisan was created.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Moment,
    /// When the artisan was changed last.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Moment,
}

impl Example for Artisan {
    fn example() -> Value {
        json!({
            "id": "01936b5e-7c00-7000-8000-000000000001",
            "given_name": "花子",
            "family_name": "佐藤",
            "biography": "Potter in Bizen.",
            "version": 1,
            "created_at": "2026-11-21T09:00:00Z",
            "updated_at": "2026-11-21T09:00:00Z",
        })
    }
}

impl Artisan {
    /// The artisan of a row with the columns id, given_name, family_name, biography, version, created_at and
    /// updated_at.
    ///
    /// # Errors
    /// When a column is missing or has another type.
    pub fn from_row(row: &Row) -> Result<Self, db::Error> {
        Ok(Self {
            id: ArtisanId(row.try_get("id")?),
            given_name: row.try_get("given_name")?,
            family_name: row.try_get("family_name")?,
            biography: row.try_get("biography")?,
            version: row.try_get("version")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

impl Cached for Artisan {
    const NAME: &'static str = "artisan";
    const SCHEMA: u32 = 1;

    fn from_row(row: &Row) -> Result<Self, db::Error> {
        Self::from_row(row)
    }
}

/// The constraint that a product's artisan exists.
pub(crate) const OF_PRODUCTS: &str = "products_artisan_id_fkey";

fn has_products() -> Problem {
    Problem::conflict("The artisan still has products. Delete them, or give them to another artisan, first.")
}

impl Stored for Artisan {
    const TABLE: &'static str = "artisans";
    const COLUMNS: &'static [Column] = &[
        Column::Member("given_name"),
        Column::Derived("given_key"),
        Column::Member("family_name"),
        Column::Derived("family_key"),
        Column::Member("biography"),
    ];
    const KEPT: &'static [Violation] = &[(OF_PRODUCTS, has_products)];

    fn values(&self) -> Vec<value::Value> {
        vec![
            value::text(&self.given_name),
            value::text(text::fold(&self.given_name)),
            value::text(&self.family_name),
            value::text(text::fold(&self.family_name)),
            value::text(&self.biography),
        ]
    }

    fn statements() -> &'static Statements {
        statements_of!(Artisan)
    }
}

impl Versioned for Artisan {
    fn id(&self) -> Uuid {
        self.id.0
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn updated_at(&self) -> Timestamp {
        self.updated_at.timestamp()
    }
}

impl Creation for Artisan {
    fn created_as(self, id: Uuid, at: Moment) -> Self {
        Self { id: ArtisanId(id), created_at: at, updated_at: at, ..self }
    }
}

/// What a client says of an artisan, in full.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
#[schema(example = Self::example)]
#[serde(deny_unknown_fields)]
pub struct NewArtisan {
    /// The given name.
    #[schema(inline)]
    pub given_name: PersonName,
    /// The family name.
    #[schema(inline)]
    pub family_name: PersonName,
    /// The biography.
    #[schema(inline, required = false, default = "")]
    pub biography: Biography,
}

impl Example for NewArtisan {
    fn example() -> Value {
        json!({"given_name": "花子", "family_name": "佐藤", "biography": "Potter in Bizen."})
    }
}

impl NewArtisan {
    /// The artisan that `members` describes.
    ///
    /// # Errors
    /// 422 with all faults.
    pub fn from_members(mut members: Members) -> Result<Self> {
        let given_name = members.required("given_name");
        let family_name = members.required("family_name");
        let biography = members.or_default("biography");
        members.finish(&READ_ONLY, || {
            Some(Self { given_name: given_name?, family_name: family_name?, biography: biography? })
        })
    }

    /// The artisan as created now, with a new id.
    pub fn into_artisan(self) -> Artisan {
        let now = Moment::now();
        Artisan {
            id: ArtisanId::generate(),
            given_name: self.given_name.into(),
            family_name: self.family_name.into(),
            biography: self.biography.into(),
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }
}

/// A change of some of an artisan's members; what is none stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
#[schema(example = Self::example)]
#[serde(deny_unknown_fields)]
pub struct ArtisanPatch {
    /// The given name.
    #[schema(inline, value_type = PersonName, required = false)]
    pub given_name: Option<PersonName>,
    /// The family name.
    #[schema(inline, value_type = PersonName, required = false)]
    pub family_name: Option<PersonName>,
    /// The biography; null empties it.
    #[schema(inline)]
    pub biography: Option<Biography>,
}

impl Example for ArtisanPatch {
    fn example() -> Value {
        json!({"biography": "Potter in Imbe, Bizen."})
    }
}

impl ArtisanPatch {
    /// The change that the members of a merge patch describe. Removing a member that has a default sets the
    /// default.
    ///
    /// # Errors
    /// 422 with all faults.
    pub fn from_members(mut members: Members) -> Result<Self> {
        let patch = Self {
            given_name: members.patch_required("given_name"),
            family_name: members.patch_required("family_name"),
            biography: members.patch_or_default("biography"),
        };
        members.finish(&READ_ONLY, || Some(patch))
    }

    /// The same, as it is stored.
    pub fn into_changes(self) -> Changes {
        let Self { given_name, family_name, biography } = self;
        let mut changes = Changes::default();
        if let Some(name) = given_name.map(String::from) {
            changes.derive("given_key", value::text(text::fold(&name)));
            changes.set("given_name", value::text(name));
        }
        if let Some(name) = family_name.map(String::from) {
            changes.derive("family_key", value::text(text::fold(&name)));
            changes.set("family_name", value::text(name));
        }
        if let Some(biography) = biography {
            changes.set("biography", value::text(String::from(biography)));
        }
        changes
    }
}
