//! Tests the verifier with requests that the `aws-sigv4` crate has signed: which ones it accepts or refuses, and with
//! what error.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{self, SignableBody, SignableRequest, SignatureLocation, SigningSettings},
    sign::v4,
};
use http::{HeaderMap, HeaderValue};

use super::*;

pub(super) const REGION: &str = "eu-central-1";
pub(super) const TOKEN: &str = "a/token+of==many characters";

/// A request that can be signed, changed and sent.
#[derive(Clone)]
pub(super) struct Draft {
    method: &'static str,
    path: String,
    query: String,
    pub(super) headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Draft {
    pub(super) fn new(method: &'static str, path: &str, query: &str, body: &[u8]) -> Self {
        let headers = vec![("host".to_owned(), "localhost:9000".to_owned())];
        Self { method, path: path.to_owned(), query: query.to_owned(), headers, body: body.to_vec() }
    }

    /// The request, signed by the crate for `principal` at `time`.
    pub(super) fn signed(
        mut self,
        principal: &Principal,
        location: SignatureLocation,
        time: Timestamp,
    ) -> Self {
        let Principal { access_key_id, secret_access_key, session_token, .. } = principal.clone();
        let identity = Credentials::new(access_key_id, secret_access_key, session_token, None, "test").into();
        let mut settings = SigningSettings::default();
        settings.signature_location = location;
        settings.expires_in = Some(std::time::Duration::from_secs(600));
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name(SERVICE)
            .time(SystemTime::from(time))
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let query = if self.query.is_empty() { String::new() } else { format!("?{}", self.query) };
        let url = format!("http://localhost:9000{}{query}", self.path);
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let request = SignableRequest::new(self.method, url, headers, SignableBody::Bytes(&self.body));
        let output = http_request::sign(request.unwrap(), &parameters).unwrap();
        let (instructions, _) = output.into_parts();
        let (headers, parameters) = instructions.into_parts();
        let headers = headers.into_iter().map(|it| (it.name().to_owned(), it.value().to_owned()));
        self.headers.extend(headers);
        for (name, value) in parameters {
            let separator = if self.query.is_empty() { "" } else { "&" };
            let value = percent_encoding::utf8_percent_encode(&value, percent_encoding::NON_ALPHANUMERIC);
            self.query = format!("{}{separator}{name}={value}", self.query);
        }
        self
    }

    fn header(&mut self, name: &str) -> &mut String {
        &mut self.headers.iter_mut().find(|(known, _)| known == name).unwrap().1
    }

    pub(super) fn authenticate(&self, principal: &Principal, now: Timestamp) -> Result<(), AuthError> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(HeaderName::try_from(name).unwrap(), value);
        }
        let sent =
            SentRequest { method: self.method, path: &self.path, query: &self.query, headers: &headers };
        let signed = SignedRequest { sent, body: &self.body, now, region: REGION, service: SERVICE };
        Iam::new(vec![principal.clone()]).authenticate(&signed).map(|_| ())
    }
}

pub(super) fn principal(session_token: Option<&str>) -> Principal {
    Principal { session_token: session_token.map(str::to_owned), ..Principal::defaults().remove(0) }
}

pub(super) fn noon() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

fn signed(draft: Draft) -> Draft {
    draft.signed(&principal(None), SignatureLocation::Headers, noon())
}

fn presigned(draft: Draft) -> Draft {
    draft.signed(&principal(None), SignatureLocation::QueryParams, noon())
}

fn reason(draft: &Draft, now: Timestamp) -> String {
    match draft.authenticate(&principal(None), now).unwrap_err() {
        AuthError::Invalid(detail) | AuthError::Incomplete(detail) => detail,
        other => format!("{other:?}"),
    }
}

fn get() -> Draft {
    Draft::new("GET", "/v1/products", "limit=1", b"")
}

#[test]
fn allows_five_minutes_between_the_clocks() {
    let draft = signed(get());
    for skew in [-300, -1, 0, 1, 300] {
        assert_eq!(draft.authenticate(&principal(None), noon() + seconds(skew)), Ok(()), "{skew}");
    }
    assert_eq!(
        reason(&draft, noon() + seconds(301)),
        "Signature expired: 20261121T120000Z is now earlier than 20261121T120001Z (20261121T120501Z - 5 min.)"
    );
    assert_eq!(
        reason(&draft, noon() - seconds(301)),
        "Signature not yet current: 20261121T120000Z is still later than 20261121T115959Z \
         (20261121T115459Z + 5 min.)"
    );
}

