//! Conditional requests (RFC 9110, section 13): validators in responses, preconditions in requests, evaluated
//! in the order of the RFC.
//!
//! Preconditions of reads are evaluated here. Those of writes become parameters of the statement, so that of
//! two writers with the same `If-Match` only one can succeed.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

use std::borrow::Cow;

use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{FieldError, Problem, Response, Result, date};
use crate::db::{Repeat, Row, Written};

/// A resource with a version that every change increments.
pub trait Versioned {
    /// Must change whenever the JSON of an unchanged resource changes, so that old tags no longer match.
    const REPRESENTATION: u32;

    /// The resource's id.
    fn id(&self) -> Uuid;
    /// 1 at creation, incremented by every change.
    fn version(&self) -> i64;
    /// The time of the last change.
    fn updated_at(&self) -> Timestamp;
}

/// The validators of a representation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validators {
    /// The opaque part of a strong entity tag, without quotes.
    tag: String,
    /// To the second, as in HTTP dates; `None` for documents.
    last_modified: Option<Timestamp>,
}

impl Validators {
    /// The validators of `resource`.
    pub fn of<T: Versioned>(resource: &T) -> Self {
        let last_modified = to_the_second(resource.updated_at());
        Self { tag: tag::<T>(resource.id(), resource.version()), last_modified: Some(last_modified) }
    }

    /// The validators of a document without a version, such as a page of a list: a hash of its `content`.
    pub fn of_document(content: &[u8]) -> Self {
        Self { tag: abbreviated(Sha256::new_with_prefix(content)), last_modified: None }
    }

    /// Sets `ETag` and `Last-Modified`.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        if let Ok(tag) = HeaderValue::try_from(format!("\"{}\"", self.tag)) {
            headers.insert(header::ETAG, tag);
        }
        if let Some(time) = self.last_modified
            && let Some(Ok(date)) = date::print(time).map(HeaderValue::try_from)
        {
            headers.insert(header::LAST_MODIFIED, date);
        }
    }
}

/// The first half of a digest in hexadecimal: enough to tell representations apart.
fn abbreviated(hash: Sha256) -> String {
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// The tag of a version: id, version and representation.
fn tag<T: Versioned>(id: Uuid, version: i64) -> String {
    format!("{}.{version}.{:x}", id.simple(), T::REPRESENTATION)
}

/// The version of `id` that `tag` denotes; `None` if it is a tag of something else.
fn version_of<T: Versioned>(id: Uuid, tag: &str) -> Option<i64> {
    let version = tag.split('.').nth(1)?.parse().ok()?;
    (self::tag::<T>(id, version) == tag).then_some(version)
}

/// An entity tag in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
struct EntityTag {
    is_weak: bool,
    opaque: String,
}

/// `*` or a list of entity tags.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tags {
    Any,
    List(Vec<EntityTag>),
}

/// The preconditions of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preconditions {
    if_match: Option<Tags>,
    if_unmodified_since: Option<Timestamp>,
    if_none_match: Option<Tags>,
    if_modified_since: Option<Timestamp>,
}

impl Preconditions {
    /// Parses the preconditions in `headers`. Invalid dates are ignored, as the RFC requires.
    ///
    /// # Errors
    /// 400 if a list of tags is malformed: ignoring `If-Match` would lose an update.
    pub(super) fn from_headers(headers: &HeaderMap) -> Result<Self> {
        Ok(Self {
            if_match: tags(headers, header::IF_MATCH)?,
            if_unmodified_since: date_of(headers, header::IF_UNMODIFIED_SINCE),
            if_none_match: tags(headers, header::IF_NONE_MATCH)?,
            if_modified_since: date_of(headers, header::IF_MODIFIED_SINCE),
        })
    }

    /// Whether the request has an `If-Match` header.
    pub fn has_if_match(&self) -> bool {
        self.if_match.is_some()
    }

    /// Whether a write under these preconditions may be sent twice: only if it names a version, which the
    /// first attempt would have replaced.
    pub fn repeat(&self) -> Repeat {
        if matches!(self.if_match, Some(Tags::List(_))) { Repeat::Safe } else { Repeat::Unsafe }
    }

