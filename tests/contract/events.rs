//! The sample events: each is sent to its binary as Lambda does.

use std::{collections::BTreeSet, fs, sync::LazyLock, time::Duration};

use api::samples::Sample;
use bytes::Bytes;
use domain::Visitor;
use harness::{Client, Response, Service, service};
use http::Method;
use local::{lambda::InvokeError, stack::checkout};
use serde_json::Value;
use shared::{
    db::value::Value as DbValue,
    resource::{Resource, columns, laws},
};
use tokio_postgres::types::ToSql;

/// The sample requests of all operations, with the status of each.
pub(crate) static SAMPLES: LazyLock<Vec<Sample>> =
    LazyLock::new(|| api::samples::all(checkout()).expect("the sample requests"));

/// Sends a sample over HTTP, with `method` and with `headers` in addition to its own.
pub(crate) async fn send(
    client: &Client,
    sample: &Sample,
    method: Method,
    headers: &[(&str, &str)],
) -> Response {
    let own = sample.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let headers: Vec<_> = own.chain(headers.iter().copied()).collect();
    client.send(method, &sample.target, &headers, sample.body.clone().unwrap_or_default()).await
}

/// The id of the rows that examples refer to, and the id of the rows that samples read and change, to which no row
/// refers.
const IDS: [&str; 2] = ["01936b5e-7c00-7000-8000-000000000001", "01936b5e-7c00-7000-8000-000000000002"];

/// Inserts the rows for the samples: two examples of each resource.
#[derive(Default)]
struct Fixture {
    inserts: Vec<(String, Vec<DbValue>)>,
    tables: Vec<&'static str>,
}

impl Visitor for Fixture {
    fn visit<T: Resource>(&mut self) {
        for id in IDS {
            let columns = columns::<T>(laws::example::<T>().values());
            let names: Vec<_> = columns.iter().map(|(name, _)| *name).collect();
            let values: Vec<_> = (1..=names.len()).map(|number| format!("${number}")).collect();
            let insert = format!(
                "insert into {} (id, {}, created_at, updated_at) values ('{id}', {}, now(), now())",
                T::TABLE,
                names.join(", "),
                values.join(", ")
            );
            self.inserts.push((insert, columns.into_iter().map(|(_, value)| value).collect()));
        }
        self.tables.push(T::TABLE);
    }
}

impl Fixture {
    fn new() -> Self {
        let mut fixture = Self::default();
        domain::visit(&mut fixture);
        fixture
    }

    async fn insert(&self, service: &Service) {
        let database = service.database().await;
        for (insert, values) in &self.inserts {
            let parameters: Vec<_> = values.iter().map(|value| value as &(dyn ToSql + Sync)).collect();
            database.execute(insert, &parameters).await.expect("a row");
        }
    }
}

/// Resets the catalogue of `service` to the rows for the samples.
pub(crate) async fn again(service: &Service) {
    let fixture = Fixture::new();
    let truncate = format!("truncate {}, history, idempotency_keys cascade", fixture.tables.join(", "));
    service.database().await.batch_execute(&truncate).await.expect("an empty catalogue");
    fixture.insert(service).await;
}

async fn invoke(service: &Service, sample: &str) -> Value {
    let event = fs::read(checkout().join(format!("events/{sample}.json"))).expect("an event");
    let operation = sample.split('.').next().expect("a name");
    let functions = service.functions();
    let answer = functions.invoke(
        operation,
        Bytes::from(event),
        "Root=1-67409a1b-5759e988bd862e3fe1be46a9",
        Duration::from_secs(10),
    );
    serde_json::from_slice(&answer.await.expect("an answer")).expect("JSON")
}

#[test]
fn every_sample_is_answered_with_its_status() {
    for Sample { name, status, .. } in SAMPLES.iter() {
        service(async |service| {
            Fixture::new().insert(service).await;
            let answer = invoke(service, name).await;
            assert_eq!(answer["statusCode"], *status, "{name}: {answer}");
        });
    }
}

