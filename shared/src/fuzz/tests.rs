//! Runs every fuzz target for `FUZZ_SECONDS` (default 1) with nearly valid inputs, shrinks failing inputs,
//! and treats an input that hangs as a failure. The inputs are the same each time, so that a failure is
//! caused by the change under test; set `FUZZ_SEED` to any number for other inputs.

use std::{
    any::Any,
    cell::RefCell,
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    sync::mpsc::{RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use proptest::{
    prelude::*,
    sample::Index,
    test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner},
};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use crate::{
    http::MAX_BODY_BYTES,
    resource::{laws::merge_patch, sample::Cup},
};

type Target = fn(&[u8]) -> &'static str;

/// Inputs take microseconds; one that uses the processor for this long is a fault.
const SLOW: Duration = Duration::from_secs(1);

/// Longest wait for one input.
const HANGS: Duration = Duration::from_secs(20);

/// Inputs between two checks of the time.
const BATCH: u32 = 32;

#[test]
fn events() {
    drive(super::event, event_inputs, &["REST", "HTTP", "refused"]);
}

#[test]
fn cursors() {
    drive(super::cursor, cursor_inputs, &["list", "first page"]);
}

#[test]
fn preconditions() {
    drive(super::preconditions, precondition_inputs, &["200", "304", "412", "malformed"]);
}

#[test]
fn merge_patches() {
    drive(merge_patch::<Cup>, merge_patch_inputs, &["applied", "invalid", "repeated", "refused"]);
}

#[test]
fn idempotency() {
    drive(super::idempotency, idempotency_inputs, &["documents", "document", "key", "no key", "no header"]);
}

/// Inputs that once failed.
#[test]
fn inputs_that_failed_once() {
    for (target, input) in FAILED_ONCE {
        target(input.as_bytes());
    }
}

const FAILED_ONCE: &[(Target, &str)] = &[
    // Events that `lambda_http` panics on: host, path, query, body.
    (super::event, r#"{"headers": {"host": "a b"}, "requestContext": {"http": {"method": "GET"}}}"#),
    (
        super::event,
        r#"{"rawPath": "\\[", "requestContext": {"http": {"method": "GET"}, "domainName": "[", "stage": "a b"}}"#,
    ),
    (super::event, r#"{"rawQueryString": "a b\u0000=é", "requestContext": {"http": {"method": "GET"}}}"#),
    (
        super::event,
        r#"{"body": "=", "isBase64Encoded": true, "requestContext": {"http": {"method": "GET"}}}"#,
    ),
    // A query whose order was lost.
    (super::event, r#"{"rawQueryString": "b=1&a=2&c=3&b=4", "requestContext": {"http": {"method": "GET"}}}"#),
    // A list of values that is empty, which `query_map` takes for one of a value at least.
    (super::event, r#"{"queryStringParameters": {"a": []}, "requestContext": {"http": {"method": "GET"}}}"#),
    // A list in the place of an object.
    (
        super::event,
        r#"{"httpMethod": "GET", "requestContext": {"httpMethod": "GET", "path": "/", "identity": [""]}}"#,
    ),
    // A tab in a key.
    (super::idempotency, "A\tA\n{}"),
];

#[test]
fn the_largest_bodies_are_read_in_time() {
    for (kind, size) in (0..LARGE_KINDS).flat_map(|kind| [(kind, MAX_BODY_BYTES), (kind, MAX_BODY_BYTES + 1)])
    {
        let body = large_body(kind, size);
        judge(merge_patch::<Cup>, &body).unwrap();
        judge(super::idempotency, &[b"key\n", &body[..]].concat()).unwrap();
    }
}

/// Runs `target` with `inputs` until the time is over. All of `reached` must be reached, which may take
/// longer.
fn drive<S: Strategy<Value = Vec<u8>> + 'static>(
    target: Target,
    inputs: fn() -> S,
    reached: &'static [&'static str],
) {
    let seconds = std::env::var("FUZZ_SECONDS").map_or(1, |text| text.parse().expect("whole seconds"));
    let seed: u64 = std::env::var("FUZZ_SEED").map_or(0, |text| text.parse().expect("a number"));
    let (sender, receiver) = channel();
    let driver = thread::spawn(move || {
        let (until, at_last) = (Duration::from_secs(seconds), Duration::from_secs(seconds + 30));
        let started = Instant::now();
        let mut counts = BTreeMap::new();
        let mut batches = 0_u64;
        while started.elapsed() < until
            || (started.elapsed() < at_last && !reached.iter().all(|point| counts.contains_key(point)))
        {
            let seed = [seed.to_le_bytes(), batches.to_le_bytes(), [0; 8], [0; 8]].concat();
            let random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
            batch(target, &inputs(), random, &sender, &mut counts);
            batches += 1;
        }
        counts
    });
    let mut running = None;
    loop {
        match receiver.recv_timeout(HANGS) {
            Ok(input) => running = input,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                let input: Vec<u8> = running.unwrap_or_default();
                panic!("hangs on b\"{}\"", input.escape_ascii());
            }
        }
    }
    let counts = driver.join().unwrap_or_else(|panic| resume_unwind(panic));
    println!("{seconds} s: {counts:?}");
    for point in reached {
        assert!(counts.contains_key(point), "nothing reached `{point}`: {counts:?}");
    }
}

/// Runs a batch of random inputs and adds to `counts` how often each point was reached. Sends every input
/// before it runs, and `None` at the end.
fn batch(
    target: Target,
    inputs: &impl Strategy<Value = Vec<u8>>,
    random: TestRng,
    running: &Sender<Option<Vec<u8>>>,
    counts: &mut BTreeMap<&'static str, u64>,
) {
    let config =
        Config { cases: BATCH, failure_persistence: None, max_shrink_iters: 4_096, ..Config::default() };
    let reached = RefCell::new(counts);
    let result = TestRunner::new_with_rng(config, random).run(inputs, |input| {
        // The receiver is dropped only after this.
        let _ = running.send(Some(input.clone()));
        let judged = judge(target, &input);
        let _ = running.send(None);
        let point = judged.map_err(TestCaseError::fail)?;
        *reached.borrow_mut().entry(point).or_insert(0) += 1;
        Ok(())
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(reason, input)) => panic!("{reason}\ninput: b\"{}\"", input.escape_ascii()),
        Err(error) => panic!("{error}"),
    }
}

/// How far `input` was processed, or the failure.
fn judge(target: Target, input: &[u8]) -> Result<&'static str, String> {
    let started = processor_time();
    let point = catch_unwind(AssertUnwindSafe(|| target(input))).map_err(|panic| message(&*panic))?;
    let taken = processor_time().saturating_sub(started);
    if taken > SLOW { Err(format!("takes {taken:?}")) } else { Ok(point) }
}

/// The processor time of this thread, which a busy machine does not increase.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.try_into().expect("a time since the thread began")
}