    /// Evaluates the preconditions for a read of a representation with `validators`: returns `response`, or 304.
    ///
    /// # Errors
    /// 412 if `If-Match` or `If-Unmodified-Since` is false.
    pub(super) fn read(&self, validators: &Validators, mut response: Response) -> Result<Response> {
        validators.write(&mut response.headers);
        let is_match = match (&self.if_match, self.if_unmodified_since, validators.last_modified) {
            (Some(Tags::List(tags)), _, _) => tags.iter().any(|tag| tag.matches_strongly(&validators.tag)),
            (None, Some(since), Some(modified)) => modified <= since,
            // `If-Match: *` matches whatever there is.
            _ => true,
        };
        if !is_match {
            return Err(Problem::precondition_failed(response.headers.remove(header::ETAG)));
        }
        let is_modified = match (&self.if_none_match, self.if_modified_since, validators.last_modified) {
            (Some(Tags::Any), _, _) => false,
            (Some(Tags::List(tags)), _, _) => !tags.iter().any(|tag| tag.matches_weakly(&validators.tag)),
            (None, Some(since), Some(modified)) => modified > since,
            _ => true,
        };
        Ok(if is_modified { response } else { response.not_modified() })
    }

    /// The preconditions of a write to the resource `id` as parameters of the database's
    /// `preconditions_hold`: the versions of `If-Match`, the time of `If-Unmodified-Since`, the versions of
    /// `If-None-Match`.
    pub fn parameters<T: Versioned>(
        &self,
        id: Uuid,
    ) -> (Option<Vec<i64>>, Option<Timestamp>, Option<Vec<i64>>) {
        let mut versions = match &self.if_match {
            None | Some(Tags::Any) => None,
            // Strong comparison: a weak tag matches nothing.
            Some(Tags::List(tags)) => Some(
                tags.iter()
                    .filter(|tag| !tag.is_weak)
                    .filter_map(|tag| version_of::<T>(id, &tag.opaque))
                    .collect(),
            ),
        };
        let unmodified_since = match &self.if_match {
            Some(_) => None,
            None => self.if_unmodified_since,
        };
        let other_versions = match &self.if_none_match {
            None => None,
            Some(Tags::List(tags)) => {
                Some(tags.iter().filter_map(|tag| version_of::<T>(id, &tag.opaque)).collect())
            }
            Some(Tags::Any) => {
                // `If-None-Match: *` is false for any existing resource: no version matches.
                versions = Some(Vec::new());
                None
            }
        };
        (versions, unmodified_since, other_versions)
    }

    /// Checks the result of a deletion like [`check`](Self::check). If a repeated statement finds no row, the
    /// first attempt has deleted it.
    ///
    /// # Errors
    /// 404 or 412.
    pub fn check_deletion<T: Versioned>(&self, deleted: Written, what: &str) -> Result<()> {
        if deleted.row.is_none() && deleted.was_repeated {
            return Ok(());
        }
        self.check::<T>(deleted.row, what).map(|_| ())
    }

    /// Checks the result of a conditional write: a row with `id`, `version` and `preconditions_met`, which is whether the
    /// preconditions were true. `what` names the resource, such as "product".
    ///
    /// # Errors
    /// 404 without a row; 412 with the current `ETag` if the preconditions were false.
    pub fn check<T: Versioned>(&self, row: Option<Row>, what: &str) -> Result<Row> {
        let row = row.ok_or_else(|| Problem::not_found(what))?;
        if row.try_get("preconditions_met").map_err(crate::db::Error::from)? {
            return Ok(row);
        }
        let id = row.try_get("id").map_err(crate::db::Error::from)?;
        let version = row.try_get("version").map_err(crate::db::Error::from)?;
        Err(Problem::precondition_failed(
            HeaderValue::try_from(format!("\"{}\"", tag::<T>(id, version))).ok(),
        ))
    }
}

impl EntityTag {
    /// RFC 9110, section 8.8.3.2; the tags of this service are strong.
    fn matches_strongly(&self, own: &str) -> bool {
        !self.is_weak && self.opaque == own
    }

    fn matches_weakly(&self, own: &str) -> bool {
        self.opaque == own
    }
}