#[test]
fn every_file_is_a_sample_and_every_operation_has_one() {
    let files = fs::read_dir(checkout().join("events")).expect("events/");
    let files: BTreeSet<_> =
        files.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(files, SAMPLES.iter().map(|sample| format!("{}.json", sample.name)).collect());
    for operation in api::OPERATIONS {
        assert!(
            SAMPLES.iter().any(|sample| sample.name == operation.name),
            "{} has no sample",
            operation.name
        );
    }
}

#[test]
fn links_carry_the_stage_of_the_event() {
    service(async |service| {
        let answer = invoke(service, "create-product").await;
        let location = answer["multiValueHeaders"]["location"][0].as_str().expect("a location");
        assert!(location.starts_with("/prod/v1/products/"), "{location}");
    });
}

#[test]
fn an_event_of_cargo_lambda_watch_is_answered_in_its_own_form() {
    service(async |service| {
        let event = serde_json::json!({
            "version": "2.0", "httpMethod": "GET", "resource": null, "routeKey": "$default", "rawPath": "/v1/products", "rawQueryString": "limit=1",
            "headers": {"accept": "application/json"}, "queryStringParameters": {"limit": "1"},
            "requestContext": {"accountId": "1", "apiId": "a", "domainName": "localhost", "domainPrefix": "l",
                "http": {"method": "GET", "path": "/v1/products", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "curl"},
                "requestId": "r-1", "routeKey": "$default", "stage": "$default", "time": "22/Nov/2024:14:48:59 +0000", "timeEpoch": 1_732_286_939_000_u64},
            "isBase64Encoded": false
        });
        let functions = service.functions();
        let answer = functions
            .invoke("list-products", Bytes::from(event.to_string()), "", Duration::from_secs(10))
            .await;
        let answer: Value = serde_json::from_slice(&answer.expect("an answer")).expect("JSON");
        assert_eq!(answer["statusCode"], 200, "{answer}");
        assert_eq!(answer["headers"]["content-type"], "application/json");
        assert_eq!(answer["headers"]["x-correlation-id"], "r-1");
        assert_eq!(answer["body"], r#"{"items":[],"next_cursor":null}"#);
    });
}

#[test]
fn an_event_of_another_service_is_an_error_that_says_so() {
    service(async |service| {
        for foreign in [r#"{"Records": []}"#, "{}", "[]", "null", r#""httpMethod""#] {
            let event = Bytes::from_static(foreign.as_bytes());
            let answer =
                service.functions().invoke("list-products", event, "", Duration::from_secs(10)).await;
            let Err(InvokeError::FunctionError { error_type, message }) = answer else {
                panic!("{foreign}: {answer:?}");
            };
            assert_eq!(error_type, "NotAnApiGatewayEvent", "{foreign}");
            assert!(message.contains("not an API Gateway proxy event"), "{message}");
        }
    });
}

/// The values that replace a part of an event; `None` removes it.
const OTHERS: &[Option<&str>] = &[
    None,
    Some("null"),
    Some("true"),
    Some("7"),
    Some("1e999"),
    Some(r#""text""#),
    Some(r#""\ud800""#),
    Some("[]"),
    Some("[7]"),
    Some("{}"),
    Some(r#"{"a": {"b": [null]}}"#),
];

/// The text of `event` with the part at `pointer` replaced.
fn with(event: &Value, pointer: &str, other: Option<&str>) -> String {
    const MARK: &str = "the part that is replaced";
    let mut event = event.clone();
    let (parent, name) = pointer.rsplit_once('/').expect("a part");
    match (other, event.pointer_mut(parent).expect("a parent")) {
        (None, Value::Object(members)) => {
            members.remove(&name.replace("~1", "/").replace("~0", "~"));
        }
        (None, Value::Array(values)) => {
            values.remove(name.parse().expect("an index"));
        }
        _ => *event.pointer_mut(pointer).expect("a part") = Value::from(MARK),
    }
    event.to_string().replace(&format!("\"{MARK}\""), other.unwrap_or_default())
}

/// The JSON pointers of all parts below `value`.
fn pointers(value: &Value) -> Vec<String> {
    let parts: Vec<(String, &Value)> = match value {
        Value::Object(members) => {
            members.iter().map(|(name, part)| (name.replace('~', "~0").replace('/', "~1"), part)).collect()
        }
        Value::Array(values) => {
            values.iter().enumerate().map(|(index, part)| (index.to_string(), part)).collect()
        }
        _ => Vec::new(),
    };
    let below = |(name, part): (String, &Value)| {
        let deeper =
            pointers(part).into_iter().map(|pointer| format!("/{name}{pointer}")).collect::<Vec<_>>();
        [vec![format!("/{name}")], deeper].concat()
    };
    parts.into_iter().flat_map(below).collect()
}

/// An event of `cargo lambda watch`, with everything that an HTTP API includes about its caller.
fn http_event() -> Value {
    serde_json::json!({
        "version": "2.0", "routeKey": "GET /v1/products", "rawPath": "/v1/products", "rawQueryString": "limit=1",
        "headers": {"accept": "application/json"}, "queryStringParameters": {"limit": "1"}, "cookies": ["a=b"],
        "requestContext": {"http": {"method": "GET", "path": "/v1/products", "sourceIp": "127.0.0.1"},
            "authorizer": {"jwt": {"claims": {"iss": "https://id.example", "sub": "ann"}, "scopes": ["a"]}},
            "authentication": {"clientCert": {"subjectDN": "CN=a", "issuerDN": "CN=b"}},
            "requestId": "r-1", "stage": "$default", "timeEpoch": 1_732_286_939_000_u64},
        "body": null, "isBase64Encoded": false
    })
}

#[test]
fn whatever_stands_in_the_place_of_a_member_is_answered_and_what_is_not_needed_changes_nothing() {
    let sample = |name: &str| {
        let event = fs::read(checkout().join(format!("events/{name}.json"))).expect("an event");
        let mut event: Value = serde_json::from_slice(&event).expect("JSON");
        event["requestContext"]["authorizer"] = serde_json::json!({"principalId": "u", "claims": {"iss": "i", "sub": "ann"}, "integrationLatency": 5});
        event
    };
    // The parts that an operation needs: its response may depend on each of these.
    let is_needed = |pointer: &str| {
        [
            "/body",
            "/pathParameters",
            "/multiValueHeaders",
            "/multiValueQueryStringParameters",
            "/rawQueryString",
        ]
        .iter()
        .any(|needed| pointer.starts_with(needed))
    };
    service(async |service| {
        Fixture::new().insert(service).await;
        let mut answers = 0;
        for (operation, event, status) in [
            ("list-products", http_event(), 200),
            ("list-products", sample("list-products"), 200),
            ("get-product", sample("get-product.not-modified"), 304),
            ("create-product", sample("create-product"), 201),
            ("patch-product", sample("patch-product"), 200),
            ("get-openapi", sample("get-openapi"), 200),
        ] {
            for pointer in pointers(&event) {
                for other in OTHERS {
                    let changed = with(&event, &pointer, *other);
                    let event = Bytes::from(changed.clone());
                    let answer =
                        service.functions().invoke(operation, event, "", Duration::from_secs(10)).await;
                    let answer = answer.unwrap_or_else(|error| panic!("{error}: {changed}"));
                    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
                    let given = answer["statusCode"].as_u64().expect("a status");
                    if is_needed(&pointer) {
                        assert!(given < 500, "{given} for {changed}");
                    } else {
                        assert_eq!(given, status, "{pointer} {other:?}: {changed}");
                    }
                    answers += 1;
                }
            }
        }
        assert!(answers > 3_000, "{answers} answers");
    });
}
