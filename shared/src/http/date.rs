//! HTTP dates (RFC 9110, section 5.6.7), from year 1 to 9999, to the second.

use jiff::{
    Timestamp,
    civil::{DateTime, Weekday},
    fmt::strtime,
    tz::Offset,
};

use crate::time::Moment;

/// The names of the weekdays in dates, abbreviated and in full.
const WEEKDAYS: [(Weekday, &str, &str); 7] = [
    (Weekday::Monday, "Mon", "Monday"),
    (Weekday::Tuesday, "Tue", "Tuesday"),
    (Weekday::Wednesday, "Wed", "Wednesday"),
    (Weekday::Thursday, "Thu", "Thursday"),
    (Weekday::Friday, "Fri", "Friday"),
    (Weekday::Saturday, "Sat", "Saturday"),
    (Weekday::Sunday, "Sun", "Sunday"),
];

/// The lengths of the two forms with a fixed length.
const IMF_FIXDATE_BYTES: usize = "Sun, 06 Nov 1994 08:49:37 GMT".len();
const ASCTIME_BYTES: usize = "Sun Nov  6 08:49:37 1994".len();

/// Formats `time` as an HTTP date, without fractional seconds; `None` if the year does not have four digits.
pub(super) fn print(time: Timestamp) -> Option<String> {
    strtime::format("%a, %d %b %Y %H:%M:%S GMT", time).ok().filter(|date| date.len() == IMF_FIXDATE_BYTES)
}

/// Parses a date in any of the three forms. The weekday only matters if the year has two digits: a client
/// with a wrong weekday still means the rest.
pub(super) fn parse(text: &str) -> Option<Timestamp> {
    let (weekday, rest) = WEEKDAYS.iter().find_map(|(weekday, short, long)| {
        let rest = text.strip_prefix(long).or_else(|| text.strip_prefix(short))?;
        Some((*weekday, rest))
    })?;
    if text.len() == IMF_FIXDATE_BYTES
        && let Ok(date) = DateTime::strptime(", %d %b %Y %H:%M:%S GMT", rest)
    {
        return timestamp(date);
    }
    if text.len() == ASCTIME_BYTES
        && let Ok(date) = DateTime::strptime(" %b %e %H:%M:%S %Y", rest)
    {
        return timestamp(date);
    }
    century(weekday, DateTime::strptime(", %d-%b-%y %H:%M:%S GMT", rest).ok()?)
}

/// Completes a two-digit year: at most 50 years ahead, or 100 years earlier if only then the date is a
/// `weekday`.
fn century(weekday: Weekday, date: DateTime) -> Option<Timestamp> {
    let last = Offset::UTC.to_datetime(Moment::now().timestamp()).year() + 50;
    let year = last - (last - date.year()).rem_euclid(100);
    let of = |year: i16| date.with().year(year).build().ok();
    let candidates = [of(year), of(year - 100)].into_iter().flatten();
    let fitting = candidates.clone().find(|date| date.weekday() == weekday);
    timestamp(fitting.or_else(|| candidates.clone().next())?)
}

/// The moment of `date` in UTC. The last hours of 9999, which a `Timestamp` cannot represent, become its last
/// second.
fn timestamp(date: DateTime) -> Option<Timestamp> {
    let last = || Timestamp::from_second(Timestamp::MAX.as_second()).ok().filter(|_| date.year() == 9999);
    Offset::UTC.to_timestamp(date).ok().or_else(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The three forms of RFC 9110, and the first and the last moment that each can express.
    #[test]
    fn reads_every_form_and_year() {
        for (text, time) in [
            ("Sun, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z"),
            ("Sunday, 06-Nov-94 08:49:37 GMT", "1994-11-06T08:49:37Z"),
            ("Sun Nov  6 08:49:37 1994", "1994-11-06T08:49:37Z"),
            ("Wed, 31 Dec 1969 23:59:59 GMT", "1969-12-31T23:59:59Z"),
            ("Wednesday, 31-Dec-69 23:59:59 GMT", "1969-12-31T23:59:59Z"),
            ("Thursday, 01-Jan-70 00:00:00 GMT", "1970-01-01T00:00:00Z"),
            ("Wed Dec 31 23:59:59 1969", "1969-12-31T23:59:59Z"),
            ("Mon, 01 Jan 1900 00:00:00 GMT", "1900-01-01T00:00:00Z"),
            ("Mon, 01 Jan 0001 00:00:00 GMT", "0001-01-01T00:00:00Z"),
            ("Fri, 31 Dec 9999 23:59:59 GMT", "9999-12-30T22:00:00Z"),
            ("Sat, 31 Dec 2016 23:59:60 GMT", "2016-12-31T23:59:59Z"),
            ("Tue, 06 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z"),
        ] {
            assert_eq!(parse(text), Some(time.parse().unwrap()), "{text}");
        }
        for malformed in [
            "",
            "Sun",
            "yesterday",
            "1994-11-06T08:49:37Z",
            "784111777",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 CET",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT!",
            "06 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(parse(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        for text in [
            "Mon, 01 Jan 0001 00:00:00 GMT",
            "Wed, 31 Dec 1969 23:59:59 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Thu, 30 Dec 9999 22:00:00 GMT",
        ] {
            assert_eq!(parse(text).and_then(print).as_deref(), Some(text));
        }
        assert_eq!(print(Timestamp::MIN), None);
    }
}
