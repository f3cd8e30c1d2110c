//! Fuzz target: invariants of conditional requests.

#![expect(clippy::expect_used, reason = "a fuzz target reports a violation by a panic")]

use ::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use uuid::Uuid;

use super::{EntityTag, Preconditions, Tags, Validators, Versioned};
use crate::http::{Response, date};

const HEADERS: [HeaderName; 4] =
    [header::IF_MATCH, header::IF_UNMODIFIED_SINCE, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE];

/// The selected resource; its tag is `"00000000000000000000000000000007.2.1"`.
pub(super) struct Cup;

impl Versioned for Cup {
    const REPRESENTATION: u32 = 1;

    fn id(&self) -> Uuid {
        Uuid::from_u128(7)
    }

    fn version(&self) -> i64 {
        2
    }

    /// Sun, 06 Nov 1994 08:49:37.5 GMT.
    fn updated_at(&self) -> Timestamp {
        Timestamp::from_millisecond(784_111_777_500).expect("a time")
    }
}

/// Parses each line of `bytes` as a header: the first byte selects one of the four, the rest is its value.
pub fn preconditions(bytes: &[u8]) -> &'static str {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|&byte| byte == b'\n') {
        if let Some((&which, value)) = line.split_first()
            && let Ok(value) = HeaderValue::from_bytes(value)
        {
            headers.append(&HEADERS[usize::from(which) % HEADERS.len()], value);
        }
    }
    let Ok(preconditions) = Preconditions::from_headers(&headers) else { return "malformed" };
    assert_eq!(preconditions.has_if_match(), headers.contains_key(header::IF_MATCH));
    assert_eq!(
        Preconditions::from_headers(&print(&preconditions)).ok().as_ref(),
        Some(&preconditions),
        "printed and read again"
    );

    let validators = Validators::of(&Cup);
    let own = validators.tag.as_str();
    let expected = judged_by_the_rfc(&preconditions, own);
    let response = Response::ok(&"cup");
    let status = match preconditions.read(&validators, response) {
        Ok(response) => {
            assert_eq!(response.body.is_empty(), response.status == StatusCode::NOT_MODIFIED);
            assert!(response.headers.contains_key(header::ETAG));
            response.status
        }
        Err(problem) => problem.status(),
    };
    assert_eq!(status, expected, "a read of {own} under {preconditions:?}");
    assert_eq!(
        holds(&preconditions),
        would_write(&preconditions, own),
        "a write of {own} under {preconditions:?}"
    );
    match status {
        StatusCode::OK => "200",
        StatusCode::NOT_MODIFIED => "304",
        _ => "412",
    }
}

/// The headers that express `preconditions`.
fn print(preconditions: &Preconditions) -> HeaderMap {
    let tags = |tags: &Tags| match tags {
        Tags::Any => HeaderValue::from_static("*"),
        Tags::List(tags) => {
            let print = |EntityTag { is_weak, opaque }: &EntityTag| {
                format!("{}\"{opaque}\"", if *is_weak { "W/" } else { "" })
            };
            let list = tags.iter().map(print).collect::<Vec<_>>().join(", ");
            HeaderValue::from_bytes(list.as_bytes()).expect("a header")
        }
    };
    let date = |time: Timestamp| HeaderValue::try_from(date::print(time).expect("a date")).expect("a header");
    let Preconditions { if_match, if_unmodified_since, if_none_match, if_modified_since } = preconditions;
    [
        (header::IF_MATCH, if_match.as_ref().map(tags)),
        (header::IF_UNMODIFIED_SINCE, if_unmodified_since.map(date)),
        (header::IF_NONE_MATCH, if_none_match.as_ref().map(tags)),
        (header::IF_MODIFIED_SINCE, if_modified_since.map(date)),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
    .collect()
}

/// Whether `own`, which is strong, is in `tags` (RFC 9110, section 8.8.3.2).
fn has(tags: &Tags, own: &str, strongly: bool) -> bool {
    match tags {
        Tags::Any => true,
        Tags::List(tags) => tags.iter().any(|tag| tag.opaque == own && !(strongly && tag.is_weak)),
    }
}

fn changed_at() -> Timestamp {
    Timestamp::from_second(784_111_777).expect("a time")
}

/// The steps of RFC 9110, section 13.2.2, for a GET.
fn judged_by_the_rfc(preconditions: &Preconditions, own: &str) -> StatusCode {
    let Preconditions { if_match, if_unmodified_since, if_none_match, if_modified_since } = preconditions;
    let may_go_on = match (if_match, if_unmodified_since) {
        (Some(tags), _) => has(tags, own, true),
        (None, Some(date)) => changed_at() <= *date,
        (None, None) => true,
    };
    if !may_go_on {
        return StatusCode::PRECONDITION_FAILED;
    }
    let is_new = match (if_none_match, if_modified_since) {
        (Some(tags), _) => !has(tags, own, false),
        (None, Some(date)) => changed_at() > *date,
        (None, None) => true,
    };
    if is_new { StatusCode::OK } else { StatusCode::NOT_MODIFIED }
}

/// The same steps for a write, for which `If-Modified-Since` is ignored.
fn would_write(preconditions: &Preconditions, own: &str) -> bool {
    let without = Preconditions { if_modified_since: None, ..preconditions.clone() };
    judged_by_the_rfc(&without, own) == StatusCode::OK
}

/// The database's `preconditions_hold`, for the parameters of `preconditions`.
fn holds(preconditions: &Preconditions) -> bool {
    let (versions, unmodified_since, other_versions) = preconditions.parameters::<Cup>(Cup.id());
    let version = Cup.version();
    versions.is_none_or(|versions| versions.contains(&version))
        && unmodified_since.is_none_or(|since| changed_at() <= since)
        && other_versions.is_none_or(|others| !others.contains(&version))
}
