//! The time as the database keeps it.

use std::time::SystemTime;

use jiff::{Timestamp, Unit};

/// The current time in whole microseconds, the resolution of PostgreSQL: what is answered is what is stored.
pub fn now() -> Timestamp {
    let now = Timestamp::try_from(SystemTime::now()).unwrap_or_default();
    now.round(Unit::Microsecond).unwrap_or(now)
}
