//! The contract as a document: it is current, third-party tools find it valid, and the running API keeps it.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};

use harness::{Service, Setup, block_on, clients::python, copy_what_generate_reads, service, service_with};
use http::Method;
use local::{
    gateway::{
        self, Auth,
        iam::{Iam, Principal},
    },
    stack::{checkout, programs},
};
use serde_json::{Value, json};
use tokio::process::Command;

fn document() -> Value {
    let text = std::fs::read_to_string(checkout().join("api/openapi.json")).expect("api/openapi.json");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn generated_files_are_current() {
    let root = checkout();
    let files = api::generated::files(root).expect("the register and the handlers agree");
    let stale: Vec<_> = files.iter().filter(|file| !file.is_current(root)).map(|file| &file.path).collect();
    assert!(stale.is_empty(), "out of date: {stale:?}; `cargo xtask generate` updates them");
}

#[test]
fn changes_that_break_clients_are_declared() {
    if let Err(error) = api::changes::check(checkout()) {
        panic!("{error}");
    }
}

/// Runs a tool and returns its output.
async fn run(command: &mut Command, time: Duration) -> Output {
    let described = format!("{:?}", command.as_std());
    let command = command.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(time, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("{described} does not end"));
    output.unwrap_or_else(|error| panic!("{described}: {error}; `cargo xtask test` installs it"))
}

#[track_caller]
fn assert_success(output: &Output) {
    let (said, complaint) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{complaint}");
}

fn documents() -> [PathBuf; 2] {
    ["api/openapi.json", "api/openapi-3.0.json"].map(|path| checkout().join(path))
}

#[test]
fn both_documents_are_valid() {
    block_on(async {
        for document in documents() {
            let script = "import sys; from openapi_spec_validator.__main__ import main; main(sys.argv[1:])";
            let output = run(python().args(["-c", script]).arg(&document), Duration::from_secs(120)).await;
            assert_success(&output);
        }
    });
}

#[test]
fn a_linter_finds_nothing_in_them() {
    block_on(async {
        let folder = checkout().join("tests/openapi");
        let mut spectral = Command::new("node");
        spectral.arg(folder.join("node_modules/@stoplight/spectral-cli/dist/index.js")).arg("lint");
        spectral
            .args(["--fail-severity", "hint", "--ruleset"])
            .arg(folder.join("spectral.yaml"))
            .args(documents());
        assert_success(&run(&mut spectral, Duration::from_secs(120)).await);
    });
}

/// The minimum number of requests that schemathesis must send.
const MIN_CASES: u64 = 5_000;

/// hooks.py has a stricter form of the first check, the second one for all but texts that are stored in a shorter form, and
/// the last one for everything but histories. The others expect 401 for an unsigned request, and 405 for a method that is
/// not in the document. API Gateway responds to both with 403, and so does the local gateway.
const EXCLUDED_CHECKS: &str = "positive_data_acceptance,negative_data_rejection,missing_required_header,\
    unsupported_method,use_after_free";

#[test]
fn the_api_keeps_its_contract_whatever_schemathesis_sends() {
    let auth = Auth::Iam(Iam::new(Principal::defaults()));
    let setup =
        Setup { gateway: gateway::Options { auth, ..gateway::Options::default() }, ..Setup::default() };
    service_with(setup, async |service| {
        let admin = Principal::defaults().pop().expect("a principal that may do all");
        let hooks = checkout().join("tests/openapi");
        let folder = tempfile::tempdir().expect("a folder");
        let report = folder.path().join("report.json");
        let main = "import sys; sys.path.insert(0, sys.argv.pop(1)); from schemathesis.cli import schemathesis; schemathesis()";
        let mut schemathesis = python();
        schemathesis.args(["-c", main]).arg(&hooks).arg("run").arg(&documents()[0]);
        schemathesis.args(["--url", service.client().url(), "--workers", "1", "--max-examples", "200"]);
        // The same requests each time, so that a failure is due to the tested change.
        schemathesis.args(["--seed", "20261121", "--continue-on-failure", "--warnings", "off", "--no-color"]);
        schemathesis.args(["--checks", "all", "--exclude-checks", EXCLUDED_CHECKS]);
        schemathesis.args(["--report", "json", "--report-json-path"]).arg(&report);
        schemathesis.envs([
            ("SCHEMATHESIS_HOOKS", "hooks"),
            ("AWS_ACCESS_KEY_ID", &admin.access_key_id),
            ("AWS_SECRET_ACCESS_KEY", &admin.secret_access_key),
            ("AWS_REGION", local::lambda::REGION),
        ]);
        schemathesis.current_dir(folder.path());
        assert_success(&run(&mut schemathesis, Duration::from_secs(1_200)).await);

        let report = std::fs::read_to_string(&report).expect("a report");
        let report: Value = serde_json::from_str(&report).expect("a report in JSON");
        assert_eq!(report["complete"], true, "{report:#}");
        assert_eq!(report["operations"]["tested"], report["operations"]["total"], "{report:#}");
        let cases = report["test_cases"]["generated"].as_u64().expect("a count");
        assert!(cases >= MIN_CASES, "{cases} requests");
    });
}

/// `value` without the parts that differ each time, and without members that the example does not have.
fn comparable(value: &Value, example: &Value) -> Value {
    const VOLATILE: [&str; 7] =
        ["id", "artisan_id", "created_at", "updated_at", "at", "request_id", "latency_ms"];
    match (value, example) {
        (Value::Object(members), Value::Object(_)) => {
            let shown = |name: &String, member: &Value| match VOLATILE.contains(&name.as_str()) {
                true => json!(member.is_null()),
                false => comparable(member, &example[name]),
            };
            members.iter().map(|(name, member)| (name.clone(), shown(name, member))).collect()
        }
        (Value::Array(items), Value::Array(examples)) => {
            items.iter().zip(examples).map(|(item, example)| comparable(item, example)).collect()
        }
        _ => value.clone(),
    }
}

/// The document's example of the response `component`, or the one named `name` if there are several.
fn example(document: &Value, component: &str, name: Option<&str>) -> Value {
    let response = &document["components"]["responses"][component];
    let content = response["content"].as_object().expect("content").values().next().expect("a media type");
    let example = match name {
        Some(name) => &content["examples"][name]["value"],
        None => &content["example"],
    };
    assert!(example.is_object(), "{component} has no example {name:?}");
    example.clone()
}

#[track_caller]
fn assert_like(answer: &Value, example: &Value) {
    let members = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(members(answer), members(example));
    assert_eq!(comparable(answer, example), comparable(example, example));
}

#[test]
fn examples_are_real_answers() {
    service(async |service| {
        let document = document();
        let example =
            |component: &str, name: &str| example(&document, component, (!name.is_empty()).then_some(name));
        let body = |schema: &str| document["components"]["schemas"][schema]["example"].clone();
        let client = service.client();

        let artisan = client.post("/v1/artisans", &body("NewArtisan")).await.expect(201).json();
        assert_like(&artisan, &example("ArtisanCreated", ""));
        let mut product = body("NewProduct");
        product["artisan_id"] = artisan["id"].clone();
        let created = client.post("/v1/products", &product).await.expect(201);
        let product = created.json();
        assert_like(&product, &example("ProductCreated", ""));
        let address = created.header("location");
        assert_like(&client.get(address).await.expect(200).json(), &example("Product", ""));
        let page =
            &document["paths"]["/v1/products"]["get"]["responses"]["200"]["content"]["application/json"];
        assert_like(&client.get("/v1/products").await.expect(200).json(), &page["example"]);
        assert_like(&client.get("/health").await.expect(200).json(), &example("Health", ""));

        let mut history = document["paths"]["/v1/products/{id}/history"]["get"]["responses"]["200"]["content"]
            ["application/json"]["example"]
            .clone();
        let reason = history["items"][0]["reason"].as_str().expect("a reason").to_owned();
        let headers = [("content-type", "application/json"), ("x-audit-reason", reason.as_str())];
        let body_text = body("ProductPatch").to_string();
        let patched = client.send(Method::PATCH, address, &headers, body_text).await.expect(200).json();
        assert_eq!(patched["price"], body("ProductPatch")["price"]);
        let mut page = client.get(&format!("{address}/history?limit=1")).await.expect(200).json();
        assert!(page["next_cursor"].take().is_string(), "{page}");
        // Callers are not authenticated here.
        history["items"][0]["principal"].take();
        assert_like(&page, &history);
        let artisan_address = format!("/v1/artisans/{}", artisan["id"].as_str().expect("an id"));
        let patched = client.patch(&artisan_address, &body("ArtisanPatch")).await.expect(200).json();
        assert_eq!(patched["biography"], body("ArtisanPatch")["biography"]);
    });
}

#[test]
fn examples_of_problems_are_real_answers() {
    let environment = vec![("REQUIRE_IF_MATCH".to_owned(), "true".to_owned())];
    service_with(Setup { environment, ..Setup::default() }, async |service| {
        let document = document();
        let client = service.client();
        let products = "/v1/products";
        let json = ("content-type", "application/json");
        let apple = r#"{"name": "Apple", "price": 100}"#;
        let keyed = [json, ("idempotency-key", "one")];
        let product = client.send(Method::POST, products, &keyed, apple).await.expect(201);
        let address = product.header("location");
        let stale = [("if-match", "\"x\"")];
        let large = format!("\"{}\"", "a".repeat(65_536));
        let artisan = artisan_with_a_product(service).await;

        let send =
            async |component: &str, kind: &str, method: Method, path: &str, headers: &[_], body: &str| {
                let example = example(&document, component, Some(kind));
                let status = u16::try_from(example["status"].as_u64().expect("a status")).expect("a status");
                let mut answer = client.send(method, path, headers, body.to_owned()).await.problem(status);
                let mut example = example.clone();
                assert_eq!(answer["instance"], path.split('?').next().unwrap_or_default());
                answer["instance"].take();
                example["instance"].take();
                assert_like(&answer, &example);
            };
        let (get, post) = (Method::GET, Method::POST);
        send("BadRequest", "invalid-parameters", get.clone(), "/v1/products?limit=0", &[], "").await;
        send("BadRequest", "malformed-body", post.clone(), products, &[json], "{").await;
        send("NotFound", "not-found", get, &nowhere(), &[], "").await;
        send("PreconditionFailed", "precondition-failed", Method::DELETE, address, &stale, "").await;
        send("PreconditionRequired", "precondition-required", Method::DELETE, address, &[], "").await;
        send(
            "NothingToMatch",
            "precondition-failed",
            post.clone(),
            products,
            &[json, ("if-match", "*")],
            apple,
        )
        .await;
        send("BodyTooLarge", "body-too-large", post.clone(), products, &[json], &large).await;
        send("UnsupportedMediaType", "unsupported-media-type", post.clone(), products, &[], apple).await;
        let invalid = r#"{"name": "", "price": 1, "colour": "red"}"#;
        send("InvalidBody", "invalid-body", post.clone(), products, &[json], invalid).await;
        let other = r#"{"name": "Pear", "price": 100}"#;
        send("InvalidBodyOrKey", "idempotency-key-reused", post, products, &keyed, other).await;
        let any = [("if-match", "*")];
        send("Conflict", "conflict", Method::DELETE, &artisan, &any, "").await;
    });
}

fn nowhere() -> String {
    "/v1/products/01936b5e-7c00-7000-8000-00000000000a".to_owned()
}

/// The path of an artisan who has a product.
async fn artisan_with_a_product(service: &Service) -> String {
    let client = service.client();
    let artisan =
        client.post("/v1/artisans", &json!({"given_name": "A", "family_name": "B"})).await.expect(201);
    let product = json!({"name": "Cup", "price": 1, "artisan_id": artisan.json()["id"]});
    client.post("/v1/products", &product).await.expect(201);
    artisan.header("location").to_owned()
}

/// `xtask` builds this program and runs it in the root of a checkout.
#[test]
fn generate_names_a_stale_file_and_renews_it() {
    block_on(async {
        let copy = tempfile::tempdir().expect("a folder");
        let root = copy.path();
        copy_what_generate_reads(root).expect("a copy");
        let git =
            run(Command::new("git").args(["init", "-q"]).current_dir(root), Duration::from_secs(60)).await;
        assert_success(&git);
        let program = programs().expect("programs").join("generate");
        let generate = async |arguments: &[&str]| {
            let mut command = Command::new(&program);
            let output = run(command.args(arguments).current_dir(root), Duration::from_secs(60)).await;
            (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        let (success, said) = generate(&["--check"]).await;
        assert!(!success && said.contains("api/openapi.json is out of date"), "{said}");
        assert!(!Path::new(&root.join("api")).exists(), "--check writes nothing");
        assert!(generate(&[]).await.0);
        let (success, said) = generate(&["--check"]).await;
        assert!(success && !said.contains("out of date"), "{said}");

        let [stale, gone, left_over] =
            ["get-product.head", "get-health", "get-product.old"].map(|name| format!("events/{name}.json"));
        std::fs::write(root.join(&stale), "{}").expect("it is written");
        std::fs::remove_file(root.join(&gone)).expect("it goes");
        std::fs::write(root.join(&left_over), "{}").expect("it is written");
        let (success, said) = generate(&["--check"]).await;
        assert!(!success, "{said}");
        let named: Vec<_> = said.lines().filter_map(|line| Some(line.split_once(": `cargo")?.0)).collect();
        let expected = [(&gone, "is out of date"), (&stale, "is out of date"), (&left_over, "is left over")];
        assert_eq!(
            BTreeSet::from_iter(named.iter().map(|it| (*it).to_owned())),
            BTreeSet::from(expected.map(|(file, fault)| format!("{file} {fault}")))
        );
        assert!(generate(&[]).await.0);
        assert!(generate(&["--check"]).await.0 && !root.join(&left_over).exists());

        let requests = root.join("functions/get-health/requests.http");
        let text = std::fs::read_to_string(&requests).expect("requests");
        for (wrong, reason) in [
            (text.replace("/health", "/heath"), "there is no route GET /heath for get-health"),
            (text.replace("/health", "/v1/products"), "get-health is a request to list-products"),
            (text.replace("### get-health", "### health"), "health is not named after the operation"),
            (text.replace("### get-health", "### get-health.two"), "no request is called get-health"),
            (format!("{text}\n{text}"), "two requests have the same name"),
        ] {
            std::fs::write(&requests, wrong).expect("it is written");
            let (success, said) = generate(&["--check"]).await;
            assert!(
                !success && said.contains("functions/get-health/requests.http") && said.contains(reason),
                "{said}"
            );
        }
    });
}
