//! Tests the script against the model's cell: the same commands must give the same replies on a real server.

use harness::{block_on, start_cache};
use proptest::{prelude::*, test_runner::TestRunner};
use redis::{Connection, Value};
use shared::cache::SCRIPT;

use super::cell::{Answer, Cell, Command, Known, Name, SETTLE, TOKEN};

/// A server whose script reads the time from a key.
struct Server {
    connection: Connection,
    script: String,
}

impl Server {
    fn carry_out(&mut self, key: &str, command: Command, now: u64) -> Answer {
        let answer = self.call(key, command, now, |_| ()).expect("an answer");
        let ttl_ms: i64 = redis::cmd("PTTL").arg(key).query(&mut self.connection).expect("a time");
        assert_ne!(ttl_ms, -1, "a key without expiry, after {command:?}");
        read_answer(answer)
    }

    /// Executes a command while the server is a replica, which refuses writes.
    fn refuse(&mut self, key: &str, command: Command, now: u64) -> Option<Answer> {
        let answer = self.call(key, command, now, |connection| replicate(connection, ["127.0.0.1", "1"]));
        replicate(&mut self.connection, ["NO", "ONE"]);
        answer.ok().map(read_answer)
    }

    fn call(
        &mut self,
        key: &str,
        command: Command,
        now: u64,
        before: impl FnOnce(&mut Connection),
    ) -> redis::RedisResult<Value> {
        let clock = [(now / 1_000).to_string(), (now % 1_000 * 1_000).to_string()];
        redis::pipe().del("clock").rpush("clock", &clock).query::<()>(&mut self.connection).expect("a clock");
        let mut eval = redis::cmd("EVAL");
        eval.arg(&self.script).arg(1).arg(key);
        let (version, times): (String, _);
        match command {
            Command::Read { nonce } => eval.arg("read").arg(name(nonce)).arg("1"),
            Command::Fill { lease, known, fresh, life } => {
                (version, times) = (known_text(known), [fresh.to_string(), life.to_string()]);
                eval.arg("fill").arg(name(lease)).arg(version).arg("1").arg(&times).arg("{}")
            }
            Command::Begin { token } => eval.arg("begin").arg(name(token)),
            Command::Commit { token, known, fresh, life } => {
                (version, times) = (known_text(known), [fresh.to_string(), life.to_string()]);
                eval.arg("commit").arg(name(token)).arg(version).arg("1").arg(&times).arg("{}")
            }
            Command::Abort { token } => eval.arg("abort").arg(name(token)),
            Command::Clear { token } => eval.arg("clear").arg(name(token)),
        };
        before(&mut self.connection);
        eval.query(&mut self.connection)
    }
}

fn replicate(connection: &mut Connection, of: [&str; 2]) {
    redis::cmd("REPLICAOF").arg(&of).exec(connection).expect("a role");
}

const END: Name = 0x8000;

/// The text of a name; that of the generation at a writer's end has a suffix.
fn name(name: Name) -> String {
    if name & END == 0 { format!("n{name}") } else { format!("n{}:end", name & !END) }
}

fn lease(text: &str) -> Name {
    let (number, end) = match text.strip_suffix(":end") {
        Some(number) => (number, END),
        None => (text, 0),
    };
    end | number.strip_prefix('n').expect("a name").parse::<Name>().expect("a number")
}

fn known_text(known: Known) -> String {
    match known {
        Known::None => "none".to_owned(),
        Known::Gone => "gone".to_owned(),
        Known::Version(version) => version.to_string(),
    }
}

fn read_answer(answer: Value) -> Answer {
    let parts = match answer {
        Value::Int(stored) => return Answer::Done(stored == 1),
        Value::Array(parts) => parts,
        other => panic!("{other:?} is not a reply"),
    };
    let text = |index: usize| -> String { redis::from_redis_value(parts[index].clone()).expect("text") };
    let known = || match text(2).as_str() {
        "none" => Known::None,
        "gone" => Known::Gone,
        version => Known::Version(version.parse().expect("a version")),
    };
    let age = || text(4).parse().expect("an age");
    match text(0).as_str() {
        "busy" => Answer::Busy,
        "miss" => Answer::Miss { lease: lease(&text(1)) },
        "hit" => Answer::Hit { known: known(), age: age() },
        "stale" => Answer::Stale { known: known(), age: age(), lease: lease(&text(1)) },
        other => panic!("{other} is not a reply"),
    }
}

