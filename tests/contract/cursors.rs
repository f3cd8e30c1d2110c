//! Cursors from outside: rotation of their keys, and positions that no response has contained.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use harness::{Service, Setup, artisan_path, product_path, service_with};
use local::{
    lambda::{Function, Functions},
    stack::{checkout, programs},
};
use proptest::{
    prelude::*,
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use serde_json::{Value, json};
use shared::{
    Request, Role,
    http::{CursorKeys, Gateway},
};

const KEY: &str = "sesame";

/// `list-products` on a test's database, once for each of several values of `CURSOR_KEY`.
struct Lists(HashMap<&'static str, Functions>);

impl Lists {
    fn new(url: &str, keys: &[&'static str]) -> Self {
        let function = |keys: &'static str| Function {
            name: "list-products".to_owned(),
            program: programs().expect("the binaries").join("list-products"),
            arguments: Vec::new(),
            environment: vec![
                ("DATABASE_URL".to_owned(), url.to_owned()),
                ("CURSOR_KEY".to_owned(), keys.to_owned()),
            ],
            timeout: Duration::from_secs(10),
            memory_mb: 256,
            max_environments: 1,
        };
        let one = |&keys: &&'static str| (keys, Functions::new(vec![function(keys)], Arc::new(|_| ())));
        Self(keys.iter().map(one).collect())
    }

    /// The status and body of the page after `cursor`, from the function with `keys`.
    async fn page(&self, keys: &str, cursor: Option<&str>) -> (u64, Value) {
        let sample = checkout().join("events/list-products.json");
        let mut event: Value =
            serde_json::from_slice(&std::fs::read(sample).expect("an event")).expect("JSON");
        let mut query = json!({"limit": ["1"]});
        if let Some(cursor) = cursor {
            query["cursor"] = json!([cursor]);
        }
        event["multiValueQueryStringParameters"] = query;
        event["queryStringParameters"] = Value::Null;
        let event = Bytes::from(event.to_string());
        let answer = self.0[keys].invoke("list-products", event, "", Duration::from_secs(10)).await;
        let answer: Value = serde_json::from_slice(&answer.expect("an answer")).expect("JSON");
        let body = serde_json::from_str(answer["body"].as_str().expect("a body")).expect("JSON");
        (answer["statusCode"].as_u64().expect("a status"), body)
    }
}

#[test]
fn a_walk_goes_on_while_its_keys_are_rotated() {
    let url = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&url);
    let access = move |role: Role, url: &str| {
        if role == Role::Reader {
            url.clone_into(&mut seen.lock().expect("the URL"));
        }
        vec![("DATABASE_URL".to_owned(), url.to_owned())]
    };
    service_with(Setup { database_access: Some(Box::new(access)), ..Setup::default() }, async |service| {
        for index in 0..10 {
            service.create_product(json!({"name": format!("Cup {index}"), "price": 1})).await;
        }
        let url = url.lock().expect("the URL").clone();
        let steps = ["old", "old,new", "new,old", "new"];
        let lists = Lists::new(&url, &steps);
        // During the rollout of a step, functions of the previous step also serve.
        let walk = ["old", "old,new", "old", "old,new", "new,old", "old,new", "new,old", "new", "new,old"];
        let (mut cursor, mut names) = (None, Vec::new());
        for keys in walk {
            let (status, page) = lists.page(keys, cursor.as_deref()).await;
            assert_eq!(status, 200, "{keys}: {page}");
            names.push(page["items"][0]["name"].as_str().expect("a name").to_owned());
            cursor = page["next_cursor"].as_str().map(str::to_owned);
        }
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), walk.len(), "{names:?}");

        let (_, page) = lists.page("old", None).await;
        let (status, problem) = lists.page("new", page["next_cursor"].as_str()).await;
        assert_eq!(
            (status, &problem["errors"][0]["parameter"]),
            (400, &json!("cursor")),
            "the old key is gone"
        );
        for functions in lists.0.into_values() {
            functions.shutdown().await;
        }
    });
}

/// Every list with its operation, its path and its parameters.
async fn lists(service: &Service) -> Vec<(String, String, Vec<(&'static str, &'static str)>)> {
    let artisan = service.create_artisan(json!({"given_name": "Hanako", "family_name": "Sato"})).await;
    let product = json!({"name": "Cup", "price": 1, "artisan_id": artisan["id"]});
    let product = service.create_product(product).await;
    let (artisan_id, product_id) = (harness::id(&artisan).to_owned(), harness::id(&product).to_owned());
    let (artisan, product) = (artisan_path(&artisan), product_path(&product));
    let mut lists = Vec::new();
    for sort in [None, Some("-created_at"), Some("created_at"), Some("name"), Some("price"), Some("-price")] {
        let sort: Vec<_> = sort.map(|sort| ("sort", sort)).into_iter().collect();
        let is_of_artisans = !sort.iter().any(|(_, sort)| sort.ends_with("price"));
        lists.push(("list-products".to_owned(), "/v1/products".to_owned(), sort.clone()));
        let of_artisan = format!("list-artisan-products {artisan_id}");
        lists.push((of_artisan, format!("{artisan}/products"), sort.clone()));
        if is_of_artisans {
            lists.push(("list-artisans".to_owned(), "/v1/artisans".to_owned(), sort));
        }
    }
    for (resource, term) in [("products", "cup"), ("products", "bowl"), ("artisans", "sato")] {
        for sort in [None, Some("relevance"), Some("name"), Some("-created_at")] {
            let search = format!("search-{resource} whole words first, near hits last");
            let query = [("q", term)].into_iter().chain(sort.map(|sort| ("sort", sort)));
            lists.push((search, format!("/v1/{resource}/search"), query.collect()));
        }
    }
    lists.push((format!("list-product-history {product_id}"), format!("{product}/history"), vec![]));
    lists.push((format!("list-artisan-history {artisan_id}"), format!("{artisan}/history"), vec![]));
    lists.push(("list-changes".to_owned(), "/v1/changes".to_owned(), vec![]));
    lists
}

