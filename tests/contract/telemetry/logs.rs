//! Log lines: their keys, and the requests that they belong to.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use harness::{Service, Setup, product_path, schema_faults, service, service_with};
use http::Method;
use local::{
    lambda::{Function, Functions},
    stack::{checkout, programs},
};
use serde_json::{Value, json};
use tokio::{process::Command, time::sleep};

use super::{Written, documents, variables};

/// The keys in addition to those of Powertools.
const OWN: [&str; 9] =
    ["operation", "route", "method", "path", "caller", "status", "duration_ms", "database_ms", "cache_ms"];

/// The keys that every line of an invocation has.
const OF_AN_INVOCATION: [&str; 12] = [
    "service",
    "operation",
    "function_name",
    "function_memory_size",
    "function_arn",
    "function_request_id",
    "correlation_id",
    "xray_trace_id",
    "cold_start",
    "route",
    "method",
    "path",
];

async fn all_sorts_of_requests(service: &Service) {
    let client = service.client();
    let path = product_path(&service.create_product(json!({"name": "Cup", "price": 1})).await);
    client.get(&path).await.expect(200);
    client.send(Method::HEAD, &path, &[], "").await.expect(200);
    client.get("/v1/products/search?q=cup").await.expect(200);
    client.get("/v1/products?limit=none").await.expect(400);
    client.get("/v1/products/none").await.expect(400);
    client.get("/v1/artisans").await.expect(200);
    client.post("/v1/products", &json!({"name": ""})).await.expect(422);
    client.delete(&path).await.expect(204);
    client.get(&path).await.expect(404);
    for how in ["log", "panic-aside", "not"] {
        client.get(&format!("/misbehave/{how}")).await.expect(204);
    }
    for how in ["panic", "fail", "write"] {
        client.get(&format!("/misbehave/{how}")).await.expect(500);
    }
    client.send(Method::POST, "/misbehave/cast", &[], "clay").await.expect(500);
}

#[test]
fn every_line_matches_the_schema_and_every_line_of_an_invocation_has_its_keys() {
    let setup = Setup { environment: variables(&[("POWERTOOLS_LOG_LEVEL", "DEBUG")]), ..Setup::default() };
    service_with(setup, async |service| {
        all_sorts_of_requests(service).await;
        let stalled = service.client().get("/misbehave/stall").await.expect(503);
        let written = Written::by(service);
        let lines = written.lines();
        assert_eq!(schema_faults("log-line.json", &documents(&lines)).await, Vec::<String>::new());
        assert_eq!(written.access().len(), 18);
        for line in &lines {
            // Lines before the first request of an environment belong to no request.
            if line["function_request_id"].is_string() {
                for key in OF_AN_INVOCATION {
                    assert!(!line[key].is_null(), "{key} is missing in {line}");
                }
            }
        }
        let has = |message: &str| lines.iter().filter(|line| line["message"] == message).count();
        assert_eq!((has("panicked: sesame"), has("the database's own words")), (2, 2));
        assert_eq!(has("a \"line\"\nof two"), 1);
        let nearly = written.of(stalled.header("x-correlation-id"));
        assert_eq!(nearly.iter().filter(|line| line["level"] == "WARN").count(), 1, "{nearly:?}");
    });
}

#[test]
fn an_access_line_says_who_did_what_and_where_the_time_went() {
    service(async |service| {
        let product = service.create_product(json!({"name": "Cup", "price": 1})).await;
        let headers = [("x-correlation-id", "order-7")];
        let asked = std::time::Instant::now();
        service.client().send(Method::GET, &product_path(&product), &headers, "").await.expect(200);
        let waited_ms = asked.elapsed().as_secs_f64() * 1e3;
        let other = service.client().get("/v1/products/seven").await.expect(400);
        let written = Written::by(service);
        let [line] = written.of("order-7")[..] else { panic!("one line") };
        for (key, value) in [
            ("level", json!("INFO")),
            ("operation", json!("get-product")),
            ("function_name", json!("get-product")),
            ("route", json!("/v1/products/{id}")),
            ("method", json!("GET")),
            ("path", json!(product_path(&product))),
            ("status", json!(200)),
            ("cold_start", json!(true)),
            ("cache_ms", json!(0.0)),
        ] {
            assert_eq!(line[key], value, "{key}: {line}");
        }
        let (all, database) = (line["duration_ms"].as_f64(), line["database_ms"].as_f64());
        assert!(Some(0.0) < database && database <= all && all <= Some(waited_ms), "{line}");
        let request_id = other.header("x-amzn-requestid");
        let [line] = written.of(request_id)[..] else { panic!("one line of {request_id}") };
        assert_eq!(
            (&line["path"], &line["cause"]),
            (&json!("/v1/products/{id}"), &json!("A parameter is not valid"))
        );
        assert_eq!((&line["database_ms"], &line["cold_start"]), (&json!(0.0), &json!(false)));
    });
}