impl Response {
    /// The 304 response instead of this one: no body, and only the headers that RFC 9110, section 15.4.5,
    /// requires.
    fn not_modified(mut self) -> Self {
        self.status = StatusCode::NOT_MODIFIED;
        self.body = Cow::Borrowed("");
        self.headers.remove(header::CONTENT_TYPE);
        self.headers.remove(header::LINK);
        self.headers.remove(header::LAST_MODIFIED);
        self
    }
}

/// `time` rounded down to the second, also before 1970.
fn to_the_second(time: Timestamp) -> Timestamp {
    time.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Floor)).unwrap_or(time)
}

/// The date in a header that must appear only once; anything else is ignored.
fn date_of(headers: &HeaderMap, name: HeaderName) -> Option<Timestamp> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() { None } else { date::parse(value.trim()) }
}

/// The tags of all headers `name`, which together form one list.
fn tags(headers: &HeaderMap, name: HeaderName) -> Result<Option<Tags>> {
    let malformed = || {
        let detail = "must be `*` or a list of entity tags, such as \"01936b5e7c0070008000000000000001.1.1\"";
        Problem::invalid_parameters(vec![FieldError::parameter(name.as_str(), detail)])
    };
    let mut list = Vec::new();
    let mut has_any = false;
    let mut is_there = false;
    for value in headers.get_all(&name) {
        is_there = true;
        let text = std::str::from_utf8(value.as_bytes()).map_err(|_| malformed())?.trim();
        if text == "*" {
            has_any = true;
        } else {
            list.extend(parse_tags(text).ok_or_else(malformed)?);
        }
    }
    match (is_there, has_any, list.is_empty()) {
        (false, ..) => Ok(None),
        (true, true, true) => Ok(Some(Tags::Any)),
        (true, false, false) => Ok(Some(Tags::List(list))),
        _ => Err(malformed()),
    }
}

