//! Reads the credentials of a request: an `Authorization` header, or the query parameters of a presigned URL.

use http::{HeaderMap, header};
use jiff::{Timestamp, civil::DateTime, fmt::rfc2822, tz::TimeZone};
use percent_encoding::percent_decode_str;

use super::{
    canonical::{SIGNATURE_PARAMETER, SentRequest},
    error::AuthError,
    signature::{ALGORITHM, Scope},
};

/// The header of a session token.
pub(super) const TOKEN_HEADER: &str = "x-amz-security-token";
/// The query parameters of a presigned URL.
pub(super) const PARAMETERS: [&str; 7] = [
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-SignedHeaders",
    SIGNATURE_PARAMETER,
    "X-Amz-Date",
    "X-Amz-Security-Token",
    "X-Amz-Expires",
];

const DATE_HEADER: &str = "x-amz-date";
/// Seven days, AWS's limit.
const LONGEST_EXPIRY_SECONDS: i64 = 604_800;

/// Credentials as presented, not verified yet.
#[derive(Debug)]
pub(super) struct PresentedCredentials {
    pub(super) access_key_id: String,
    /// Date, region, service and terminator.
    scope: [String; 4],
    pub(super) signed_headers: String,
    pub(super) signature: String,
    pub(super) signed_at: Timestamp,
    pub(super) session_token: Option<String>,
    pub(super) is_presigned: bool,
    /// The validity of a presigned URL, if it has one.
    pub(super) expires_seconds: Option<i64>,
}

/// The parts of credentials as text, from the headers or the query.
#[derive(Default)]
struct RawCredentials {
    algorithm: Option<String>,
    credential: Option<String>,
    signed_headers: Option<String>,
    signature: Option<String>,
    date: Option<String>,
    session_token: Option<String>,
    expires: Option<String>,
}

impl PresentedCredentials {
    /// Reads the credentials of a request.
    pub(super) fn read(sent: &SentRequest<'_>) -> Result<Self, AuthError> {
        if sent.headers.contains_key(header::AUTHORIZATION) {
            let raw = RawCredentials::from_headers(sent.headers)?;
            return Self::new(raw, false);
        }
        let raw = RawCredentials::from_query(sent.query)?;
        if raw.algorithm.is_none() && raw.credential.is_none() && raw.signature.is_none() {
            return Err(AuthError::MissingToken);
        }
        Self::new(raw, true)
    }

    fn new(raw: RawCredentials, is_presigned: bool) -> Result<Self, AuthError> {
        let RawCredentials { algorithm, credential, signed_headers, signature, date, session_token, expires } =
            raw;
        if algorithm.as_deref().is_some_and(|algorithm| algorithm != ALGORITHM) {
            return Err(AuthError::incomplete("Unsupported AWS 'algorithm'."));
        }
        let (Some(credential), Some(signed_headers), Some(signature), Some(date), Some(_)) =
            (&credential, signed_headers, signature, date, algorithm)
        else {
            return Err(AuthError::incomplete(if is_presigned {
                "AWS query-string parameters must include 'X-Amz-Algorithm', 'X-Amz-Credential', \
                 'X-Amz-Signature', 'X-Amz-SignedHeaders' and 'X-Amz-Date'."
            } else {
                "Authorization header requires 'Credential', 'Signature' and 'SignedHeaders' parameters and the \
                 existence of either a 'X-Amz-Date' or a 'Date' header."
            }));
        };
        let parts: Vec<_> = credential.split('/').map(str::to_owned).collect();
        let Ok([access_key_id, scope @ ..]) = <[String; 5]>::try_from(parts) else {
            return Err(AuthError::incomplete(
                "Credential must have exactly 5 slash-delimited elements, e.g. \
                 keyid/date/region/service/term.",
            ));
        };
        let signed_at =
            parse_basic_format(&date).or_else(|| parse_http_date(&date).filter(|_| !is_presigned));
        let signed_at = signed_at.ok_or_else(|| {
            AuthError::incomplete("Date must be in ISO-8601 'basic format', e.g. 20150830T123600Z.")
        })?;
        let expires_seconds = expires.as_deref().map(parse_expiry).transpose()?;
        Ok(Self {
            access_key_id,
            scope,
            signed_headers,
            signature,
            signed_at,
            session_token,
            is_presigned,
            expires_seconds,
        })
    }