#[test]
fn takes_presigned_urls_until_they_expire() {
    let draft = presigned(get());
    for skew in [-300, 0, 600] {
        assert_eq!(draft.authenticate(&principal(None), noon() + seconds(skew)), Ok(()), "{skew}");
    }
    assert_eq!(
        reason(&draft, noon() + seconds(601)),
        "Signature expired: 20261121T121000Z is now earlier than 20261121T121001Z"
    );
    assert!(reason(&draft, noon() - seconds(301)).starts_with("Signature not yet current"));
}

#[test]
fn wants_the_session_token_of_the_key() {
    for location in [SignatureLocation::Headers, SignatureLocation::QueryParams] {
        let with_token = get().signed(&principal(Some(TOKEN)), location, noon());
        assert_eq!(with_token.authenticate(&principal(Some(TOKEN)), noon()), Ok(()));
        for other in [None, Some("another token"), Some("")] {
            assert_eq!(with_token.authenticate(&principal(other), noon()), Err(AuthError::UnknownKey));
        }
        let without = get().signed(&principal(None), location, noon());
        assert_eq!(without.authenticate(&principal(Some(TOKEN)), noon()), Err(AuthError::UnknownKey));
    }
}

#[test]
fn shows_the_sender_what_to_sign_but_not_the_token() {
    for location in [SignatureLocation::Headers, SignatureLocation::QueryParams] {
        let mut draft = get().signed(&principal(Some(TOKEN)), location, noon());
        draft.path = "/v1/artisans".to_owned();
        let error = draft.authenticate(&principal(Some(TOKEN)), noon()).unwrap_err();
        let AuthError::Mismatch { canonical, string_to_sign } = error else { panic!("{error:?}") };
        assert!(canonical.starts_with("GET\n/v1/artisans\n"), "{canonical}");
        assert!(canonical.contains("limit=1\nhost:localhost:9000\n"), "{canonical}");
        assert!(canonical.to_lowercase().contains("x-amz-security-token"), "{canonical}");
        assert!(!canonical.contains("a/token") && !canonical.contains("a%2Ftoken"), "{canonical}");
        assert!(string_to_sign.starts_with("AWS4-HMAC-SHA256\n20261121T120000Z\n20261121/eu-central-1/"));
    }
}