/// Parses a comma-separated list of tags; empty elements are allowed (RFC 9110, section 5.6.1). `None` if
/// malformed.
fn parse_tags(text: &str) -> Option<Vec<EntityTag>> {
    let mut tags = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(tags);
        }
        let (is_weak, quoted) = match rest.strip_prefix("W/") {
            Some(quoted) => (true, quoted),
            None => (false, rest),
        };
        let (opaque, after) = quoted.strip_prefix('"')?.split_once('"')?;
        // etagc: no white space, no control characters.
        if opaque.chars().any(|c| c <= ' ' || c == '\u{7f}') {
            return None;
        }
        tags.push(EntityTag { is_weak, opaque: opaque.to_owned() });
        rest = after.trim_start_matches([' ', '\t']);
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{fuzz::Cup, *};

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn documents_are_recognised_by_their_content() {
        let validators = Validators::of_document(b"one");
        assert_eq!(validators, Validators::of_document(b"one"));
        assert_ne!(validators, Validators::of_document(b"two"));
        let asked =
            Preconditions::from_headers(&headers(&[("if-none-match", &format!("\"{}\"", validators.tag))]));
        let response = asked.unwrap().read(&validators, Response::document("text/html", "one")).unwrap();
        assert_eq!((response.status, &*response.body), (StatusCode::NOT_MODIFIED, ""));
    }

    fn entity_tag(text: &str) -> EntityTag {
        let Some(Tags::List(mut tags)) = tags(&headers(&[("if-match", text)]), header::IF_MATCH).unwrap()
        else {
            panic!("{text} is no tag");
        };
        assert_eq!(tags.len(), 1);
        tags.remove(0)
    }

    /// RFC 9110, section 8.8.3.2, without its cases in which the service's own tag is weak.
    #[test]
    fn compares_as_the_rfc_does() {
        for (theirs, own, strong, weak) in [
            ("W/\"1\"", "1", false, true),
            ("W/\"1\"", "2", false, false),
            ("\"1\"", "1", true, true),
            ("\"1\"", "2", false, false),
        ] {
            let theirs = entity_tag(theirs);
            assert_eq!(
                (theirs.matches_strongly(own), theirs.matches_weakly(own)),
                (strong, weak),
                "{theirs:?} {own}"
            );
        }
    }

    /// The examples of RFC 9110, sections 8.8.3 and 13.1.1 to 13.1.2.
    #[test]
    fn reads_the_lists_of_the_rfc() {
        for (text, opaques) in [
            ("\"xyzzy\"", vec!["xyzzy"]),
            ("W/\"xyzzy\"", vec!["xyzzy"]),
            ("\"\"", vec![""]),
            ("\"xyzzy\", \"r2d2xxxx\", \"c3piozzzz\"", vec!["xyzzy", "r2d2xxxx", "c3piozzzz"]),
            ("W/\"xyzzy\", W/\"r2d2xxxx\", W/\"c3piozzzz\"", vec!["xyzzy", "r2d2xxxx", "c3piozzzz"]),
            (" , \"a,b\" ,, W/\"c\",", vec!["a,b", "c"]),
        ] {
            let Ok(Some(Tags::List(tags))) =
                tags(&headers(&[("if-none-match", text)]), header::IF_NONE_MATCH)
            else {
                panic!("{text} is a list");
            };
            assert_eq!(tags.iter().map(|tag| tag.opaque.as_str()).collect::<Vec<_>>(), opaques, "{text}");
        }
        for malformed in
            ["", "xyzzy", "\"a", "w/\"a\"", "W/ \"a\"", "\"a\"\"b\"", "\"a b\"", "*, \"a\"", "**", ","]
        {
            assert!(tags(&headers(&[("if-match", malformed)]), header::IF_MATCH).is_err(), "{malformed}");
        }
        assert_eq!(tags(&headers(&[]), header::IF_MATCH).unwrap(), None);
        assert_eq!(tags(&headers(&[("if-match", "*")]), header::IF_MATCH).unwrap(), Some(Tags::Any));
    }

    #[test]
    fn a_write_is_told_the_versions_that_its_tags_stand_for() {
        let id = Uuid::from_u128(7);
        let of = |list: &[(&'static str, &str)]| {
            Preconditions::from_headers(&headers(list)).unwrap().parameters::<Cup>(id)
        };
        let (first, second, foreign) =
            (tag::<Cup>(id, 1), tag::<Cup>(id, 2), tag::<Cup>(Uuid::from_u128(8), 3));
        let list = format!("\"{first}\", W/\"{second}\", \"{foreign}\", \"x\"");
        assert_eq!(of(&[("if-match", &list)]).0, Some(vec![1]));
        assert_eq!(of(&[("if-none-match", &list)]).2, Some(vec![1, 2]));
        assert_eq!(of(&[("if-match", "*")]), (None, None, None));
        assert_eq!(of(&[("if-none-match", "*")]), (Some(Vec::new()), None, None));
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(of(&[("if-unmodified-since", date)]).1.map(|time| time.as_second()), Some(784_111_777));
        assert_eq!(of(&[("if-match", "*"), ("if-unmodified-since", date)]).1, None);
    }

    proptest! {
        #[test]
        fn a_tag_stands_for_its_version_and_no_other(
            id: u128, version in 1..i64::MAX, other_id: u128, other_version in 1..i64::MAX,
        ) {
            let (id, other_id) = (Uuid::from_u128(id), Uuid::from_u128(other_id));
            prop_assert_eq!(version_of::<Cup>(id, &tag::<Cup>(id, version)), Some(version));
            if id != other_id {
                prop_assert_eq!(version_of::<Cup>(other_id, &tag::<Cup>(id, version)), None);
            }
            if version != other_version {
                prop_assert_ne!(tag::<Cup>(id, version), tag::<Cup>(id, other_version));
            }
        }

        #[test]
        fn any_header_is_read_without_panic(text in "[\\x20-\\x7e\\u{80}-\\u{ff}]{0,60}") {
            let map: HeaderMap = [(header::IF_MATCH, HeaderValue::from_bytes(text.as_bytes()).unwrap())].into_iter().collect();
            if let Ok(Some(Tags::List(tags))) = tags(&map, header::IF_MATCH) {
                prop_assert!(!tags.is_empty());
            }
        }

        #[test]
        fn a_strong_match_is_a_weak_match(is_weak: bool, opaque in "[!#-~]{0,8}", own in "[!#-~]{0,8}") {
            let theirs = EntityTag { is_weak, opaque };
            prop_assert!(!theirs.matches_strongly(&own) || theirs.matches_weakly(&own));
            prop_assert_eq!(theirs.matches_strongly(&own), !is_weak && theirs.opaque == own);
        }
    }
}
