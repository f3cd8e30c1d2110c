//! Artisans: types and rules, and how they are listed and changed. No HTTP.

mod listing;

pub use listing::{ArtisanFilter, ArtisanPosition, ArtisanSort};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    cache::Cached,
    db::{self, Row},
    http::{Members, Result, Versioned},
    id::id,
    text::{Line, Paragraphs},
    time,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artisan {
    /// The artisan's id, a UUIDv7.
    pub id: ArtisanId,
    /// The given name, 1 to 100 characters.
    pub given_name: String,
    /// The family name, 1 to 100 characters.
    pub family_name: String,
    /// The biography, 0 to 4,000 characters.
    pub biography: String,
    /// 1 at creation, one more with every change.
    pub version: i64,
    /// When the artisan was created.
    pub created_at: Timestamp,
    /// When the artisan was changed last.
    pub updated_at: Timestamp,
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

impl Versioned for Artisan {
    fn id(&self) -> Uuid {
        self.id.0
    }

    fn version(&self) -> i64 {
        self.version
    }

    fn updated_at(&self) -> Timestamp {
        self.updated_at
    }
}

/// What a client says of an artisan, in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewArtisan {
    /// The given name.
    pub given_name: PersonName,
    /// The family name.
    pub family_name: PersonName,
    /// The biography.
    pub biography: Biography,
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
        let now = time::now();
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtisanPatch {
    /// The given name.
    pub given_name: Option<PersonName>,
    /// The family name.
    pub family_name: Option<PersonName>,
    /// The biography.
    pub biography: Option<Biography>,
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
}
