//! A signature is valid for one request only: any changed byte and any late replay is refused.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::SystemTime,
};

use harness::service_with;

use super::{principal, signed_setup, signing::Call};

const PRODUCT: &str = r#"{"name": "漆器", "price": 100}"#;

/// A part of a call that can be changed.
type Part = (&'static str, fn(&mut Call) -> &mut String);

/// Three replacements for `byte`, all valid in a request line and a header.
fn others(byte: u8) -> [char; 3] {
    let next = |byte: u8, first: u8, count: u8| char::from((byte - first + 1) % count + first);
    match byte {
        b'0'..=b'9' => [next(byte, b'0', 10), next(byte + 1, b'0', 10), 'x'],
        b'a'..=b'z' => [next(byte, b'a', 26), char::from(byte.to_ascii_uppercase()), '-'],
        b'A'..=b'Z' => [next(byte, b'A', 26), char::from(byte.to_ascii_lowercase()), '-'],
        _ => ['x', '0', '.'],
    }
}

/// The calls that differ from `call` in one byte of `part`. Multi-byte characters change as a whole.
fn changed(call: &Call, (name, part): Part) -> Vec<(String, Call)> {
    let text = part(&mut call.clone()).clone();
    let mut calls = Vec::new();
    for (index, character) in text.char_indices() {
        let byte = if character.is_ascii() { character as u8 } else { b'.' };
        for other in others(byte).into_iter().filter(|other| *other != character) {
            // The case of hexadecimal digits in a query does not matter. Without its first slash, or with an invalid
            // port, it would not be a valid HTTP request, which is a 400.
            let is_escape = (1..3).any(|back| index >= back && text.as_bytes()[index - back] == b'%');
            let is_same = is_escape && other.eq_ignore_ascii_case(&character);
            let is_none = name == "target" && index == 0 || name == "host" && !other.is_ascii_digit();
            if is_same || is_none {
                continue;
            }
            let mut call = call.clone();
            part(&mut call).replace_range(index..index + character.len_utf8(), &other.to_string());
            calls.push((format!("{name} {index}: {character} as {other}"), call));
        }
    }
    calls
}

/// A header's name and value.
fn header<'c>(call: &'c mut Call, name: &str) -> &'c mut (String, String) {
    call.headers.iter_mut().find(|(known, _)| known == name).expect("a header")
}

const METHOD: Part = ("method", |call| &mut call.method);
const TARGET: Part = ("target", |call| &mut call.target);
const BODY: Part = ("body", |call| &mut call.body);
const HEADERS: [Part; 7] = [
    ("host", |call| &mut header(call, "host").1),
    ("content-type", |call| &mut header(call, "content-type").1),
    ("name of content-type", |call| &mut header(call, "content-type").0),
    ("x-amz-date", |call| &mut header(call, "x-amz-date").1),
    ("name of x-amz-date", |call| &mut header(call, "x-amz-date").0),
    ("x-amz-security-token", |call| &mut header(call, "x-amz-security-token").1),
    ("authorization", |call| &mut header(call, "authorization").1),
];

#[test]
fn refuses_a_request_with_any_byte_changed() {
    service_with(signed_setup(), async |service| {
        let url = service.client().url();
        let (key, now) = (principal("session"), SystemTime::now());
        let post = Call::new(url, "POST", "/v1/products", PRODUCT).signed(&key, now);
        let search = Call::new(url, "GET", "/v1/products/search?limit=1&q=%E6%BC%86%20a+b", "");
        let get = search.clone().signed(&key, now);
        let presigned = search.presigned(&key, now);
        post.send(url).await.expect(201);
        get.send(url).await.expect(200);
        presigned.send(url).await.expect(200);

        let mut calls = Vec::new();
        for part in [METHOD, TARGET, BODY].into_iter().chain(HEADERS) {
            calls.extend(changed(&post, part));
        }
        for call in [get, presigned] {
            calls.extend(changed(&call, METHOD));
            calls.extend(changed(&call, TARGET));
        }
        assert!(calls.len() > 2_500, "{} changes", calls.len());
        for (change, call) in calls {
            // Header names are case-insensitive.
            if change.starts_with("name of") && call.headers.iter().all(|(name, _)| is_known(name)) {
                continue;
            }
            let answer = call.send(url).await;
            // A host name that is not this machine's is refused before the signature is checked.
            let status = if change.starts_with("host") && answer.status == 421 { 421 } else { 403 };
            assert_eq!(answer.status, status, "{change}: {} was answered {}", answer.request, answer.body);
        }
        assert_eq!(service.count_products().await, 1);
    });
}

fn is_known(name: &str) -> bool {
    ["host", "content-type", "x-amz-date", "x-amz-security-token", "authorization"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name))
}

#[test]
fn takes_a_request_that_is_only_spelled_otherwise() {
    service_with(signed_setup(), async |service| {
        let url = service.client().url();
        let target = "/v1/products/search?limit=1&q=%E6%BC%86%20a";
        let call = Call::new(url, "GET", target, "").signed(&principal("reader"), SystemTime::now());
        for target in [
            "/v1/products/search?limit=1&q=%e6%bc%86%20a",
            "/v1/products/search?q=%E6%BC%86%20a&limit=1",
            "/v1/products/search?limit=1&q=%E6%BC%86+a",
            "/v1/products/search?%6Cimit=1&q=%E6%BC%86%20%61&",
        ] {
            Call { target: target.to_owned(), ..call.clone() }.send(url).await.expect(200);
        }
        let mut call = call;
        for (name, value) in &mut call.headers {
            (*name, *value) = (name.to_uppercase(), format!("  {value} "));
        }
        call.send(url).await.expect(200);
    });
}

#[test]
fn refuses_replays_once_the_clocks_are_five_minutes_apart() {
    let offset_seconds = Arc::new(AtomicI64::new(0));
    let offset = offset_seconds.clone();
    let now = jiff::Timestamp::now();
    let mut setup = signed_setup();
    setup.gateway.clock =
        Arc::new(move || now + jiff::SignedDuration::from_secs(offset.load(Ordering::Relaxed)));
    service_with(setup, async |service| {
        let url = service.client().url();
        let (key, time) = (principal("admin"), SystemTime::from(now));
        let delete = Call::new(url, "DELETE", "/v1/products/01936b5e-7c00-7000-8000-000000000001", "");
        let signed = delete.signed(&key, time);
        let presigned = Call::new(url, "GET", "/v1/products", "").presigned(&key, time);
        for (seconds, status, presigned_status) in [
            (0, 404, 200),
            (59, 404, 200),
            (61, 404, 403),
            (299, 404, 403),
            (301, 403, 403),
            (-299, 404, 200),
            (-302, 403, 403),
        ] {
            offset_seconds.store(seconds, Ordering::Relaxed);
            let answer = signed.send(url).await.expect(status);
            presigned.send(url).await.expect(presigned_status);
            if status == 403 {
                let detail = answer.problem(403)["detail"].as_str().expect("a detail").to_owned();
                let expected =
                    if seconds > 0 { "Signature expired: " } else { "Signature not yet current: " };
                assert!(detail.starts_with(expected), "{detail}");
            }
        }
    });
}