#[test]
fn two_environments_of_a_function_keep_their_requests_apart() {
    service(async |service| {
        service.create_product(json!({"name": "Cup", "price": 1})).await;
        let database = service.database().await;
        database
            .batch_execute("begin; lock table products in access exclusive mode")
            .await
            .expect("the lock");
        let mut requests = tokio::task::JoinSet::new();
        for id in ["first", "second"] {
            let client = service.client().clone();
            requests.spawn(async move {
                client.send(Method::GET, "/v1/products", &[("x-correlation-id", id)], "").await.expect(200)
            });
        }
        let waiting = "select count(*) from pg_stat_activity
            where application_name = 'list-products' and wait_event_type = 'Lock'
              and datname = current_database()";
        let observer = service.database().await;
        while observer.query_one(waiting, &[]).await.expect("a count").get::<_, i64>(0) < 2 {
            sleep(Duration::from_millis(10)).await;
        }
        database.batch_execute("commit").await.expect("the lock goes");
        requests.join_all().await;
        for id in ["third", "fourth"] {
            let headers = [("x-correlation-id", id)];
            service.client().send(Method::GET, "/v1/products", &headers, "").await.expect(200);
        }

        let mut cold_starts = BTreeMap::new();
        let mut request_ids = BTreeSet::new();
        for line in service.lines().iter().filter(|line| line.function == "list-products") {
            let text: Value = serde_json::from_str(&line.text).expect("JSON");
            if text["message"] == "request" {
                let cold: &mut Vec<_> = cold_starts.entry(line.environment).or_default();
                cold.push(text["cold_start"] == true);
                let ids = (text["function_request_id"].to_string(), text["correlation_id"].to_string());
                assert!(request_ids.insert(ids), "{text}");
            }
        }
        let pids: BTreeSet<_> =
            service.functions().environments("list-products").iter().map(|it| it.pid).collect();
        assert_eq!(cold_starts.keys().copied().collect::<BTreeSet<_>>(), pids);
        assert_eq!(pids.len(), 2);
        for cold in cold_starts.values() {
            assert!(cold[0] && !cold[1..].contains(&true), "the first one alone: {cold_starts:?}");
        }
        let correlations: BTreeSet<_> = request_ids.iter().map(|(_, id)| id.as_str()).collect();
        assert_eq!(correlations, BTreeSet::from(["\"first\"", "\"fourth\"", "\"second\"", "\"third\""]));
    });
}

#[test]
fn the_level_is_lambdas_switch_and_a_sampled_request_is_logged_at_debug() {
    for (settings, levels) in [
        (&[("AWS_LAMBDA_LOG_LEVEL", "WARN"), ("POWERTOOLS_LOG_LEVEL", "DEBUG")][..], &[][..]),
        (&[("POWERTOOLS_LOG_LEVEL", "INFO")], &["INFO", "INFO"]),
        (&[("POWERTOOLS_LOG_LEVEL", "DEBUG")], &["INFO", "DEBUG", "INFO"]),
        (&[("POWERTOOLS_LOGGER_SAMPLE_RATE", "1")], &["INFO", "DEBUG", "INFO"]),
        (&[("POWERTOOLS_LOGGER_SAMPLE_RATE", "0")], &["INFO", "INFO"]),
    ] {
        let setup = Setup { environment: variables(settings), ..Setup::default() };
        service_with(setup, async |service| {
            let id = service
                .client()
                .get("/misbehave/log")
                .await
                .expect(204)
                .header("x-correlation-id")
                .to_owned();
            // Its DEBUG line is from a crate other than the function's, `misbehave`.
            service.client().get("/misbehave/write").await.expect(500);
            let written = Written::by(service);
            let seen: Vec<_> = written.of(&id).iter().map(|line| line["level"].clone()).collect();
            let is_debugged = levels.contains(&"DEBUG");
            let expected: Vec<_> = levels.iter().filter(|level| **level != "DEBUG").collect();
            assert_eq!(json!(seen), json!(expected), "{settings:?}");
            let words =
                written.lines().iter().filter(|line| line["message"] == "the database's own words").count();
            assert_eq!(words, usize::from(is_debugged), "{settings:?}");
            for line in written.lines() {
                let rate = settings.iter().find(|(name, _)| name.ends_with("RATE")).map(|(_, rate)| *rate);
                assert_eq!(line["sampling_rate"].as_str(), rate, "{line}");
            }
        });
    }
}

/// A function that runs `program`, with the same environment for Rust and Python.
fn function(program: std::path::PathBuf, arguments: &[&str]) -> Function {
    let environment = variables(&[
        ("POWERTOOLS_SERVICE_NAME", "catalogue"),
        ("POWERTOOLS_LOGGER_SAMPLE_RATE", "0.001"),
        ("DATABASE_URL", "postgresql://nobody:nothing@127.0.0.1:1/none"),
    ]);
    Function {
        name: "get-product".to_owned(),
        program,
        arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        environment,
        timeout: Duration::from_secs(10),
        memory_mb: 128,
        max_environments: 1,
    }
}

