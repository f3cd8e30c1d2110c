use std::sync::LazyLock;

use aws_lc_rs::signature::{RSA_PKCS1_SHA384, RSA_PSS_SHA256};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::HeaderValue;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

use super::*;

static POOL: LazyLock<UserPool> = LazyLock::new(|| UserPool::generate().unwrap());
static OTHER: LazyLock<UserPool> = LazyLock::new(|| UserPool::generate().unwrap());

const NOW: i64 = 1_795_000_000;

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

/// The claims of a token that may read, with `changes` applied; null removes a claim.
fn claims(changes: &Value) -> Value {
    let mut claims = json!({
        "sub": "7", "iss": UserPool::issuer(), "token_use": "access", "client_id": "atelier-local",
        "scope": "openid atelier/read", "iat": NOW - 60, "exp": NOW + 60,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

fn verify(token: &str) -> Result<Claims, TokenError> {
    POOL.authoriser().unwrap().verify(token, &["atelier/read".to_owned()], now())
}

fn reason(token: &str) -> String {
    match verify(token).unwrap_err() {
        TokenError::Unauthorized(reason) | TokenError::MissingScope(reason) => reason,
        TokenError::Expired => "expired".to_owned(),
    }
}

#[test]
fn takes_a_token_of_the_pool_and_hands_its_claims_on_as_text() {
    let token = POOL
        .sign(
            &POOL.header(),
            &claims(&json!({"cognito:groups": ["makers", "buyers"], "auth_time": NOW - 60})),
        )
        .unwrap();
    let claims = verify(&token).unwrap();
    let claim = |name: &str| claims[name].as_str();
    assert_eq!(claim("sub"), "7");
    assert_eq!(claim("scope"), "openid atelier/read");
    assert_eq!(claim("cognito:groups"), "makers,buyers");
    assert_eq!(claim("auth_time"), (NOW - 60).to_string());
    assert_eq!(claim("exp"), "Wed Nov 18 11:07:40 UTC 2026");
}

#[test]
fn refuses_claims_that_do_not_fit() {
    for (changes, expected) in [
        (json!({"iss": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_other"}), "InvalidIssuer"),
        (json!({"iss": null}), "iss"),
        (json!({"client_id": "other"}), "another client"),
        (json!({"client_id": null, "aud": "atelier-local"}), "another client"),
        (json!({"client_id": ["atelier-local"]}), "another client"),
        (json!({"exp": NOW}), "expired"),
        (json!({"exp": NOW - 3600}), "expired"),
        (json!({"exp": null}), "no valid exp and iat"),
        (json!({"exp": "tomorrow"}), "no valid exp and iat"),
        (json!({"iat": null}), "no valid exp and iat"),
        (json!({"iat": NOW + 1}), "not valid yet"),
        (json!({"nbf": NOW + 1}), "not valid yet"),
        (json!({"token_use": "id"}), "not an access token"),
        (json!({"token_use": null}), "not an access token"),
        (json!({"scope": "openid atelier/write"}), "none of the scopes atelier/read"),
        (json!({"scope": "atelier/reader x-atelier/read"}), "none of the scopes"),
        (json!({"scope": ""}), "none of the scopes"),
        (json!({"scope": null}), "none of the scopes"),
        (json!({"scope": ["atelier/read"]}), "none of the scopes"),
    ] {
        let token = POOL.sign(&POOL.header(), &claims(&changes)).unwrap();
        assert!(reason(&token).contains(expected), "{changes}: {}", reason(&token));
    }
    let last_moment = claims(&json!({"exp": NOW + 1, "iat": NOW, "nbf": NOW}));
    assert!(verify(&POOL.sign(&POOL.header(), &last_moment).unwrap()).is_ok());
}

#[test]
fn refuses_signatures_that_are_not_the_pools() {
    let good = POOL.sign(&POOL.header(), &claims(&json!({}))).unwrap();
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("{good}") };
    let encoded = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let kid = &POOL.header()["kid"];
    let admin = encoded(&claims(&json!({"sub": "admin"})));
    let none = encoded(&json!({"alg": "none", "kid": kid}));

    // The public key is not secret, so it must not be accepted as the secret of HS256.
    let public = POOL.jwks()["keys"][0]["n"].as_str().unwrap().to_owned();
    let mut confused = Header::new(Algorithm::HS256);
    confused.kid = kid.as_str().map(str::to_owned);
    let secrets = [public.as_bytes().to_vec(), BASE64_URL_SAFE_NO_PAD.decode(&public).unwrap()];
    let confused = secrets
        .map(|secret| encode(&confused, &claims(&json!({})), &EncodingKey::from_secret(&secret)).unwrap());

    // Valid, except for the algorithm.
    let signed_as = |encoding, algorithm: &str| {
        POOL.sign_as(encoding, &json!({"alg": algorithm, "kid": kid}), &claims(&json!({}))).unwrap()
    };

    for (what, token) in [
        ("nothing", String::new()),
        ("no token", "sesame".to_owned()),
        ("alg none", format!("{none}.{payload}.")),
        ("alg none, signed", format!("{none}.{payload}.{signature}")),
        ("another payload", format!("{header}.{admin}.{signature}")),
        ("no signature", format!("{header}.{payload}.")),
        ("half a signature", format!("{header}.{payload}.{}", &signature[..100])),
        ("two parts", format!("{header}.{payload}")),
        ("four parts", format!("{good}.x")),
        ("HS256 with the modulus as text", confused[0].clone()),
        ("HS256 with the modulus", confused[1].clone()),
        ("RS384", signed_as(&RSA_PKCS1_SHA384, "RS384")),
        ("PS256", signed_as(&RSA_PSS_SHA256, "PS256")),
        ("no kid", POOL.sign(&json!({"alg": "RS256"}), &claims(&json!({}))).unwrap()),
        ("another kid", OTHER.sign(&OTHER.header(), &claims(&json!({}))).unwrap()),
        ("another key under this kid", OTHER.sign(&POOL.header(), &claims(&json!({}))).unwrap()),
        (
            "a key that it brings along",
            OTHER
                .sign(&json!({"alg": "RS256", "jwk": OTHER.jwks()["keys"][0]}), &claims(&json!({})))
                .unwrap(),
        ),
    ] {
        assert!(matches!(verify(&token), Err(TokenError::Unauthorized(_))), "{what}");
    }
    assert!(verify(&good).is_ok());
}

#[test]
fn wants_an_id_token_where_no_scope_is_asked_for() {
    let authoriser = POOL.authoriser().unwrap();
    let grant = Grant::default();
    let (id, access) = (POOL.id_token(&grant, now()).unwrap(), POOL.access_token(&grant, now()).unwrap());
    assert_eq!(authoriser.verify(&id, &[], now()).unwrap()["cognito:username"], "local-user");
    assert!(matches!(authoriser.verify(&access, &[], now()), Err(TokenError::Unauthorized(_))));
    assert!(matches!(verify(&id), Err(TokenError::Unauthorized(_))));
    assert!(verify(&access).is_ok());
}

#[test]
fn finds_the_token_with_and_without_its_scheme() {
    for (sent, expected) in [
        (Some("a.b.c"), Some("a.b.c")),
        (Some("Bearer a.b.c"), Some("a.b.c")),
        (Some("bearer  a.b.c "), Some("a.b.c")),
        (Some("Basic a.b.c"), None),
        (Some("AWS4-HMAC-SHA256 Credential=x, SignedHeaders=host, Signature=y"), None),
        (Some(""), None),
        (None, None),
    ] {
        let headers = sent.map(|sent| (header::AUTHORIZATION, HeaderValue::from_static(sent)));
        assert_eq!(token(&headers.into_iter().collect()), expected, "{sent:?}");
    }
}

#[test]
fn a_pool_keeps_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("pool");
    let token = UserPool::open(&folder).unwrap().access_token(&Grant::default(), now()).unwrap();
    let again = UserPool::open(&folder).unwrap();
    let scopes = ["atelier/write".to_owned()];
    assert!(again.authoriser().unwrap().verify(&token, &scopes, now()).is_ok());
    std::fs::write(folder.join("key.der"), "sesame").unwrap();
    assert!(UserPool::open(&folder).is_err());
}

#[test]
fn refuses_a_key_set_without_keys() {
    for jwks in ["", "{}", r#"{"keys": []}"#, r#"{"keys": [{"kty": "oct", "k": "c2VzYW1l"}]}"#] {
        assert!(Cognito::new(UserPool::requirements(), jwks).is_err(), "{jwks}");
    }
}