fn event_inputs() -> impl Strategy<Value = Vec<u8>> {
    let v1 = sample_json("event").prop_flat_map(json_near).prop_map(|event| event.to_string().into_bytes());
    prop_oneof![6 => v1, 3 => mutated(sample("event")), 1 => text()]
}

fn cursor_inputs() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (".{0,20}", ".{0,40}").prop_map(|(list, name)| format!("{list}\n{name}").into_bytes()),
        2 => "[A-Za-z0-9_-]{0,80}".prop_map(String::into_bytes),
        3 => mutated(sample("cursor")),
        1 => text(),
    ]
}

fn precondition_inputs() -> impl Strategy<Value = Vec<u8>> {
    let tag = (
        prop::sample::select(vec!["", "W/", "w/", " "]),
        prop_oneof![
            4 => (6..9_u8, -1..4_i64, 0..3_u8).prop_map(|(id, version, form)| format!("{id:032x}.{version}.{form}")),
            1 => "[!-~]{0,6}",
        ],
        prop::sample::select(vec!["", ", ", ",", " ,, ", "\t"]),
    );
    let tag = tag.prop_map(|(weak, opaque, after)| format!("{weak}\"{opaque}\"{after}"));
    let date = prop::sample::select(vec![
        "Sun, 06 Nov 1994 08:49:36 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun Nov  6 08:49:38 1994",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Sun, 06 Nov 1994 08:49:60 GMT",
        "yesterday",
    ]);
    let line = prop_oneof![
        6 => ("[02]", prop::collection::vec(tag, 1..4)).prop_map(|(header, tags)| format!("{header}{}", tags.concat())),
        3 => ("[13]", date).prop_map(|(header, date)| format!("{header}{date}")),
        1 => ("[02]", prop::sample::select(vec!["*", "* ", "**", ","])).prop_map(|(header, value)| format!("{header}{value}")),
    ];
    let lines = prop::collection::vec(line, 0..5).prop_map(|lines| lines.join("\n").into_bytes());
    prop_oneof![5 => lines.clone(), 3 => mutated(lines), 1 => mutated(sample("preconditions")), 1 => text()]
}