fn python_function() -> Function {
    let python = harness::clients::python();
    let script = checkout().join("tests/clients/powertools_function.py").display().to_string();
    function(python.as_std().get_program().into(), &["-I", &script])
}

async fn lines_of(function: Function, event: &Value) -> Vec<Value> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let functions = Functions::new(
        vec![function],
        Arc::new(move |line| {
            if let Ok(line) = serde_json::from_str(&line.text) {
                sink.lock().expect("lines").push(line);
            }
        }),
    );
    let trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0";
    let body = Bytes::from(event.to_string());
    functions.invoke("get-product", body, trace, Duration::from_secs(30)).await.expect("an answer");
    functions.shutdown().await;
    std::mem::take(&mut *lines.lock().expect("lines"))
}

/// The type of each value, by its key.
fn types(line: &Value) -> BTreeMap<String, &'static str> {
    let kind = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    line.as_object().expect("an object").iter().map(|(key, value)| (key.clone(), kind(value))).collect()
}

/// AWS's Python runtime, which Powertools needs, is available only for Linux.
#[cfg(target_os = "linux")]
#[test]
fn the_keys_are_those_that_powertools_for_python_prints() {
    harness::block_on(async {
        let event = fs::read(checkout().join("events/get-product.json")).expect("an event");
        let mut event: Value = serde_json::from_slice(&event).expect("JSON");
        event["headers"]["X-Correlation-Id"] = json!("order-7");
        event["multiValueHeaders"]["X-Correlation-Id"] = json!(["order-7"]);
        event["pathParameters"]["id"] = json!("seven");

        let theirs = lines_of(python_function(), &event).await;
        let ours = lines_of(function(programs().expect("programs").join("get-product"), &[]), &event).await;

        let access = |lines: &[Value]| {
            lines
                .iter()
                .find(|line| line["message"] == "request")
                .cloned()
                .unwrap_or_else(|| panic!("{lines:?}"))
        };
        let (theirs_access, mut ours_access) = (access(&theirs), access(&ours));
        for key in [
            "service",
            "sampling_rate",
            "correlation_id",
            "xray_trace_id",
            "cold_start",
            "function_name",
            "function_arn",
            "function_memory_size",
            "level",
        ] {
            assert_eq!(ours_access[key], theirs_access[key], "{key}");
        }
        let line = ours_access.as_object_mut().expect("an object");
        for key in OWN.iter().chain(&["cause"]) {
            line.remove(*key);
        }
        assert_eq!(types(&ours_access), types(&theirs_access));
        for line in [&theirs_access, &ours_access] {
            let time: jiff::Timestamp =
                line["timestamp"].as_str().expect("a time").parse().expect("RFC 3339");
            assert!(time.duration_until(jiff::Timestamp::now()).as_secs() < 60);
        }
    });
}

/// The line of a panic has the same keys as Powertools' line of an exception.
#[cfg(target_os = "linux")]
#[test]
fn a_panic_is_logged_as_powertools_logs_an_exception() {
    let mut theirs = Vec::new();
    harness::block_on(async {
        let event = json!({"requestContext": {"requestId": "r"}});
        theirs = lines_of(python_function(), &event).await;
    });
    let theirs = theirs.iter().find(|line| line["level"] == "ERROR").expect("an exception");
    service(async |service| {
        service.client().get("/misbehave/panic").await.expect(500);
        let written = Written::by(service);
        let ours = *written.lines().iter().find(|line| line["exception_name"] == "panic").expect("a panic");
        for key in ["exception", "exception_name"] {
            assert_eq!(types(ours)[key], types(theirs)[key], "{key}");
        }
        assert!(theirs["exception"].to_string().contains("sesame") && ours["exception"] == "sesame");
        assert!(ours["backtrace"].as_str().expect("text").contains("misbehave"), "{ours}");
        assert!(ours["location"].as_str().expect("text").contains("misbehave.rs:"), "{ours}");
    });
}

/// With a pseudo-terminal, provided by Python, the lines are formatted for people.
#[test]
fn a_terminal_shows_short_lines_in_colour() {
    harness::block_on(async {
        // A function without configuration reports that and exits, so this needs no Runtime API.
        let program = programs().expect("programs").join("get-product");
        let script = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
        let run = |command: &mut Command| {
            command.env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1").env_remove("DATABASE_URL");
            command.kill_on_drop(true).output()
        };
        let piped = run(Command::new(&program).env_clear()).await.expect("it runs");
        let shown = run(Command::new("python3").args(["-c", script]).arg(&program)).await.expect("it runs");
        let line: Value = serde_json::from_slice(&piped.stdout).expect("one line of JSON");
        assert_eq!((&line["level"], &line["operation"]), (&json!("ERROR"), &json!("get-product")));
        let shown = String::from_utf8(shown.stdout).expect("UTF-8");
        assert!(
            shown.contains("\u{1b}[31mERROR\u{1b}[0m \u{1b}[1mget-product\u{1b}[0m the function cannot run"),
            "{shown}"
        );
        assert!(shown.contains("DATABASE_URL") && !shown.contains('{'), "{shown}");
    });
}
