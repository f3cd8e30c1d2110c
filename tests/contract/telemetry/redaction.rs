//! Redaction of logs: a word is planted wherever a client or an operator can put one, and must not appear in any log
//! line.

use std::net::Ipv4Addr;

use bytes::Bytes;
use harness::{Service, Setup, XrayDaemon, product_path, service_with};
use http::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::variables;
use crate::cache::reads::warm;

/// The planted word. It is valid as a part of a name.
const WORD: &str = "sesame";

/// A token that looks like the random part of an id.
const TOKEN: &str = "5e5a3e5e5a3e5e5a3e5e5a3e5e5a3e5e";

#[track_caller]
fn is_silent(service: &Service) {
    for line in service.log() {
        let line = line.to_lowercase();
        assert!(!line.contains(WORD) && !line.contains(TOKEN), "{line}");
    }
}

/// Every header that a function reads, and some that it ignores, except those that are meant to be logged.
fn headers() -> Vec<(&'static str, String)> {
    let names = [
        "authorization",
        "x-api-key",
        "x-amz-security-token",
        "cookie",
        "user-agent",
        "referer",
        "accept",
        "origin",
        "if-match",
        "if-none-match",
        "if-modified-since",
        "if-unmodified-since",
        "idempotency-key",
        "content-type",
        "x-forwarded-for",
    ];
    names.iter().map(|name| (*name, format!("{WORD} {TOKEN}"))).collect()
}