fn merge_patch_inputs() -> impl Strategy<Value = Vec<u8>> {
    let near =
        sample_json("merge_patch").prop_flat_map(json_near).prop_map(|patch| patch.to_string().into_bytes());
    prop_oneof![32 => near, 16 => object_text(), 16 => mutated(sample("merge_patch")), 1 => large(), 8 => text()]
}

fn idempotency_inputs() -> impl Strategy<Value = Vec<u8>> {
    let key = prop_oneof![4 => "[!-~]{1,40}", 1 => "[ -~\\t]{0,8}", 1 => "[!-~]{250,260}", 1 => "[\\x20-\\xff]{0,6}", 1 => "[\\x01-\\x09\\x7f]{1,2}"];
    let documents = prop_oneof![
        30 => (object_text(), object_text()).prop_map(|(first, second)| [&first[..], b"\n--\n", &second].concat()),
        20 => object_text().prop_map(|same| [&same[..], b"\n--\n", &same].concat()),
        1 => large(),
    ];
    let pairs = (key, documents).prop_map(|(key, documents)| [key.as_bytes(), b"\n", &documents].concat());
    prop_oneof![5 => pairs.clone(), 2 => mutated(pairs), 2 => mutated(sample("idempotency")), 1 => text()]
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// The inputs that `target` starts from, shared with `cargo xtask fuzz`.
fn samples(target: &str) -> Vec<Vec<u8>> {
    let root = Path::new("..");
    let files = |folder: PathBuf| {
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        files.sort();
        files.into_iter().map(|file| fs::read(file).expect("a sample")).collect::<Vec<_>>()
    };
    let mut samples = files(root.join("tests/fuzz/seeds").join(target));
    if target == "event" {
        let events = files(root.join("events"));
        // The one HTTP event is as likely as all other events together.
        samples = samples.into_iter().cycle().take(events.len()).chain(events).collect();
    }
    samples
}

fn sample(target: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    prop::sample::select(samples(target))
}

fn sample_json(target: &str) -> impl Strategy<Value = Value> + use<> {
    prop::sample::select(samples(target)).prop_map(|json| serde_json::from_slice(&json).unwrap_or_default())
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![".{0,60}".prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..60)]
}

