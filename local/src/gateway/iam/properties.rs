//! Property tests: the verifier accepts every correctly signed request, and no input makes it panic.

use aws_sigv4::http_request::SignatureLocation;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

use super::{
    tests::{Draft, REGION, TOKEN, noon, principal},
    *,
};

/// Paths and queries that the `http` crate, with which `aws-sigv4` parses them, accepts.
const PATH: &str = "(/([a-zA-Z0-9._~+:=@$,!*-]|%[0-9A-Fa-f]{2}|/){0,8}){1,4}";
const QUERY: &str = "([a-zA-Z0-9._~+:=@$,!*/?;&-]|%[0-7][0-9A-Fa-f]|%E6%BC%86){0,40}";

proptest! {
    #[test]
    fn accepts_whatever_the_crate_signs(
        path in PATH,
        query in QUERY,
        value in "[ -~]{0,20}",
        body in prop::collection::vec(any::<u8>(), 0..64),
        has_token: bool,
        is_presigned: bool,
    ) {
        let key = principal(has_token.then_some(TOKEN));
        let location = if is_presigned { SignatureLocation::QueryParams } else { SignatureLocation::Headers };
        let mut draft = Draft::new("POST", &path, &query, &body);
        draft.headers.push(("x-note".to_owned(), value.trim().to_owned()));
        let draft = draft.signed(&key, location, noon());
        prop_assert_eq!(draft.authenticate(&key, noon()), Ok(()));
    }

    #[test]
    fn our_own_signer_signs_what_the_verifier_takes(path in PATH, query in QUERY, has_token: bool) {
        let key = principal(has_token.then_some(TOKEN));
        let uri = format!("http://localhost:9000{path}?{query}");
        let mut request = http::Request::post(uri).body(b"{}".to_vec()).unwrap();
        sign(&mut request, &key, REGION, noon()).unwrap();
        let (head, body) = request.into_parts();
        let uri = &head.uri;
        let sent = SentRequest {
            method: "POST",
            path: uri.path(),
            query: uri.query().unwrap_or_default(),
            headers: &head.headers,
        };
        let signed = SignedRequest { sent, body: &body, now: noon(), region: REGION, service: SERVICE };
        prop_assert!(Iam::new(vec![key]).authenticate(&signed).is_ok());
    }

    #[test]
    fn no_noise_is_let_in_and_none_panics(
        authorization in prop::collection::vec(prop_oneof![0x20_u8..0x7f, 0x80_u8..=0xff], 0..120),
        date in "\\PC{0,20}",
        query in "\\PC{0,60}",
        path in "/\\PC{0,20}",
    ) {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_bytes(&authorization).unwrap());
        if let Ok(date) = HeaderValue::from_str(&date) {
            headers.insert("x-amz-date", date);
        }
        let iam = Iam::new(Principal::defaults());
        for headers in [&headers, &HeaderMap::new()] {
            let sent = SentRequest { method: "GET", path: &path, query: &query, headers };
            let signed = SignedRequest { sent, body: b"", now: noon(), region: REGION, service: SERVICE };
            prop_assert!(iam.authenticate(&signed).is_err());
        }
    }

    #[test]
    fn no_credentials_of_any_shape_panic(
        fields in prop::collection::vec("(Credential|SignedHeaders|Signature|[A-Za-z]{1,5})=[!-~]{0,30}", 0..5),
        parameters in prop::collection::vec(
            "X-Amz-(Algorithm|Credential|SignedHeaders|Signature|Date|Expires|Security-Token)=[!-~]{0,30}", 0..8),
        date in "[0-9]{8}T[0-9]{6}Z",
    ) {
        let mut headers = HeaderMap::new();
        let query = parameters.join("&");
        headers.insert("x-amz-date", HeaderValue::from_str(&date).unwrap());
        let authorization = format!("AWS4-HMAC-SHA256 {}", fields.join(", "));
        let mut with_header = headers.clone();
        with_header.insert("authorization", HeaderValue::from_str(&authorization).unwrap());
        let iam = Iam::new(Principal::defaults());
        for headers in [&headers, &with_header] {
            let sent = SentRequest { method: "GET", path: "/", query: &query, headers };
            let signed = SignedRequest { sent, body: b"", now: noon(), region: REGION, service: SERVICE };
            prop_assert!(iam.authenticate(&signed).is_err());
        }
    }
}