#[test]
fn nothing_that_a_client_sends_is_in_a_log() {
    let daemon = harness::block_on(XrayDaemon::start());
    let mut setup = Setup { environment: vec![daemon.variable()], ..Setup::default() };
    setup.gateway.is_traced = true;
    service_with(setup, async |service| {
        let client = service.client();
        let product = product_path(&service.create_product(json!({"name": WORD, "price": 1})).await);
        let artisan = json!({"given_name": WORD, "family_name": TOKEN, "biography": WORD});
        let artisan = harness::artisan_path(&service.create_artisan(artisan).await);
        let mut answers = 0;
        for path in [
            product.clone(),
            artisan.clone(),
            format!("/v1/products/{WORD}"),
            format!("/v1/products/{TOKEN}"),
            format!("/v1/artisans/{TOKEN}/products"),
            "/v1/products".to_owned(),
            "/v1/artisans".to_owned(),
            format!("/v1/products?name={WORD}&cursor={TOKEN}&sort={WORD}&{WORD}={WORD}"),
            format!("/v1/products?name={WORD}"),
            format!("/v1/products/search?q={WORD}"),
            format!("/v1/products/search?q={WORD}&cursor={TOKEN}"),
            format!("/v1/artisans/search?q={WORD}"),
            format!("{artisan}/products?name={WORD}"),
            format!("/health?{WORD}={TOKEN}"),
            format!("/misbehave/{WORD}"),
        ] {
            for (name, value) in headers() {
                client.send(Method::GET, &path, &[(name, &value)], "").await;
                answers += 1;
            }
        }
        let bodies = [
            WORD.to_owned(),
            format!(r#"{{"name": "{WORD}"#),
            format!(r#""{WORD}""#),
            json!({WORD: TOKEN}).to_string(),
            json!({"name": WORD, "price": WORD, "currency": WORD, "artisan_id": TOKEN}).to_string(),
            json!({"name": WORD, "price": 1}).to_string(),
            // The DETAIL of this violation quotes the id.
            json!({"name": WORD, "price": 1, "artisan_id": "5e5a3e5e-5a3e-7e5a-be5e-5a3e5e5a3e5e"})
                .to_string(),
            json!({"given_name": WORD, "family_name": WORD, "biography": 1}).to_string(),
        ];
        for body in bodies {
            for (method, path) in [
                (Method::POST, "/v1/products"),
                (Method::POST, "/v1/artisans"),
                (Method::PUT, &product),
                (Method::PATCH, &product),
                (Method::PATCH, &artisan),
                (Method::POST, "/misbehave/cast"),
            ] {
                let headers = [("content-type", "application/json"), ("idempotency-key", TOKEN)];
                client.send(method, path, &headers, body.clone()).await;
                answers += 1;
            }
        }
        is_silent(service);
        let log = service.log();
        let access = log.iter().filter(|line| line.contains(r#""message":"request""#)).count();
        assert!(access > answers / 2, "{access} of {answers} requests reached a function");
        assert!(
            log.iter().any(|line| line.contains("(SQLSTATE 22P02)")),
            "the database has reported an error"
        );
        let traced = daemon.received();
        assert!(traced.len() > 20 && !traced.iter().any(|segment| segment.contains(WORD)), "{traced:?}");
    });
}

/// Events sent directly to the functions, without a gateway.
#[test]
fn nor_is_anything_of_a_foreign_event() {
    service_with(Setup::default(), async |service| {
        let rest = |path: &str| {
            json!({
                "resource": format!("/{WORD}"), "path": path, "httpMethod": "GET",
                "headers": {WORD: WORD, "Host": WORD}, "multiValueHeaders": {WORD: [WORD], "Host": [WORD]},
                "queryStringParameters": {WORD: WORD}, "pathParameters": {"id": WORD},
                "stageVariables": {WORD: WORD}, "body": WORD, "isBase64Encoded": true,
                "requestContext": {"httpMethod": "GET", "path": path, "requestId": "r", "identity": {"apiKey": WORD}},
            })
        };
        for event in [
            rest(&format!("/{WORD}")),
            rest(&format!("/v1/products/{WORD}")),
            json!(WORD),
            json!({"Records": [WORD]}),
            json!({"httpMethod": {WORD: WORD}, "requestContext": {"httpMethod": "GET"}}),
            json!({"version": WORD, "requestContext": {"http": WORD}}),
        ] {
            let wait = std::time::Duration::from_secs(10);
            let _ =
                service.functions().invoke("get-product", Bytes::from(event.to_string()), WORD, wait).await;
        }
        assert_eq!(service.requests().len(), 6, "{:?}", service.log());
        is_silent(service);
    });
}

/// Cache entries written by another program or an older release.
#[test]
fn nor_is_anything_of_a_cell() {
    let patience = [("CACHE_TIMEOUT_MS", "2000")];
    let setup = Setup { cache: Some(Vec::new()), environment: variables(&patience), ..Setup::default() };
    service_with(setup, async |service| {
        let url = service.cache().lock().await.url();
        let mut cache = redis::Client::open(url).and_then(|client| client.get_connection()).expect("a cache");
        let product = service.create_product(json!({"name": "Cup", "price": 1})).await;
        let path = product_path(&product);
        warm(service, &path).await;
        let keys: Vec<String> =
            redis::cmd("KEYS").arg("atelier:1:product:*").query(&mut cache).expect("keys");
        let key = &keys[0];
        let row = product.to_string();
        for (field, value) in [
            ("b", WORD.to_owned()),
            ("b", json!(WORD).to_string()),
            ("b", format!(r#"{{"{WORD}": "{TOKEN}""#)),
            ("b", row.replace(r#""price":1"#, &format!(r#""price":"{WORD}""#))),
            ("b", row.replace(&row[..20], &format!(r#"{{"{WORD}":1,{}"#, &row[1..20]))),
            ("v", WORD.to_owned()),
            ("f", WORD.to_owned()),
            ("t", WORD.to_owned()),
            ("h", WORD.to_owned()),
            ("g", WORD.to_owned()),
        ] {
            redis::cmd("HSET").arg(key).arg(field).arg(&value).exec(&mut cache).expect("a cell");
            assert_eq!(service.client().get(&path).await.expect(200).json(), product, "{field} {value}");
        }
        redis::cmd("SET").arg(key).arg(WORD).exec(&mut cache).expect("a key of another type");
        service.client().get(&path).await.expect(200);
        assert!(service.log().iter().any(|line| line.contains("the cache holds an invalid value")));
        is_silent(service);
    });
}

/// The variables by which functions reach the database, each with the word as its password.
#[test]
fn nor_is_a_password_of_the_configuration() {
    for access in [
        ("DATABASE_URL", format!("postgresql://{WORD}:{TOKEN}@127.0.0.1:1/d")),
        ("DATABASE_URL", format!("postgresql://u:{WORD}")),
        ("DATABASE_URL", format!("postgresql://u:p@{WORD}?{WORD}={TOKEN}@h/d")),
        ("DATABASE_URL", format!("postgresql://u:p@h/d?unknown={WORD}{TOKEN}")),
        ("DATABASE_URL", format!("password={WORD} {TOKEN}=1")),
        ("DATABASE_URL", WORD.to_owned()),
    ] {
        let (name, value) = access.clone();
        let setup = Setup {
            database_access: Some(Box::new(move |_, _| vec![(name.to_owned(), value.clone())])),
            ..Setup::default()
        };
        service_with(setup, async |service| {
            let answer = service.client().get("/v1/products").await;
            assert!(answer.status.is_server_error(), "{access:?}");
            assert!(!service.log().is_empty(), "{access:?}");
            is_silent(service);
        });
    }
}

/// Responses of Secrets Manager, complete and truncated: the SDK's own errors contain the response.
#[test]
fn nor_is_a_secret_that_arrives_damaged() {
    let whole =
        json!({"Name": "s", "SecretString": json!({"username": WORD, "password": TOKEN}).to_string()});
    let whole = whole.to_string();
    let half = whole[..whole.len() / 2 + 20].to_owned();
    let kinds = [
        ("200 OK", whole),
        ("200 OK", half.clone()),
        ("200 OK", json!({"SecretString": {WORD: TOKEN}}).to_string()),
        ("500 Internal Server Error", half),
        ("400 Bad Request", json!({"__type": "AccessDeniedException", WORD: TOKEN}).to_string()),
    ];
    for (status, body) in kinds {
        let listener = harness::block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let setup = Setup {
            environment: variables(&[("AWS_ENDPOINT_URL_SECRETS_MANAGER", &endpoint)]),
            database_access: Some(Box::new(|_, _| variables(&[("DB_SECRET_ARN", "s")]))),
            ..Setup::default()
        };
        service_with(setup, async |service| {
            let (status, body) = (status.to_owned(), body.clone());
            let serving = tokio::spawn(async move {
                while let Ok((mut client, _)) = listener.accept().await {
                    let mut request = Vec::new();
                    while !request.ends_with(b"}")
                        && client.read_buf(&mut request).await.is_ok_and(|read| read > 0)
                    {
                    }
                    let length = body.len();
                    let answer = format!(
                        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                    );
                    let _ = client.write_all(answer.as_bytes()).await;
                }
            });
            service.client().get("/v1/products").await.expect(503);
            let lines: Vec<Value> =
                service.log().iter().map(|line| serde_json::from_str(line).expect("JSON")).collect();
            let causes: Vec<_> = lines.iter().filter_map(|line| line["cause"].as_str()).collect();
            assert!(causes.iter().any(|cause| cause.contains("no database credentials")), "{causes:?}");
            is_silent(service);
            serving.abort();
        });
    }
}