/// One step of a test run.
#[derive(Debug, Clone)]
enum Event {
    Tell(Command),
    /// A fill with the latest lease, like most fills.
    FillLast(Known, u64, u64),
    Lose,
    /// A read while the server refuses writes.
    Refuse(Name),
}

fn known() -> impl Strategy<Value = Known> {
    prop_oneof![1 => Just(Known::None), 1 => Just(Known::Gone), 6 => (1..5_u8).prop_map(Known::Version)]
}

/// A reader never fills with a deletion.
fn read_known() -> impl Strategy<Value = Known> {
    prop_oneof![1 => Just(Known::None), 4 => (1..5_u8).prop_map(Known::Version)]
}

fn written() -> impl Strategy<Value = Known> {
    known().prop_filter("a writer knows the state that it has written", |known| *known != Known::None)
}

fn times() -> impl Strategy<Value = (u64, u64)> {
    (prop::sample::select(vec![0, 500, 60_000]), prop::sample::select(vec![0, 30_000]))
        .prop_map(|(fresh, more)| (fresh, fresh + more))
}

fn event() -> impl Strategy<Value = Event> {
    let token = || 1..4 as Name;
    prop_oneof![
        4 => (10..14 as Name).prop_map(|nonce| Event::Tell(Command::Read { nonce })),
        4 => (read_known(), times()).prop_map(|(known, (fresh, life))| Event::FillLast(known, fresh, life)),
        1 => (1..14 as Name, read_known(), times()).prop_map(|(lease, known, (fresh, life))| {
            Event::Tell(Command::Fill { lease, known, fresh, life })
        }),
        3 => token().prop_map(|token| Event::Tell(Command::Begin { token })),
        3 => (token(), written(), times()).prop_map(|(token, known, (fresh, life))| {
            Event::Tell(Command::Commit { token, known, fresh, life })
        }),
        1 => token().prop_map(|token| Event::Tell(Command::Abort { token })),
        1 => token().prop_map(|token| Event::Tell(Command::Clear { token })),
        1 => Just(Event::Lose),
        1 => (10..14 as Name).prop_map(Event::Refuse),
    ]
}

fn pause() -> impl Strategy<Value = u64> {
    prop::sample::select(vec![0, 0, 1, 400, SETTLE - 1, SETTLE, SETTLE, 20_000, TOKEN - 1, TOKEN, TOKEN + 1])
}

#[test]
fn the_script_does_what_the_model_says() {
    let server = block_on(start_cache(Vec::new())).expect("a cache");
    let clock = "redis.call('TIME')";
    assert_eq!(SCRIPT.matches(clock).count(), 1);
    let script = SCRIPT.replace(clock, "redis.call('LRANGE', 'clock', 0, 1)");
    let connection = redis::Client::open(server.url()).and_then(|client| client.get_connection());
    let server = std::cell::RefCell::new(Server { connection: connection.expect("a connection"), script });
    let (number, hits) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let config = ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = TestRunner::new(config);
    let events = (any::<bool>(), prop::collection::vec((event(), pause()), 1..40));
    let result = runner.run(&events, |(is_warm, events)| {
        number.set(number.get() + 1);
        let key = format!("cell {}", number.get());
        let (mut cell, mut now, mut last) = (Cell::default(), 1_000_000, 10);
        let mut server = server.borrow_mut();
        let ask = |nonce| (Event::Tell(Command::Read { nonce }), SETTLE);
        let warming = [ask(10), ask(11), (Event::FillLast(Known::Version(1), 60_000, 90_000), 0)];
        for (event, pause) in warming.into_iter().filter(|_| is_warm).chain(events) {
            now += pause;
            let command = match event {
                Event::Tell(command) => command,
                Event::FillLast(known, fresh, life) => Command::Fill { lease: last, known, fresh, life },
                Event::Lose => {
                    cell.lose();
                    redis::cmd("DEL").arg(&key).query::<()>(&mut server.connection).expect("a deletion");
                    continue;
                }
                Event::Refuse(nonce) => {
                    prop_assert_eq!(server.refuse(&key, Command::Read { nonce }, now), None, "at {}", now);
                    continue;
                }
            };
            let (expected, answer) = (cell.carry_out(command, now), server.carry_out(&key, command, now));
            prop_assert_eq!(answer, expected, "{:?} at {}", command, now);
            match answer {
                Answer::Miss { lease } | Answer::Stale { lease, .. } => last = lease,
                Answer::Hit { .. } => hits.set(hits.get() + 1),
                _ => {}
            }
        }
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(hits.get() > 100, "the test covers too little: {} hits in {} runs", hits.get(), number.get());
}
