//! Tests execution environments with real processes that are started, reused, killed and replaced.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::support::{Bench, Meeting, PATIENCE, body, exists, function, invoke, kill, signal};
use bytes::Bytes;
use local::lambda::{EVENT_LIMIT_BYTES, Function, Functions, InvokeError, RESPONSE_LIMIT_BYTES};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::timeout};

const ONCE: Duration = Duration::ZERO;

#[tokio::test]
async fn gives_a_function_its_event_headers_and_variables() {
    let environment = [("AWS_REGION", "eu-central-1"), ("GREETING", "hello")];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let bench = Bench::new(vec![Function { environment, ..function("f", &[]) }]);
    let body = bench.body(json!({"do": "environment"})).await;

    let headers = &body["headers"];
    let id = headers["Lambda-Runtime-Aws-Request-Id"].as_str().unwrap();
    assert!(uuid::Uuid::parse_str(id).is_ok(), "{id}");
    let deadline: u64 = headers["Lambda-Runtime-Deadline-Ms"].as_str().unwrap().parse().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    assert!((now..=now + 20_000).contains(&deadline), "{deadline}");
    let arn = "arn:aws:lambda:eu-central-1:000000000000:function:f";
    assert_eq!(headers["Lambda-Runtime-Invoked-Function-Arn"], arn);
    assert_eq!(headers["Lambda-Runtime-Trace-Id"], "Root=1-0-0");
    assert_eq!(headers["Content-Type"], "application/json");

    let variables = &body["variables"];
    for (name, value) in [
        ("AWS_LAMBDA_FUNCTION_NAME", "f"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/f"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_REGION", "eu-central-1"),
        ("AWS_DEFAULT_REGION", "eu-central-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("_HANDLER", "bootstrap"),
        ("TZ", ":UTC"),
        ("GREETING", "hello"),
    ] {
        assert_eq!(variables[name], value, "{name}");
    }
    assert_eq!(variables["PATH"], std::env::var("PATH").unwrap());
    assert_eq!(variables["CARGO_MANIFEST_DIR"], Value::Null, "our own variables are not inherited");
}

#[tokio::test]
async fn reuses_an_idle_environment() {
    let bench = Bench::of(4);
    let mut pids = HashSet::new();
    for _ in 0..50 {
        pids.insert(bench.body(json!({"do": "pid"})).await["pid"].as_u64().unwrap());
    }
    assert_eq!(pids.len(), 1);
    let [environment] = bench.functions.environments("f")[..] else { panic!("one environment") };
    assert_eq!((environment.busy, environment.invocations), (false, 50));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replaced_program_runs_the_next_invocation_and_the_old_one_ends_after_its_answer() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    let python = function("f", &[]).program;
    let replace = || {
        let unfinished = folder.path().join("unfinished");
        std::fs::write(&unfinished, format!("#!/bin/sh\nexec {} \"$@\"\n", python.display())).unwrap();
        std::fs::set_permissions(&unfinished, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        std::fs::rename(unfinished, &program).unwrap();
    };
    replace();
    let bench = Bench::new(vec![Function { program: program.clone(), ..function("f", &[]) }]);
    let pid = async || bench.body(json!({"do": "pid"})).await["pid"].as_u64().unwrap();
    let first = pid().await;
    assert!(bench.functions.reload().await.is_empty());
    assert_eq!(pid().await, first);

    replace();
    assert_eq!(bench.functions.reload().await, ["f"]);
    assert!(bench.functions.environments("f").is_empty(), "the idle one has ended");
    let second = pid().await;
    assert_ne!(second, first);

    let meeting = Meeting::new().await;
    let (functions, event) = (bench.functions.clone(), meeting.wait());
    let running = tokio::spawn(async move { invoke(&functions, "f", event).await.unwrap() });
    let held = meeting.arrival().await;
    replace();
    assert_eq!(bench.functions.reload().await, ["f"]);
    let old = held.pid;
    assert_ne!(pid().await, u64::from(old));
    held.release().await;
    running.await.unwrap();
    let ended = async {
        while bench.pids().contains(&old) {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, ended).await.expect("the old environment ends after its answer");
}

#[tokio::test]
async fn prefers_the_most_recently_used_environment() {
    let (bench, meeting) = (Bench::of(2), Meeting::new().await);
    let mut held = Vec::new();
    let mut running = JoinSet::new();
    for _ in 0..2 {
        let (functions, event) = (bench.functions.clone(), meeting.wait());
        running.spawn(async move { invoke(&functions, "f", event).await.unwrap() });
        held.push(meeting.arrival().await);
    }
    assert!(bench.functions.environments("f").iter().all(|environment| environment.busy));
    let last = held[0].pid;
    for held in held.into_iter().rev() {
        held.release().await;
        running.join_next().await;
    }
    assert_eq!(bench.body(json!({"do": "pid"})).await["pid"], last);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_runs_more_environments_than_allowed_nor_two_invocations_in_one() {
    let bench = Bench::of(4);
    let mut running = JoinSet::new();
    for _ in 0..100 {
        let functions = bench.functions.clone();
        let event = json!({"do": "span", "seconds": "0.005"});
        running.spawn(async move { invoke(&functions, "f", event).await.unwrap() });
    }
    let mut spans: HashMap<u64, Vec<(u64, u64)>> = HashMap::new();
    while let Some(payload) = running.join_next().await {
        let span = body(&serde_json::from_slice(&payload.unwrap()).unwrap());
        let number = |name: &str| span[name].as_u64().unwrap();
        spans.entry(number("pid")).or_default().push((number("start"), number("end")));
        assert!(bench.pids().len() <= 4);
    }
    assert_eq!(spans.values().map(Vec::len).sum::<usize>(), 100);
    assert!(spans.len() <= 4, "{} processes", spans.len());
    for spans in spans.values_mut() {
        spans.sort_unstable();
        assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "two at once in one process");
    }
}

#[tokio::test]
async fn queues_in_the_order_of_asking() {
    let (bench, meeting) = (Bench::of(1), Meeting::new().await);
    let mut running = JoinSet::new();
    for number in 0..5 {
        let (functions, port) = (bench.functions.clone(), meeting.port);
        running.spawn(async move {
            invoke(&functions, "f", json!({"do": "wait", "port": port})).await.unwrap();
            number
        });
        // The current-thread runtime runs the task until it is in the queue.
        tokio::task::yield_now().await;
    }
    for expected in 0..5 {
        meeting.arrival().await.release().await;
        assert_eq!(running.join_next().await.unwrap().unwrap(), expected);
    }
}

#[tokio::test]
async fn throttles_when_no_environment_becomes_free() {
    let (bench, meeting) = (Bench::of(1), Meeting::new().await);
    let running = tokio::spawn({
        let (functions, event) = (bench.functions.clone(), meeting.wait());
        async move { invoke(&functions, "f", event).await }
    });
    let held = meeting.arrival().await;
    let throttled = bench.functions.invoke("f", "{}".into(), "", Duration::from_millis(20)).await;
    assert_eq!(throttled, Err(InvokeError::Throttled { waited: Duration::from_millis(20) }));
    held.release().await;
    running.await.unwrap().unwrap();
    bench.functions.invoke("f", "{}".into(), "", ONCE).await.expect("free again, without waiting");
}

#[tokio::test]
async fn reports_a_crash_with_its_status_and_last_lines_and_goes_on() {
    let bench = Bench::of(1);
    let before = bench.body(json!({"do": "pid"})).await;
    let Err(InvokeError::Crashed { status, log_tail }) = bench.invoke(json!({"do": "exit"})).await else {
        panic!("a crash")
    };
    assert_eq!(status, "exit status: 3");
    assert_eq!(log_tail, (10..30).map(|number| format!("line {number}")).collect::<Vec<_>>());
    let error = bench.invoke(json!({"do": "kill"})).await.unwrap_err();
    assert_eq!(
        error,
        InvokeError::Crashed { status: "signal: 9 (SIGKILL)".to_owned(), log_tail: Vec::new() }
    );
    assert_ne!(bench.body(json!({"do": "pid"})).await, before);
    assert_eq!(bench.pids().len(), 1);
}

#[tokio::test]
async fn runs_an_event_once_even_if_it_kills_the_process() {
    let (bench, meeting) = (Bench::of(4), Meeting::new().await);
    for _ in 0..20 {
        let running = tokio::spawn({
            let (functions, port) = (bench.functions.clone(), meeting.port);
            async move { invoke(&functions, "f", json!({"do": "count-and-kill", "port": port})).await }
        });
        meeting.arrival().await.release().await;
        assert!(matches!(running.await.unwrap(), Err(InvokeError::Crashed { .. })));
        assert!(meeting.is_empty().await);
    }
}

#[tokio::test]
async fn survives_a_kill_during_an_invocation() {
    let (bench, meeting) = (Bench::of(1), Meeting::new().await);
    let running = tokio::spawn({
        let (functions, event) = (bench.functions.clone(), meeting.wait());
        async move { invoke(&functions, "f", event).await }
    });
    let held = meeting.arrival().await;
    kill(held.pid);
    let Err(InvokeError::Crashed { status, .. }) = running.await.unwrap() else { panic!("a crash") };
    assert_eq!(status, "signal: 9 (SIGKILL)");
    assert!(!exists(held.pid));
    bench.body(json!({"do": "pid"})).await;
}

#[tokio::test]
async fn no_invocation_notices_a_kill_of_an_idle_environment() {
    let bench = Bench::of(1);
    for round in 0..60_u32 {
        let pid =
            bench.body(json!({"do": "pid", "padding": "x".repeat(1000)})).await["pid"].as_u64().unwrap();
        kill(u32::try_from(pid).unwrap());
        // From immediately, when the kill has no visible effect yet, to later, when the environment is partly gone.
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_invocation_notices_a_kill_of_an_idle_environment_on_several_threads() {
    let bench = Bench::of(2);
    let large = "x".repeat(1_000_000);
    for round in 0..40 {
        let padding = if round % 2 == 0 { "" } else { &large };
        bench.body(json!({"do": "pid", "padding": padding})).await;
        bench.pids().into_iter().for_each(kill);
    }
}

#[tokio::test]
async fn forgets_an_environment_that_ends_while_idle() {
    let mut bench = Bench::of(1);
    bench.body(json!({"do": "pid"})).await;
    let pid = bench.pids()[0];
    kill(pid);
    let line = bench.logged("ended while it was idle: signal: 9").await;
    assert_eq!((line.function.as_str(), line.environment), ("f", pid));
    assert!(bench.pids().is_empty());
    bench.body(json!({"do": "pid"})).await;
}

#[tokio::test]
async fn takes_an_answer_posted_right_before_the_end() {
    let bench = Bench::of(1);
    for _ in 0..10 {
        bench.body(json!({"do": "answer-and-exit"})).await;
    }
}

#[tokio::test]
async fn reports_why_an_environment_did_not_initialise() {
    let bench = Bench::new(vec![
        function("reports", &["init-error"]),
        function("exits", &["init-exit"]),
        Function { program: "/nonexistent/bootstrap".into(), ..function("missing", &[]) },
    ]);
    for (name, expected, tail) in [
        ("reports", "Runtime.Broken: no database", &["about to report", "reported"][..]),
        ("exits", "exit status: 7 before it asked for work", &["about to give up"]),
        ("missing", "/nonexistent/bootstrap cannot be started: No such file", &[]),
    ] {
        let Err(InvokeError::InitFailed { reason, log_tail }) =
            invoke(&bench.functions, name, json!({})).await
        else {
            panic!("{name} fails")
        };
        assert!(reason.starts_with(expected), "{reason}");
        assert_eq!(log_tail, tail);
        assert!(bench.functions.environments(name).is_empty());
    }
}

#[tokio::test]
async fn gives_an_environment_ten_seconds_to_initialise() {
    let meeting = Meeting::new().await;
    let bench = Bench::new(vec![function("f", &["init-hang", &meeting.port.to_string()])]);
    let running = tokio::spawn({
        let functions = bench.functions.clone();
        async move { invoke(&functions, "f", json!({})).await }
    });
    let held = meeting.arrival().await;
    let error = running.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("did not ask for work within 10 s"), "{error}");
    assert!(!exists(held.pid));
}

#[tokio::test]
async fn kills_a_process_at_the_functions_time_out() {
    let meeting = Meeting::new().await;
    let limit = Duration::from_secs(1);
    let bench = Bench::new(vec![Function { timeout: limit, max_environments: 1, ..function("f", &[]) }]);
    let running = tokio::spawn({
        let (functions, event) = (bench.functions.clone(), meeting.wait());
        async move { invoke(&functions, "f", event).await }
    });
    let held = meeting.arrival().await;
    let error = running.await.unwrap().unwrap_err();
    assert_eq!(error, InvokeError::TimedOut { after: limit });
    assert_eq!(error.to_string(), "Task timed out after 1.00 seconds");
    assert!(!exists(held.pid));
    bench.body(json!({"do": "pid"})).await;
}

#[tokio::test]
async fn times_out_on_a_stopped_process() {
    let limit = Duration::from_secs(1);
    let bench = Bench::new(vec![Function { timeout: limit, max_environments: 1, ..function("f", &[]) }]);
    bench.body(json!({"do": "pid"})).await;
    signal(bench.pids()[0], rustix::process::Signal::STOP);
    assert_eq!(bench.invoke(json!({"do": "pid"})).await, Err(InvokeError::TimedOut { after: limit }));
    bench.body(json!({"do": "pid"})).await;
}

#[tokio::test]
async fn goes_on_after_a_stop_and_a_continue() {
    let bench = Bench::of(1);
    let pid = bench.body(json!({"do": "pid"})).await;
    signal(bench.pids()[0], rustix::process::Signal::STOP);
    let (again, ()) = tokio::join!(bench.body(json!({"do": "pid"})), async {
        tokio::task::yield_now().await;
        signal(bench.pids()[0], rustix::process::Signal::CONT);
    });
    assert_eq!(again, pid);
}

#[tokio::test]
async fn passes_function_errors_on() {
    let bench = Bench::of(1);
    let error = bench.invoke(json!({"do": "dance"})).await.unwrap_err();
    let message = "no such command: dance".to_owned();
    assert_eq!(error, InvokeError::FunctionError { error_type: "ValueError".to_owned(), message });
    bench.body(json!({"do": "pid"})).await;
}

#[tokio::test]
async fn limits_events_and_responses() {
    let bench = Bench::of(1);
    let size = |bytes: usize| json!({"do": "size", "bytes": bytes.to_string()});
    bench.body(size(RESPONSE_LIMIT_BYTES)).await;
    let error = bench.invoke(size(RESPONSE_LIMIT_BYTES + 1)).await.unwrap_err();
    let InvokeError::FunctionError { error_type, message } = error else { panic!("{error}") };
    assert_eq!(error_type, "Function.ResponseSizeTooLarge");
    assert!(message.contains("6291556 bytes"), "{message}");

    let event = Bytes::from(vec![b' '; EVENT_LIMIT_BYTES + 1]);
    let error = bench.functions.invoke("f", event, "", ONCE).await.unwrap_err();
    assert_eq!(error, InvokeError::EventTooLarge { bytes: EVENT_LIMIT_BYTES + 1 });
    assert_eq!(bench.functions.environments("f")[0].invocations, 2, "one process did it all");
}

#[tokio::test]
async fn answers_a_runtime_that_breaks_the_protocol_as_aws_does() {
    let bench = Bench::of(1);
    for (command, status, error_type) in [
        ("next", 403, "InvalidStateTransition"),
        ("init-error", 403, "InvalidStateTransition"),
        ("unknown-id", 400, "InvalidRequestID"),
        ("unknown-path", 404, "UnknownOperation"),
    ] {
        let body = bench.body(json!({"do": command})).await;
        assert_eq!(body["status"], status, "{command}");
        assert_eq!(body["body"]["errorType"], error_type, "{command}");
        assert!(body["body"]["errorMessage"].is_string(), "{command}");
    }
}

#[tokio::test]
async fn takes_one_response_per_invocation() {
    let mut bench = Bench::of(1);
    let pid = bench.body(json!({"do": "twice"})).await;
    bench.logged("[202, 400]").await;
    assert_eq!(bench.body(json!({"do": "pid"})).await, pid);
}

#[tokio::test]
async fn forwards_both_streams_line_by_line() {
    let mut bench = Bench::of(1);
    bench.body(json!({"do": "log"})).await;
    let pid = bench.pids()[0];
    // There are two pipes, so either line may be first.
    let lines = [bench.logged("to std").await, bench.logged("to std").await];
    let texts: HashSet<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, HashSet::from(["to stdout", "to stderr"]));
    assert!(lines.iter().all(|line| line.environment == pid && line.function == "f"));
}

/// One thread for each pipe, whose reader is kept busy, and one for the response.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn has_forwarded_what_a_function_wrote_when_its_answer_is_there() {
    let forwarded = Arc::new(Mutex::new(Vec::new()));
    let sink = forwarded.clone();
    let functions = Functions::new(
        vec![function("f", &[])],
        Arc::new(move |line| {
            std::thread::sleep(Duration::from_millis(1));
            sink.lock().unwrap().push(line.text);
        }),
    );
    for _ in 0..5 {
        invoke(&functions, "f", json!({"do": "log-much", "lines": "50"})).await.unwrap();
        let lines = std::mem::take(&mut *forwarded.lock().unwrap());
        for stream in ["out ", "err "] {
            let numbers = lines.iter().filter_map(|line| line.strip_prefix(stream)?.parse().ok());
            assert_eq!(numbers.collect::<Vec<usize>>(), (0..50).collect::<Vec<_>>(), "{stream}");
        }
    }
}

#[tokio::test]
async fn splits_a_long_line_and_ends_the_last_one_with_the_process() {
    let mut bench = Bench::of(1);
    let limit = 256 * 1024;
    bench.body(json!({"do": "log-long", "bytes": limit + 7})).await;
    let lengths: Vec<_> = bench.seen().iter().map(|line| line.text.len()).collect();
    assert_eq!(lengths, [limit, 7], "a line without its end waits for it");
    kill(bench.pids()[0]);
    bench.logged("ended while it was idle").await;
    assert_eq!(bench.seen()[2].text, "unfinished");
}

#[tokio::test]
async fn finishes_an_invocation_whose_caller_has_gone() {
    let (bench, meeting) = (Bench::of(1), Meeting::new().await);
    let running = tokio::spawn({
        let (functions, event) = (bench.functions.clone(), meeting.wait());
        async move { invoke(&functions, "f", event).await }
    });
    let held = meeting.arrival().await;
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    assert!(bench.functions.environments("f")[0].busy);
    let pid = held.pid;
    held.release().await;
    assert_eq!(bench.body(json!({"do": "pid"})).await["pid"], pid);
    assert_eq!(bench.functions.environments("f")[0].invocations, 2);
}

#[tokio::test]
async fn loses_no_place_to_a_caller_that_leaves_the_queue() {
    let (bench, meeting) = (Bench::of(1), Meeting::new().await);
    let start = |event: Value| {
        let functions = bench.functions.clone();
        tokio::spawn(async move { invoke(&functions, "f", event).await })
    };
    let first = start(meeting.wait());
    let held = meeting.arrival().await;
    let waiting: Vec<_> = (0..10).map(|_| start(json!({"do": "pid"}))).collect();
    tokio::task::yield_now().await;
    // The permit is given to a caller that is aborted before it is woken.
    held.release().await;
    first.await.unwrap().unwrap();
    waiting.iter().for_each(|waiting| waiting.abort());
    bench.body(json!({"do": "pid"})).await;
}

#[tokio::test]
async fn shuts_every_process_down() {
    let (bench, meeting) = (Bench::of(3), Meeting::new().await);
    let mut running = JoinSet::new();
    for _ in 0..3 {
        let (functions, event) = (bench.functions.clone(), meeting.wait());
        running.spawn(async move { invoke(&functions, "f", event).await });
    }
    let held = [meeting.arrival().await, meeting.arrival().await, meeting.arrival().await];
    let queued = tokio::spawn({
        let functions = bench.functions.clone();
        async move { invoke(&functions, "f", json!({})).await }
    });
    tokio::task::yield_now().await;
    let [idle, stopped, busy] = held;
    let pids = [idle.pid, stopped.pid, busy.pid];
    idle.release().await;
    // The queued invocation has used the free environment and released it.
    queued.await.unwrap().unwrap();
    running.join_next().await.unwrap().unwrap().unwrap();
    signal(stopped.pid, rustix::process::Signal::STOP);

    timeout(PATIENCE, bench.functions.shutdown()).await.unwrap();
    assert!(pids.iter().all(|pid| !exists(*pid)));
    assert!(bench.pids().is_empty());
    while let Some(outcome) = running.join_next().await {
        assert_eq!(outcome.unwrap(), Err(InvokeError::ShutDown));
    }
    assert_eq!(bench.invoke(json!({})).await, Err(InvokeError::ShutDown));
}

#[tokio::test]
async fn shutdown_ends_an_environment_that_is_starting() {
    let meeting = Meeting::new().await;
    let bench = Bench::new(vec![function("f", &["init-hang", &meeting.port.to_string()])]);
    let running = tokio::spawn({
        let functions = bench.functions.clone();
        async move { invoke(&functions, "f", json!({})).await }
    });
    let held = meeting.arrival().await;
    bench.functions.shutdown().await;
    assert!(!exists(held.pid));
    assert_eq!(running.await.unwrap(), Err(InvokeError::ShutDown));
}

#[tokio::test]
async fn dropping_the_functions_ends_their_processes() {
    let (bench, meeting) = (Bench::of(1), Meeting::new().await);
    bench.body(json!({"do": "linger", "port": meeting.port})).await;
    let lingering = meeting.arrival().await;
    drop(bench);
    lingering.gone().await;
}

#[tokio::test]
async fn knows_its_functions() {
    let functions = Functions::new(Vec::new(), std::sync::Arc::new(|_| ()));
    let error = functions.invoke("f", Bytes::new(), "", ONCE).await.unwrap_err();
    assert_eq!(error, InvokeError::UnknownFunction { name: "f".to_owned() });
    assert!(functions.environments("f").is_empty());
}