/// Positions of every list, of wrong types, out of range, and nonsense.
fn positions() -> Vec<Value> {
    let id = "01936b5e-7c00-7000-8000-00000000000a";
    let times = [
        "2026-11-21T09:30:00Z",
        "-009999-01-02T00:00:00Z",
        "-004714-01-01T00:00:00Z",
        "9999-12-30T00:00:00Z",
        "yesterday",
        "",
    ];
    let texts = ["Cup", "", "\0", "a\0b", "\u{10ffff}", "器"];
    let integers =
        [json!(0), json!(-1), json!(i64::MAX), json!(i64::MIN), json!(u64::MAX), json!(1.5), json!(1e300)];
    let mut positions = vec![json!(null), json!(true), json!({}), json!([]), json!("Cup"), json!([[[]]])];
    positions.extend(integers.clone());
    for integer in &integers {
        positions.extend([json!([integer, id]), json!({"p": [integer, id]}), json!([5, integer, id])]);
        positions.extend(times.map(|time| json!([integer, time, id])));
        for text in texts {
            positions.push(json!([integer, text, id]));
            positions.push(json!([integer, text, text, id]));
            positions.push(json!([integer, text, id, integer]));
        }
    }
    // Positions include a rank; that of near hits is the last.
    for rank in [0, 5] {
        positions.extend(times.map(|time| json!([rank, time, id])));
        positions.extend(texts.map(|text| json!([rank, text, id])));
        positions.extend(texts.map(|text| json!([rank, text, text, id])));
    }
    positions.extend(times.map(|time| json!([time, id])));
    for text in texts {
        positions.extend([
            json!([text, id]),
            json!([text, text, id]),
            json!([null, id]),
            json!({"x": [text, id]}),
        ]);
    }
    positions.extend([json!([1, "7"]), json!([1]), json!([1, id, id]), json!([id])]);
    positions
}

/// Random positions of nearly the right form, from a fixed seed.
fn arbitrary_positions(count: usize) -> Vec<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[\\x00-\u{10ffff}]{0,6}".prop_map(Value::from),
        (-9_999..9_999_i32).prop_map(|year| match year < 0 {
            true => json!(format!("-{:06}-02-03T04:05:06Z", -year)),
            false => json!(format!("{year:04}-02-03T04:05:06.789Z")),
        }),
        any::<u128>().prop_map(|id| json!(uuid::Uuid::from_u128(id))),
    ];
    let parts = prop::collection::vec(leaf, 0..5).prop_map(Value::from);
    let named = ("[pcnx]", parts.clone()).prop_map(|(kind, parts)| json!({kind: parts}));
    let position = prop_oneof![parts, named];
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| position.new_tree(&mut runner).expect("a position").current()).collect()
}

#[test]
fn any_position_that_is_signed_with_the_right_key_is_a_page_or_400() {
    let environment = vec![("CURSOR_KEY".to_owned(), KEY.to_owned())];
    service_with(Setup { environment, ..Setup::default() }, async |service| {
        for (operation, path, parameters) in lists(service).await {
            let query: Vec<_> =
                parameters.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
            let gateway = Gateway { query, ..Gateway::default() };
            let request = Request::new(http::Request::new(Bytes::new()), gateway);
            let list = request.query().page(&operation);
            let (mut pages, mut refusals) = (0, 0);
            for position in positions().into_iter().chain(arbitrary_positions(100)) {
                let cursor = list.cursor(&CursorKeys::new(KEY.as_bytes()), &position).expect("a cursor");
                let parameters = parameters.iter().copied().chain([("cursor", cursor.as_str())]);
                let parameters: Vec<_> = parameters.map(|(name, value)| format!("{name}={value}")).collect();
                let answer = service.client().get(&format!("{path}?{}", parameters.join("&"))).await;
                match answer.status.as_u16() {
                    200 => pages += 1,
                    _ => {
                        assert_eq!(answer.faults(400), ["cursor"], "{path} {parameters:?} {position}");
                        refusals += 1;
                    }
                }
            }
            // The signature is valid, so a refusal is due to the position.
            assert!(pages > 0 && refusals > 0, "{operation} {parameters:?}: {pages} {refusals}");
        }
    });
}
