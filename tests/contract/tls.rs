//! TLS to PostgreSQL: functions connect only to a server that they can verify.

use std::time::{Duration, Instant};

use harness::{Authority, FakeServer, SSL_REQUEST, Service, Setup, service_with};
use local::{postgres, stack::Logins};
use serde_json::json;
use shared::Role;
use url::Url;

/// The connection URL `url` with TLS and with the server's name as in its certificate.
fn by_name(_: Role, url: &str) -> Vec<(String, String)> {
    let mut url = Url::parse(url).expect("a URL");
    url.set_host(Some("localhost")).expect("a host");
    url.set_query(Some("sslmode=verify-full"));
    vec![("DATABASE_URL".to_owned(), url.into())]
}

/// Asserts that a read and a write get a 503 in time, and that each leaves one log line, which contains `reason`.
async fn refuses(service: &Service, reason: &str) {
    let before = service.log().len();
    for writes in [false, true] {
        let asked = Instant::now();
        let response = match writes {
            false => service.client().get("/v1/products").await,
            true => service.client().post("/v1/products", &json!({"name": "Cup", "price": 1})).await,
        };
        assert!(asked.elapsed() < Duration::from_secs(3), "{reason}: {:?}", asked.elapsed());
        let problem = response.problem(503);
        assert!(!problem.to_string().contains("certificate"), "no internal details: {problem}");
    }
    let log = service.log();
    let lines: Vec<_> = log[before..].iter().filter(|line| line.contains(reason)).collect();
    assert_eq!(lines.len(), 2, "{reason}: {:#?}", &log[before..]);
}

#[test]
fn speaks_to_the_server_that_it_can_verify_and_to_no_other() {
    let authority = Authority::new();
    let right = authority.issue("localhost");
    let setup = Setup {
        environment: vec![authority.trust()],
        own_server: Some(vec![("log_connections".to_owned(), "on".to_owned())]),
        database_access: Some(Box::new(by_name)),
        ..Setup::default()
    };
    service_with(setup, async |service| {
        let works = async || {
            service.show(Some(&right)).await;
            service.end_sessions().await;
            service.client().get("/v1/products").await.expect(200);
            service.client().post("/v1/products", &json!({"name": "Cup", "price": 1})).await.expect(201);
        };
        works().await;
        let sql = "select count(*) filter (where ssl and version = 'TLSv1.3'), count(*)
            from pg_stat_ssl join pg_stat_activity using (pid)
            where datname = current_database() and usename <> current_user";
        let row = service.database().await.query_one(sql, &[]).await.expect("sessions");
        assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (2, 2), "a session of each, all over TLS");

        let unknown = Authority::new().issue("localhost");
        let wrong = authority.issue("db.example.com");
        let expired = authority.issue_expired("localhost");
        for (certificate, reason) in [
            (Some(&wrong), r#"certificate not valid for name \"localhost\""#),
            (Some(&expired), "certificate expired"),
            (Some(&unknown), "UnknownIssuer"),
            (None, "server does not support TLS"),
        ] {
            service.show(certificate).await;
            service.end_sessions().await;
            let log = service.server().lock().await.log_path().to_owned();
            let start = std::fs::metadata(&log).expect("the server's log").len();
            refuses(service, reason).await;
            let text = std::fs::read_to_string(&log).expect("the server's log");
            let new = &text[usize::try_from(start).expect("a small log")..];
            assert!(!new.contains("user=atelier_local"), "{reason}: no user name was sent: {new}");
            works().await;
        }
        for name in ["list-products", "create-product"] {
            assert_eq!(service.functions().environments(name).len(), 1, "the process lived on");
        }
    });
}

#[test]
fn a_server_without_tls_gets_the_question_for_it_and_not_a_byte_more() {
    let front = harness::block_on(FakeServer::plain());
    let port = front.port();
    let access = move |role, url: &str| {
        let mut url = Url::parse(url).expect("a URL");
        url.set_port(Some(port)).expect("a port");
        by_name(role, url.as_str())
    };
    service_with(Setup { database_access: Some(Box::new(access)), ..Setup::default() }, async |service| {
        service.client().get("/v1/products").await.problem(503);
        service.client().get("/v1/products").await.problem(503);
        assert!(service.log().iter().any(|line| line.contains("server does not support TLS")));
    });
    let heard = front.received();
    assert!(heard.len() >= 2 && heard.iter().all(|said| *said == SSL_REQUEST), "{heard:?}");
}