    /// The credential scope, not verified yet.
    pub(super) fn scope(&self) -> Scope<'_> {
        let [date, region, service, _] = &self.scope;
        Scope { date, region, service }
    }

    /// The last part of the credential.
    pub(super) fn terminator(&self) -> &str {
        let [.., terminator] = &self.scope;
        terminator
    }
}

impl RawCredentials {
    /// `AWS4-HMAC-SHA256 Credential=..., SignedHeaders=..., Signature=...`
    fn from_headers(headers: &HeaderMap) -> Result<Self, AuthError> {
        let missing_equals =
            || AuthError::incomplete("Invalid key=value pair (missing equal-sign) in Authorization header.");
        let authorization = single(headers, header::AUTHORIZATION.as_str())?.unwrap_or_default();
        let (algorithm, pairs) = authorization.split_once(' ').ok_or_else(missing_equals)?;
        let date = match single(headers, DATE_HEADER)? {
            Some(date) => Some(date),
            None => single(headers, header::DATE.as_str())?,
        };
        let mut raw = Self {
            algorithm: Some(algorithm.to_owned()),
            date: date.map(str::to_owned),
            session_token: single(headers, TOKEN_HEADER)?.map(str::to_owned),
            ..Self::default()
        };
        for pair in pairs.split(',') {
            let (name, value) = pair.trim_matches(' ').split_once('=').ok_or_else(missing_equals)?;
            let text = match name {
                "Credential" => &mut raw.credential,
                "SignedHeaders" => &mut raw.signed_headers,
                "Signature" => &mut raw.signature,
                _ => return Err(AuthError::incomplete("Unknown parameter in Authorization header.")),
            };
            set_once(text, value.to_owned())?;
        }
        Ok(raw)
    }

    fn from_query(query: &str) -> Result<Self, AuthError> {
        let mut raw = Self::default();
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
            let text = match decode(name).as_str() {
                "X-Amz-Algorithm" => &mut raw.algorithm,
                "X-Amz-Credential" => &mut raw.credential,
                "X-Amz-SignedHeaders" => &mut raw.signed_headers,
                SIGNATURE_PARAMETER => &mut raw.signature,
                "X-Amz-Date" => &mut raw.date,
                "X-Amz-Security-Token" => &mut raw.session_token,
                "X-Amz-Expires" => &mut raw.expires,
                _ => continue,
            };
            set_once(text, decode(value))?;
        }
        Ok(raw)
    }
}

fn set_once(text: &mut Option<String>, value: String) -> Result<(), AuthError> {
    match text.replace(value) {
        None => Ok(()),
        Some(_) => Err(AuthError::incomplete("A parameter of the signature is repeated.")),
    }
}

/// The value of a header that must not be repeated.
fn single<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, AuthError> {
    let mut values = headers.get_all(name).iter();
    match (values.next().map(|value| value.to_str()), values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(value)), None) => Ok(Some(value)),
        _ => Err(AuthError::incomplete("A header of the signature is repeated, or is not ASCII.")),
    }
}

fn parse_expiry(text: &str) -> Result<i64, AuthError> {
    let seconds = text.parse().ok().filter(|seconds| (1..=LONGEST_EXPIRY_SECONDS).contains(seconds));
    seconds
        .ok_or_else(|| AuthError::incomplete("X-Amz-Expires must be a number of seconds from 1 to 604800."))
}

/// Parses a time in ISO 8601's basic format: `20150830T123600Z`.
fn parse_basic_format(text: &str) -> Option<Timestamp> {
    let is_basic = text.len() == 16
        && text.bytes().enumerate().all(|(index, byte)| match index {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    let time = DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok().filter(|_| is_basic)?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// Parses the time in HTTP's `Date` header.
fn parse_http_date(text: &str) -> Option<Timestamp> {
    Some(rfc2822::parse(text).ok()?.timestamp())
}

/// A time in ISO 8601's basic format.
pub(super) fn in_basic_format(time: Timestamp) -> String {
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}
