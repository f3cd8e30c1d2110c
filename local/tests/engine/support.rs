//! Helpers of these tests: functions that are real processes.

use std::{
    path::PathBuf,
    process::Command,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use local::lambda::{Function, Functions, InvokeError, LogLine};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};

/// Far more than any step takes: a test that hangs fails and shows where.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The function `function.py` with these arguments.
pub fn function(name: &str, arguments: &[&str]) -> Function {
    let script = std::path::absolute("tests/engine/function.py").unwrap();
    let script = script.display().to_string();
    Function {
        name: name.to_owned(),
        program: python().clone(),
        // Isolated and without site-packages, which halves the start time.
        arguments: ["-IS", &script].iter().chain(arguments).map(|argument| (*argument).to_owned()).collect(),
        environment: Vec::new(),
        timeout: Duration::from_secs(20),
        memory_mb: 128,
        max_environments: 4,
    }
}

/// The interpreter itself: the one in `PATH` may be a wrapper that takes longer to start than the tests to run.
fn python() -> &'static PathBuf {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let asked =
            Command::new("python3").args(["-c", "import sys; print(sys.executable, end='')"]).output();
        String::from_utf8(asked.expect("python3 runs").stdout).unwrap().into()
    })
}

/// Functions, and the lines that they write.
pub struct Bench {
    pub functions: Functions,
    logs: mpsc::UnboundedReceiver<LogLine>,
    seen: Arc<Mutex<Vec<LogLine>>>,
}

impl Bench {
    pub fn new(functions: Vec<Function>) -> Self {
        let (sender, logs) = mpsc::unbounded_channel();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let also = seen.clone();
        let sink = Arc::new(move |line: LogLine| {
            also.lock().unwrap().push(line.clone());
            let _ = sender.send(line);
        });
        Self { functions: Functions::new(functions, sink), logs, seen }
    }

    /// One function, named `f`, with at most this many environments.
    pub fn of(max_environments: usize) -> Self {
        Self::new(vec![Function { max_environments, ..function("f", &[]) }])
    }

    /// The payload of `f` for an event.
    pub async fn invoke(&self, event: Value) -> Result<Value, InvokeError> {
        let payload = invoke(&self.functions, "f", event).await?;
        Ok(serde_json::from_slice(&payload).unwrap())
    }

    /// The body in the payload of `f` for an event.
    pub async fn body(&self, event: Value) -> Value {
        body(&self.invoke(event).await.unwrap())
    }

    /// All lines so far.
    pub fn seen(&self) -> Vec<LogLine> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits for a line that contains this text.
    pub async fn logged(&mut self, text: &str) -> LogLine {
        let wait = async {
            loop {
                let line = self.logs.recv().await.unwrap();
                if line.text.contains(text) {
                    return line;
                }
            }
        };
        timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("no line with {text:?} in {:?}", self.seen))
    }

    pub fn pids(&self) -> Vec<u32> {
        self.functions.environments("f").iter().map(|environment| environment.pid).collect()
    }
}

pub async fn invoke(functions: &Functions, name: &str, event: Value) -> Result<Bytes, InvokeError> {
    timeout(PATIENCE, functions.invoke(name, event.to_string().into(), "Root=1-0-0", PATIENCE)).await.unwrap()
}

/// The JSON in the `body` of a proxy response.
pub fn body(payload: &Value) -> Value {
    serde_json::from_str(payload["body"].as_str().unwrap()).unwrap()
}

/// The server that functions connect to with the command `wait`, and wait for.
pub struct Meeting {
    listener: TcpListener,
    pub port: u16,
}

/// A function that waits.
pub struct Held {
    stream: BufReader<TcpStream>,
    pub pid: u32,
}

impl Meeting {
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { listener, port }
    }

    pub fn wait(&self) -> Value {
        json!({"do": "wait", "port": self.port})
    }

    /// The next function that arrives.
    pub async fn arrival(&self) -> Held {
        let arrival = async {
            let (stream, _) = self.listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let mut pid = String::new();
            stream.read_line(&mut pid).await.unwrap();
            Held { stream, pid: pid.trim().parse().unwrap() }
        };
        timeout(PATIENCE, arrival).await.expect("a function arrives")
    }

    /// Whether no function has arrived.
    pub async fn is_empty(&self) -> bool {
        timeout(Duration::ZERO, self.listener.accept()).await.is_err()
    }
}

impl Held {
    /// Lets the function continue.
    pub async fn release(mut self) {
        self.stream.write_all(b"g").await.unwrap();
    }

    /// Waits until the function's process has ended.
    pub async fn gone(mut self) {
        let mut rest = Vec::new();
        let _ = timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.expect("the process ends");
    }
}

/// `kill -SIGNAL`.
pub fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

pub fn kill(pid: u32) {
    signal(pid, rustix::process::Signal::KILL);
}

/// Whether the process exists, even as a zombie.
pub fn exists(pid: u32) -> bool {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::test_kill_process(pid).is_ok()
}