#[test]
fn says_what_credentials_lack() {
    let good = signed(get()).header("authorization").clone();
    let replaced = |from: &str, to: &str| good.replace(from, to);
    let pair = "Invalid key=value pair (missing equal-sign) in Authorization header.";
    for (authorization, expected) in [
        ("Bearer".to_owned(), pair),
        ("Bearer abc.def".to_owned(), pair),
        ("Basic Zm9vOmJhcg==".to_owned(), "Unknown parameter"),
        (String::new(), pair),
        (replaced("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), "Unsupported AWS 'algorithm'."),
        (replaced("Signature=", "Signatur="), "Unknown parameter"),
        (replaced(", Signature", ", Credential=x, Signature"), "is repeated"),
        (good.split(", Signature").next().unwrap().to_owned(), "requires 'Credential', 'Signature'"),
        (replaced("/aws4_request", ""), "Credential must have exactly 5"),
        (replaced("/aws4_request", "/aws4_request/x"), "Credential must have exactly 5"),
        (replaced("aws4_request", "aws5_request"), "valid terminator"),
        (replaced("execute-api", "s3"), "correct service: 'execute-api'"),
        (replaced("eu-central-1", "us-east-1"), "valid region: 'eu-central-1'"),
        (replaced("/20261121/", "/20261120/"), "Date in Credential scope"),
        (replaced("/20261121/", "/2026/"), "Date in Credential scope"),
        (replaced("host;", ""), "'Host' or ':authority' must be a 'SignedHeader'"),
        (replaced(";x-amz-date", ""), "must be a 'SignedHeader'"),
        (replaced("host;", "host;x-none;"), "is not in the request"),
        (replaced("SignedHeaders=host;x-amz-date", "SignedHeaders="), "must be a 'SignedHeader'"),
    ] {
        let mut draft = signed(get());
        draft.header("authorization").clone_from(&authorization);
        let reason = reason(&draft, noon());
        assert!(reason.contains(expected), "{authorization}: {reason}");
    }
}

#[test]
fn wants_each_header_of_a_signature_once_and_signed() {
    for (name, value, expected) in [
        ("authorization", "Bearer x", "is repeated"),
        ("x-amz-date", "20261121T120000Z", "is repeated"),
        ("x-amz-meta", "1", "must be a 'SignedHeader'"),
        ("x-amz-content-sha256", "UNSIGNED-PAYLOAD", "must be a 'SignedHeader'"),
    ] {
        let mut draft = signed(get());
        draft.headers.push((name.to_owned(), value.to_owned()));
        let reason = reason(&draft, noon());
        assert!(reason.contains(expected), "{name}: {reason}");
    }
    for date in ["2026-11-21T12:00:00Z", "20261121", "", "20261321T120000Z", "2026é121T12000Z"] {
        let mut draft = signed(get());
        *draft.header("x-amz-date") = date.to_owned();
        assert!(draft.authenticate(&principal(None), noon()).is_err(), "{date}");
    }
}

#[test]
fn wants_an_honest_hash_of_the_body() {
    let hash = hex_sha256(b"{}");
    for (sent, is_taken) in
        [(hash.as_str(), true), ("UNSIGNED-PAYLOAD", false), (&hex_sha256(b""), false), ("", false)]
    {
        let mut draft = Draft::new("POST", "/v1/products", "", b"{}");
        draft.headers.push((CONTENT_HASH_HEADER.to_owned(), sent.to_owned()));
        assert_eq!(signed(draft).authenticate(&principal(None), noon()).is_ok(), is_taken, "{sent}");
    }
}

#[test]
fn says_what_a_presigned_url_lacks() {
    let good = presigned(get()).query;
    for (from, to, expected) in [
        ("X-Amz-Signature=", "X-Amz-Signed=", "must include"),
        ("X-Amz-Algorithm=", "X-Amz-Algorithms=", "must include"),
        ("HMAC", "ECDSA", "Unsupported AWS 'algorithm'."),
        ("X-Amz-Expires=600", "X-Amz-Expires=0", "from 1 to 604800"),
        ("X-Amz-Expires=600", "X-Amz-Expires=604801", "from 1 to 604800"),
        ("X-Amz-Expires=600", "X-Amz-Expires=-1", "from 1 to 604800"),
        ("X-Amz-Expires=600", "X-Amz-Expires=60O", "from 1 to 604800"),
        ("X-Amz-Expires=600", "X-Amz-Expires=600&X-Amz-Expires=601", "is repeated"),
        ("limit=1", "X-Amz-Credential=x", "is repeated"),
        ("X-Amz-Expires=600", "X-Amz-Expires=601", "Mismatch"),
        ("limit=1", "limit=2", "Mismatch"),
    ] {
        assert!(good.contains(from), "{good}");
        let draft = Draft { query: good.replace(from, to), ..get() };
        let reason = reason(&draft, noon());
        assert!(reason.contains(expected), "{from} {to}: {reason}");
    }
}

#[test]
fn takes_the_date_header_of_http() {
    // Signed by hand, since no client of the tests sends this header.
    let key = principal(None);
    let date = "Sat, 21 Nov 2026 12:00:00 GMT";
    let mut draft = get();
    draft.headers.push(("date".to_owned(), date.to_owned()));
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("localhost:9000"));
    headers.insert("date", HeaderValue::from_static(date));
    let sent = SentRequest { method: "GET", path: &draft.path, query: &draft.query, headers: &headers };
    let scope = signature::Scope { date: "20261121", region: REGION, service: SERVICE };
    let canonical = sent.canonical("date;host", false, &hex_sha256(b""));
    let text = string_to_sign("20261121T120000Z", &scope, &canonical);
    let signature = signature::sign(&key.secret_access_key, &scope, &text);
    draft.headers.push((
        "authorization".to_owned(),
        format!(
            "AWS4-HMAC-SHA256 Credential={}/{}, SignedHeaders=date;host, Signature={signature}",
            key.access_key_id,
            scope.text()
        ),
    ));
    assert_eq!(draft.authenticate(&key, noon()), Ok(()));
    *draft.header("date") = "Sat, 21 Nov 2026 12:00:01 GMT".to_owned();
    assert!(draft.authenticate(&key, noon()).is_err());
}