/// Texts that are worth trying in place of another.
fn odd_text() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "",
            " ",
            "*",
            "/",
            "//",
            "?",
            "#",
            "%",
            "%zz",
            "a b",
            "\0",
            "\u{7f}",
            "é",
            "💥",
            "[::1",
            "http://",
            "GET",
            "get",
            "null",
            "W/\"1\"",
            "\"",
            "01936b5e-7c00-7000-8000-000000000002",
            "EUR",
            "eyJ9",
            "====",
            "a\r\nb: c",
            "X-Amz-Date",
        ])
        .prop_map(str::to_owned),
        ".{0,12}",
    ]
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-3_i8..4).prop_map(Value::from),
        odd_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 10, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(odd_text(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// `value` with up to three of its parts removed, renamed or replaced by another.
fn json_near(value: Value) -> impl Strategy<Value = Value> {
    let edit = (any::<Index>(), 0..4_u8, json_value(), odd_text());
    prop::collection::vec(edit, 0..4).prop_map(move |edits| {
        let mut value = value.clone();
        for (part, kind, other, name) in edits {
            let pointers = pointers(&value);
            let pointer = pointers[part.index(pointers.len())].clone();
            let (parent, last) = pointer.rsplit_once('/').unwrap_or(("", ""));
            match (kind, value.pointer_mut(parent)) {
                (0, Some(Value::Object(members))) => {
                    members.remove(last);
                }
                (1, Some(Value::Object(members))) => {
                    let member = members.remove(last).unwrap_or(other);
                    members.insert(name, member);
                }
                (2, Some(Value::Object(members))) => {
                    members.insert(name, other);
                }
                _ => {
                    if let Some(part) = value.pointer_mut(&pointer) {
                        *part = other;
                    }
                }
            }
        }
        value
    })
}

/// The JSON pointers of all parts of `value`.
fn pointers(value: &Value) -> Vec<String> {
    let parts: Vec<(String, &Value)> = match value {
        Value::Object(members) => {
            let name = |name: &String| name.replace('~', "~0").replace('/', "~1");
            members.iter().map(|(member, value)| (name(member), value)).collect()
        }
        Value::Array(values) => {
            values.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
        }
        _ => Vec::new(),
    };
    let below = parts
        .into_iter()
        .flat_map(|(name, part)| pointers(part).into_iter().map(move |pointer| format!("/{name}{pointer}")));
    std::iter::once(String::new()).chain(below).collect()
}

/// The text of an object, with possibly repeated names and any white space and escapes.
fn object_text() -> impl Strategy<Value = Vec<u8>> {
    let name = prop_oneof![
        4 => prop::sample::select(vec!["artisan_id", "name", "description", "price", "currency"]).prop_map(str::to_owned),
        1 => odd_text(),
    ];
    let number = "-?(0|[1-9][0-9]{0,22})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?";
    let value = prop_oneof![4 => json_value().prop_map(|value| value.to_string()), 1 => number];
    let member = (name, "[ \n\t]{0,2}", any::<bool>(), value);
    let member = member.prop_map(|(name, space, is_escaped, value)| {
        let name = if is_escaped {
            let units = name.encode_utf16().map(|unit| format!("\\u{unit:04X}"));
            format!("\"{}\"", units.collect::<String>())
        } else {
            json!(name).to_string()
        };
        format!("{name}{space}:{value}")
    });
    prop::collection::vec(member, 0..5).prop_map(|members| format!("{{{}}}", members.join(", ")).into_bytes())
}

/// Bodies of about the maximum size.
fn large() -> impl Strategy<Value = Vec<u8>> {
    (0..LARGE_KINDS, MAX_BODY_BYTES - 1..MAX_BODY_BYTES + 2).prop_map(|(kind, size)| large_body(kind, size))
}

const LARGE_KINDS: usize = 6;

/// A body of `size` bytes, filled with the most expensive content for its length.
fn large_body(kind: usize, size: usize) -> Vec<u8> {
    let fill = |before: &str, part: &dyn Fn(usize) -> String, after: &str| {
        let mut text = before.to_owned();
        for part in (0..).map(part) {
            if text.len() + part.len() + after.len() > size {
                break;
            }
            text.push_str(&part);
        }
        format!("{text}{after}{}", " ".repeat(size - text.len() - after.len())).into_bytes()
    };
    match kind {
        0 => fill("{", &|index| format!("\"{index:x}\":1,"), "\"\":1}"),
        1 => fill("{", &|_| "\"a\":1,".to_owned(), "\"a\":1}"),
        2 => fill("{", &|index| format!("\"{}\":1,", index % 7), "\"a\":1}"),
        3 => fill("{\"name\":", &|_| "[".to_owned(), ""),
        4 => fill("", &|_| "{\"name\":".to_owned(), "1"),
        _ => fill("{\"name\":\"", &|_| "e\u{301}\u{327}".to_owned(), "\"}"),
    }
}

#[derive(Debug, Clone)]
enum Mutation {
    Change(Index, u8),
    Remove(Index, usize),
    Insert(Index, Vec<u8>),
    Repeat(Index, usize),
}

/// `inputs` with up to four bytes or ranges changed.
fn mutated(inputs: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let bytes =
        prop_oneof![odd_text().prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 1..4)];
    let mutation = prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Change(at, byte)),
        (any::<Index>(), 1..16_usize).prop_map(|(at, length)| Mutation::Remove(at, length)),
        (any::<Index>(), bytes).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        (any::<Index>(), 1..64_usize).prop_map(|(at, length)| Mutation::Repeat(at, length)),
    ];
    (inputs, prop::collection::vec(mutation, 0..5)).prop_map(|(mut input, mutations)| {
        for mutation in mutations {
            if input.is_empty() {
                break;
            }
            let length = input.len();
            match mutation {
                Mutation::Change(at, byte) => input[at.index(length)] = byte,
                Mutation::Remove(at, count) => {
                    let start = at.index(length);
                    input.drain(start..length.min(start + count));
                }
                Mutation::Insert(at, bytes) => {
                    let start = at.index(length);
                    input.splice(start..start, bytes);
                }
                Mutation::Repeat(at, count) => {
                    let start = at.index(length);
                    let part = input[start..length.min(start + count)].to_vec();
                    input.splice(start..start, part);
                }
            }
        }
        input
    })
}