#[test]
fn a_host_that_is_not_this_machine_is_asked_for_tls_wherever_its_address_leads() {
    let front = harness::block_on(FakeServer::plain());
    let port = front.port();
    let access = move |_, _: &str| {
        let url =
            format!("host=db.example.com hostaddr = 127.0.0.1 port={port} user=u password='sslmode=disable'");
        vec![("DATABASE_URL".to_owned(), url)]
    };
    service_with(Setup { database_access: Some(Box::new(access)), ..Setup::default() }, async |service| {
        service.client().get("/v1/products").await.problem(503);
    });
    let heard = front.received();
    assert!(!heard.is_empty() && heard.iter().all(|said| *said == SSL_REQUEST), "{heard:?}");
}

#[test]
fn logins_are_made_over_tls_and_the_server_never_sees_their_passwords() {
    let authority = Authority::new();
    let settings = [("log_statement", "all"), ("log_connections", "on")];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    service_with(Setup { own_server: Some(settings), ..Setup::default() }, async |service| {
        service.show(Some(&authority.issue("db.example.com"))).await;
        service.refuse_connections_without_tls().await;

        let (url, log) = {
            let server = service.server().lock().await;
            (server.url(service.database_name()), server.log_path().to_owned())
        };
        let mut url = Url::parse(&url).expect("a URL");
        url.set_host(Some("db.example.com")).expect("a host");
        url.set_query(Some(&format!("hostaddr=127.0.0.1&sslrootcert={}", authority.file())));
        let logins = Logins::create(url.as_str()).await.expect("the logins");
        for role in [Role::Reader, Role::Writer] {
            let url = logins.url(role).expect("a URL").expect("a role with a database");
            let client = postgres::connect(&url).await.expect("a connection of the login");
            let sql = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
            assert!(client.query_one(sql, &[]).await.expect("a row").get::<_, bool>(0));
            let password = Url::parse(&url).expect("a URL").password().expect("a password").to_owned();
            let log = std::fs::read_to_string(&log).expect("the server's log");
            assert!(log.contains("SCRAM-SHA-256$"), "{log}");
            assert!(!log.contains(&password), "the password of {role:?} is in the log");
        }
    });
}

#[test]
fn an_iam_token_is_the_password_and_travels_over_tls_alone() {
    let authority = Authority::new();
    let front = harness::block_on(FakeServer::tls(&authority.issue("localhost")));
    let port = front.port();
    let access = move |_, _: &str| {
        let variables = [
            ("DB_AUTH", "iam"),
            ("DB_HOST", "localhost"),
            ("DB_PORT", &port.to_string()),
            ("DB_NAME", "catalogue"),
            ("DB_USER", "catalog_by_iam"),
        ];
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    };
    let setup = Setup {
        environment: vec![authority.trust()],
        database_access: Some(Box::new(access)),
        ..Setup::default()
    };
    service_with(setup, async |service| {
        service.client().get("/v1/products").await.problem(503);
        let log = service.log();
        assert!(!log.iter().any(|line| line.contains("X-Amz-")), "{log:?}");
    });
    let heard = front.received();
    assert!(!heard.is_empty());
    for token in heard {
        let token = String::from_utf8(token).expect("text");
        let token = Url::parse(&format!("https://{}", token.trim_end_matches('\0'))).expect("a URL");
        assert_eq!((token.host_str(), token.port()), (Some("localhost"), Some(port)));
        let value = |name: &str| {
            token.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        assert_eq!(value("Action").as_deref(), Some("connect"));
        assert_eq!(value("DBUser").as_deref(), Some("catalog_by_iam"));
        assert_eq!(value("X-Amz-Signature").map(|it| it.len()), Some(64));
        let credential = value("X-Amz-Credential").expect("a credential");
        assert!(
            credential.starts_with("local/") && credential.contains("/us-east-1/rds-db/"),
            "{credential}"
        );
    }
}
