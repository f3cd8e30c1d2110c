//! Moments in the database and in JSON.

use std::{error::Error, time::SystemTime};

use bytes::{BufMut, BytesMut};
use jiff::{Timestamp, Unit};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

/// 2000-01-01T00:00:00Z, PostgreSQL's epoch, in microseconds of the Unix epoch.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;

/// The first moment that RFC 3339 can express, and the last whole second of a [`Timestamp`], two hours before
/// the last moment of RFC 3339; in microseconds of the Unix epoch.
const CALENDAR: [i64; 2] = [-62_135_596_800_000_000, 253_402_207_200_000_000];

/// The first and last moments that PostgreSQL can store, 24 November 4714 BC and the end of 294276, in
/// microseconds of its own epoch. The minimum and maximum of i64 are its infinities.
const POSTGRES: [i64; 2] = [-211_813_488_000_000_000, 9_223_371_331_199_999_999];

/// A moment with PostgreSQL's precision and range. The service only writes moments of the years 1 to 9999; a
/// row written by another program may have any, including infinity. Such a row stays usable: clients see the
/// nearest moment of those years, and the database gets back the exact value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    /// Microseconds since [`POSTGRES_EPOCH`].
    microseconds: i64,
}

impl Moment {
    /// The current time.
    pub fn now() -> Self {
        Self::from(Timestamp::try_from(SystemTime::now()).unwrap_or_default())
    }

    /// The moment as clients see it.
    pub fn timestamp(self) -> Timestamp {
        let microsecond = self.microseconds.saturating_add(POSTGRES_EPOCH).clamp(CALENDAR[0], CALENDAR[1]);
        Timestamp::from_microsecond(microsecond).unwrap_or_default()
    }

    /// Whether clients see the exact moment.
    fn is_of_the_calendar(self) -> bool {
        self == Self::from(self.timestamp())
    }
}

impl From<Timestamp> for Moment {
    /// Rounds to the microsecond, PostgreSQL's precision, so that the returned value is the stored one.
    fn from(time: Timestamp) -> Self {
        let microseconds = time.round(Unit::Microsecond).unwrap_or(time).as_microsecond();
        Self { microseconds: microseconds - POSTGRES_EPOCH }
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.timestamp().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Timestamp::deserialize(deserializer).map(Self::from)
    }
}

impl FromSql<'_> for Moment {
    fn from_sql(_: &Type, raw: &[u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self { microseconds: i64::from_be_bytes(raw.try_into()?) })
    }

    accepts!(TIMESTAMPTZ);
}

impl ToSql for Moment {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_i64(self.microseconds);
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

/// The exact moment in a cursor, which must continue at the same position: outside of the years 1 to 9999 it
/// is PostgreSQL's number.
pub(crate) mod exact {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

    use super::{Moment, POSTGRES, Timestamp};

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Exact {
        Calendar(Timestamp),
        Beyond(i64),
    }

    pub(crate) fn serialize<S: Serializer>(moment: &Moment, serializer: S) -> Result<S::Ok, S::Error> {
        if moment.is_of_the_calendar() {
            moment.serialize(serializer)
        } else {
            moment.microseconds.serialize(serializer)
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Moment, D::Error> {
        let microseconds = match Exact::deserialize(deserializer)? {
            Exact::Calendar(time) => Moment::from(time).microseconds,
            Exact::Beyond(microseconds) => microseconds,
        };
        let is_kept = (POSTGRES[0]..=POSTGRES[1]).contains(&microseconds)
            || [i64::MIN, i64::MAX].contains(&microseconds);
        if is_kept { Ok(Moment { microseconds }) } else { Err(D::Error::custom("not a time of PostgreSQL")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Moment {
        Moment::from(text.parse::<Timestamp>().unwrap())
    }

    fn exactly(moment: Moment) -> Result<Moment, serde_json::Error> {
        #[derive(Serialize, Deserialize)]
        struct Position(#[serde(with = "exact")] Moment);
        let position = serde_json::to_string(&Position(moment))?;
        serde_json::from_str(&position).map(|Position(moment)| moment)
    }

    #[test]
    fn is_read_as_the_nearest_moment_of_the_calendar() {
        for (microseconds, read) in [
            (i64::MIN, "0001-01-01T00:00:00Z"),
            (POSTGRES[0], "0001-01-01T00:00:00Z"),
            (-POSTGRES_EPOCH - 1, "1969-12-31T23:59:59.999999Z"),
            (0, "2000-01-01T00:00:00Z"),
            (POSTGRES[1], "9999-12-30T22:00:00Z"),
            (i64::MAX, "9999-12-30T22:00:00Z"),
        ] {
            let moment = Moment { microseconds };
            assert_eq!(serde_json::to_value(moment).unwrap(), read);
            assert_eq!(exactly(moment).unwrap(), moment, "{microseconds}");
        }
    }

    #[test]
    fn a_cursor_has_no_moment_that_the_database_cannot_have() {
        assert_eq!(exactly(moment("2026-11-21T09:30:00.123456Z")).unwrap().microseconds, 848_568_600_123_456);
        for microseconds in [POSTGRES[0] - 1, POSTGRES[1] + 1] {
            assert!(exactly(Moment { microseconds }).is_err(), "{microseconds}");
        }
        assert!(exact::deserialize(serde_json::json!("-009999-01-02T01:59:59Z")).is_err());
    }

    #[test]
    fn is_whole_microseconds() {
        assert_eq!(moment("2026-11-21T09:30:00.1234564Z"), moment("2026-11-21T09:30:00.123456Z"));
        assert!(moment("0001-01-01T00:00:00Z").is_of_the_calendar());
        assert!(moment("9999-12-30T22:00:00Z").is_of_the_calendar());
    }
}
