//! The contract as the API serves it: `/openapi.json`, and the page at `/docs` in a real browser.

use std::{collections::BTreeSet, fs, time::Duration};

use bytes::Bytes;
use harness::{Service, Setup, clients, service, service_with};
use http::Method;
use jiff::Timestamp;
use local::{
    gateway::{
        self, Auth,
        cognito::{Grant, UserPool},
        iam::{Iam, Principal},
    },
    stack::{checkout, programs},
};
use serde_json::{Value, json};

/// An API that requires signatures by the default principals or by a session.
fn signed() -> Setup {
    let mut principals = Principal::defaults();
    principals.push(session());
    let auth = Auth::Iam(Iam::new(principals));
    Setup { gateway: gateway::Options { auth, ..gateway::Options::default() }, ..Setup::default() }
}

/// The reason that the page sends, with characters beyond ASCII and Latin-1, and others that an encoding may miss.
const REASON: &str = "Café fermé (棚卸し)*! 'it' 100% 👩\u{200d}🎨";

/// A principal with temporary credentials.
fn session() -> Principal {
    Principal {
        arn: "arn:aws:sts::111122223333:assumed-role/store/session".to_owned(),
        access_key_id: "ASIASESSION000000000".to_owned(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        session_token: Some("AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22+wDOk4x4HIZ8j==".to_owned()),
        allow: vec!["*".to_owned()],
    }
}

/// The text for the Authorize dialog.
fn credentials(Principal { access_key_id, secret_access_key, session_token, .. }: &Principal) -> String {
    let token = session_token.iter().map(|token| format!(":{token}"));
    format!("{access_key_id}:{secret_access_key}{}", token.collect::<String>())
}

fn written() -> Value {
    let text = fs::read_to_string(checkout().join("api/openapi.json")).expect("api/openapi.json");
    serde_json::from_str(&text).expect("JSON")
}

/// Makes `calls` on the page in a browser, and returns what the browser saw.
async fn browse(service: &Service, path: &str, image: &str, calls: &Value) -> Value {
    let image = programs().expect("a target folder").join(image);
    let image = image.to_str().expect("a path in UTF-8");
    let page = format!("{}{path}", service.client().url());
    let seen = clients::node("browser/docs.mjs", &[&page, image], &calls.to_string()).await;
    serde_json::from_str(&seen).expect("JSON from the browser")
}

/// Asserts that the page called no other server and logged no errors except for `refusals` responses with 403.
#[track_caller]
fn assert_at_peace(service: &Service, seen: &Value, refusals: usize) {
    let strings = |member: &str| {
        seen[member].as_array().expect("a list").iter().map(|text| text.as_str().expect("text"))
    };
    let home = format!("{}/", service.client().url());
    let foreign: Vec<_> =
        strings("requests").filter(|url| !url.starts_with(&home) && !url.starts_with("data:")).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    let (refused, complaints): (Vec<_>, Vec<_>) =
        strings("complaints").partition(|text| text.contains("the server responded with a status of 403"));
    assert!(complaints.is_empty(), "{complaints:?}");
    assert_eq!(refused.len(), refusals, "{refused:?}");
}

#[test]
fn the_page_lists_every_operation_and_signs_what_is_tried() {
    service_with(signed(), async |service| {
        let defaults = Principal::defaults();
        let (reader, admin) = (&defaults[0], &defaults[2]);
        let wrong = Principal { secret_access_key: "another-secret".to_owned(), ..reader.clone() };
        let product = r#"{"name": "備前焼 湯呑", "description": "'()*!~ & + %20", "price": 6600}"#;
        let search = |authorization: Option<String>, q: &str| json!({"authorization": authorization, "operation": "searchProducts", "parameters": {"q": q}});
        let calls = json!([
            {"operation": "listProducts"},
            search(Some(credentials(&wrong)), "備前"),
            {"operation": "createProduct", "authorization": credentials(admin), "body": product,
             "parameters": {"X-Audit-Reason": REASON}},
            search(Some(credentials(reader)), "備前"),
            search(Some(credentials(&session())), "備前焼 湯呑"),
            search(None, "a+b &c=d/e'(f)*!~"),
            search(None, "備前焼"),
        ]);
        let seen = browse(service, "/docs", "docs", &calls).await;

        let written = written();
        assert!(
            seen["title"].as_str().is_some_and(|title| title.starts_with("Atelier")),
            "{}",
            seen["title"]
        );
        let methods = written["paths"]
            .as_object()
            .expect("paths")
            .values()
            .flat_map(|path| path.as_object().expect("methods").values());
        let ids: BTreeSet<_> = methods.filter_map(|operation| operation["operationId"].as_str()).collect();
        let listed: BTreeSet<_> =
            seen["operations"].as_array().expect("operations").iter().filter_map(Value::as_str).collect();
        assert_eq!(listed, ids);

        let made = seen["calls"].as_array().expect("calls");
        let statuses: Vec<_> = made.iter().map(|call| call["status"].as_u64().expect("a status")).collect();
        let bodies: Vec<_> = made.iter().map(|call| &call["body"]).collect();
        assert_eq!(statuses, [403, 403, 201, 200, 200, 200, 200], "{bodies:#?}");
        for call in made {
            assert_eq!(call["shown_status"], call["status"].to_string());
        }
        assert!(made[0]["headers"]["authorization"].is_null(), "nothing to sign with");
        assert!(made[1]["body"].as_str().is_some_and(|body| body.contains("does not match the signature")));
        for found in &made[3..5] {
            assert!(found["body"].as_str().is_some_and(|body| body.contains("備前焼 湯呑")), "{found}");
        }
        assert!(
            made[2]["example"].as_str().is_some_and(|example| example.contains("\"name\"")),
            "{}",
            made[2]["example"]
        );
        assert!(made[4]["headers"]["x-amz-security-token"].is_string());
        // The reason, which a header cannot contain literally, was signed and stored.
        let sent = made[2]["headers"]["x-audit-reason"].as_str().expect("a reason");
        assert!(sent.is_ascii() && sent.starts_with("UTF-8''Caf%C3%A9"), "{sent}");
        assert!(
            made[2]["headers"]["authorization"].as_str().is_some_and(|text| text.contains("x-audit-reason"))
        );
        let kept =
            service.database().await.query_one("select reason from history", &[]).await.expect("one row");
        assert_eq!(kept.get::<_, String>(0), REASON);

        // Examples of optional parameters are shown, but not sent.
        for call in made {
            let headers = call["headers"].as_object().expect("headers");
            let optional: Vec<_> =
                headers.keys().filter(|name| name.starts_with("if-") || *name == "idempotency-key").collect();
            assert!(optional.is_empty(), "{optional:?}");
        }

        // The key signs, and is not sent or shown.
        for call in &made[1..] {
            let (headers, page) = (&call["headers"], call["page"].as_str().expect("a page"));
            assert!(
                headers["authorization"].as_str().is_some_and(|text| text.starts_with("AWS4-HMAC-SHA256 "))
            );
            for principal in [&wrong, reader, admin, &session()] {
                assert!(!headers.to_string().contains(&principal.secret_access_key), "{headers}");
                assert!(!page.contains(&principal.secret_access_key), "the secret is shown");
            }
        }
        assert_at_peace(service, &seen, 2);

        for name in ["docs.png", "docs-call.png"] {
            let image = fs::read(programs().expect("a target folder").join(name)).expect("a screenshot");
            assert!(image.len() > 30_000, "{name}: {} bytes show nothing", image.len());
        }
    });
}

#[test]
fn the_page_passes_tokens_on_as_they_are() {
    let pool = UserPool::generate().expect("a key");
    let auth = Auth::Cognito(pool.authoriser().expect("an authoriser"));
    let setup =
        Setup { gateway: gateway::Options { auth, ..gateway::Options::default() }, ..Setup::default() };
    service_with(setup, async |service| {
        let grant = Grant {
            subject: "potter".to_owned(),
            scopes: vec!["atelier/read".to_owned()],
            lifetime: Duration::from_secs(3600),
        };
        let token = pool.access_token(&grant, Timestamp::now()).expect("a token");
        let tokens = [token.clone(), format!("Bearer {token}")];
        let calls =
            tokens.each_ref().map(|token| json!({"authorization": token, "operation": "listProducts"}));
        // With a trailing slash, the address shows the same page.
        let seen = browse(service, "/docs/", "docs-token", &json!(calls)).await;
        for (call, token) in seen["calls"].as_array().expect("calls").iter().zip(&tokens) {
            assert_eq!(call["headers"]["authorization"], *token);
            assert_eq!(call["status"], 200, "{}", call["body"]);
        }
        assert_at_peace(service, &seen, 0);
    });
}

#[test]
fn everybody_gets_the_contract_and_nothing_else() {
    service_with(signed(), async |service| {
        let nobody =
            [vec![], vec![("authorization", "Bearer x")], vec![("authorization", "AWS4-HMAC-SHA256 x")]];
        for headers in nobody {
            for operation in api::OPERATIONS {
                for route in operation.all_routes() {
                    let path = route.path.replace("{id}", "01936b5e-7c00-7000-8000-000000000001");
                    let answer = service.client().send(route.method.clone(), &path, &headers, "").await;
                    answer.expect(if operation.id == "getOpenApi" { 200 } else { 403 });
                }
            }
        }
    });
}

#[test]
fn the_contract_is_served_as_it_is_written_and_revalidated() {
    service(async |service| {
        for (path, media_type) in
            [("/openapi.json", "application/json"), ("/docs", "text/html; charset=utf-8")]
        {
            let answer = service.client().get(path).await.expect(200);
            assert_eq!(answer.header("content-type"), media_type);
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
            assert_eq!(answer.header("cache-control"), "private, no-cache");
            let tag = answer.header("etag");
            assert!(tag.starts_with('"'), "{tag} is strong");
            let again =
                service.client().send(Method::GET, path, &[("if-none-match", tag)], "").await.expect(304);
            assert_eq!((again.body.as_str(), again.header("etag")), ("", tag));
            service.client().send(Method::GET, path, &[("if-none-match", "\"other\"")], "").await.expect(200);
        }
        assert_eq!(service.client().get("/openapi.json").await.json(), written());
        let policy = service.client().get("/docs").await;
        let policy = policy.header("content-security-policy");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    });
}

#[test]
fn the_contract_names_the_stage_that_it_was_read_from() {
    service(async |service| {
        let event = fs::read(checkout().join("events/get-openapi.json")).expect("an event");
        let functions = service.functions();
        let answer = functions.invoke("get-openapi", Bytes::from(event), "", Duration::from_secs(10)).await;
        let answer: Value = serde_json::from_slice(&answer.expect("an answer")).expect("JSON");
        let served: Value = serde_json::from_str(answer["body"].as_str().expect("a body")).expect("JSON");
        assert_eq!(served["servers"], json!([{"url": "/prod"}]));
    });
}

#[test]
fn what_others_wrote_is_what_they_published() {
    let assets = checkout().join("functions/get-openapi/assets");
    let packages = checkout().join("tests/browser/node_modules");
    for (folder, package, files) in [
        (
            "swagger-ui",
            "swagger-ui-dist",
            &[
                "LICENSE",
                "NOTICE",
                "swagger-ui-bundle.js",
                "swagger-ui-bundle.js.LICENSE.txt",
                "swagger-ui.css",
            ][..],
        ),
        ("aws4fetch", "aws4fetch", &["LICENSE", "dist/aws4fetch.umd.js"]),
    ] {
        for file in files {
            let published = fs::read(packages.join(package).join(file));
            let published = published
                .unwrap_or_else(|_| panic!("{package} is not installed: `cargo xtask test` does it"));
            let name = file.rsplit('/').next().expect("a name");
            let ours = fs::read(assets.join(folder).join(name)).expect("an asset");
            assert!(ours == published, "{folder}/{name} is not {file} of {package}");
        }
        let known = fs::read_dir(assets.join(folder)).expect("a folder").count();
        assert_eq!(known, files.len(), "files in {folder}");
    }
}
