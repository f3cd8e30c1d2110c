//! Compares the operations' own client of Lambda's Runtime API with `lambda_runtime`: both receive the same events, in
//! the same pieces and with the same faults, and must send the same requests.

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use local::stack::programs;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::{Mutex, Notify},
    time::timeout,
};

/// Longer than either client takes for all events.
const PATIENCE: Duration = Duration::from_secs(30);

/// How the Runtime API sends an event, and its reply to the response.
#[derive(Clone)]
struct Exchange {
    event: Vec<u8>,
    /// Additional headers of the event, each with its line end.
    headers: &'static str,
    /// The size of chunks, for a chunked body instead of one with a length.
    chunk_bytes: Option<usize>,
    /// The size of writes, instead of a single write.
    piece_bytes: Option<usize>,
    /// When the connection ends: after the event is sent, or after the response is read.
    ends: Ends,
    /// The reply to the function's response.
    receipt: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    Never,
    /// With the event, announced by a header.
    WithEvent,
    /// After the response, announced by a header.
    WithReceipt,
    /// After the response, without announcement.
    Silently,
}

const ACCEPTED: &str = "HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: 16\r\n\r\n{\"status\":\"OK\"}\n";

fn rest_event() -> Value {
    json!({
        "httpMethod": "GET", "path": "/openapi.json", "resource": "/openapi.json", "headers": {"Accept": "*/*"},
        "requestContext": {"httpMethod": "GET", "path": "/openapi.json", "requestId": "r"},
    })
}

fn exchange(event: impl Into<Vec<u8>>) -> Exchange {
    Exchange {
        event: event.into(),
        headers: "",
        chunk_bytes: None,
        piece_bytes: None,
        ends: Ends::Never,
        receipt: ACCEPTED,
    }
}

fn exchanges() -> Vec<Exchange> {
    let event = rest_event().to_string();
    let plain = exchange(event.clone());
    let mut large = rest_event();
    large["body"] = "湯呑 ".repeat(300_000).into();
    let large = exchange(large.to_string());
    vec![
        plain.clone(),
        Exchange { headers: "Lambda-Runtime-Invocation-Id: 7f1c\r\n", ..plain.clone() },
        Exchange { headers: "lambda-runtime-invocation-id:   7f1d  \r\n", ..plain.clone() },
        Exchange { chunk_bytes: Some(event.len()), ..plain.clone() },
        Exchange { chunk_bytes: Some(7), piece_bytes: Some(11), ..plain.clone() },
        Exchange { piece_bytes: Some(1), ..plain.clone() },
        Exchange { chunk_bytes: Some(1 << 15), ..large.clone() },
        large,
        Exchange { ends: Ends::WithEvent, ..plain.clone() },
        Exchange { ends: Ends::WithReceipt, ..plain.clone() },
        Exchange { ends: Ends::Silently, ..plain.clone() },
        plain.clone(),
        exchange("{\"Records\": []}"),
        exchange("[]"),
        exchange("nonsense"),
        exchange(b"{\"httpMethod\": \"\xff\"}".as_slice()),
        exchange(""),
        Exchange {
            receipt: "HTTP/1.1 413 Payload Too Large\r\ncontent-length: 2\r\n\r\n{}",
            ..plain.clone()
        },
        Exchange {
            receipt: "HTTP/1.1 500 Internal Server Error\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: y\r\n\r\n",
            ..plain.clone()
        },
        Exchange {
            receipt: "HTTP/1.1 410 Gone\r\nconnection: close\r\n\r\nto the end",
            ends: Ends::Silently,
            ..plain.clone()
        },
        plain,
    ]
}

/// The relevant parts of a runtime's request.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    line: String,
    headers: BTreeMap<String, String>,
    /// The members of the body; an operation's response has more than the reference's.
    body: Vec<String>,
    error_type: Option<Value>,
}

/// A fake Runtime API: the exchanges that it still has to make, and the requests that it has received.
struct RuntimeApi {
    exchanges: Mutex<VecDeque<Exchange>>,
    seen: Mutex<Vec<Seen>>,
    is_over: Notify,
}

impl RuntimeApi {
    async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio::spawn(self.clone().converse(stream));
        }
    }

    /// Serves the requests of one connection until it ends.
    async fn converse(self: Arc<Self>, stream: TcpStream) -> io::Result<()> {
        let mut stream = BufStream::new(stream);
        let mut running: Option<Exchange> = None;
        loop {
            let request = read(&mut stream).await?;
            let is_next = request.line.contains("/next");
            self.seen.lock().await.push(request);
            if is_next {
                let exchanges = self.exchanges.lock().await;
                let Some(next) = exchanges.front().cloned() else {
                    self.is_over.notify_one();
                    std::future::pending().await
                };
                send_event(&mut stream, &next, exchanges.len()).await?;
                running = Some(next);
            }
            let ends = if is_next {
                running.as_ref().is_some_and(|running| running.ends == Ends::WithEvent)
            } else {
                let running = self.exchanges.lock().await.pop_front().expect("an answer to an event");
                let mut receipt = running.receipt.to_owned();
                if running.ends == Ends::WithReceipt {
                    receipt = receipt.replacen("\r\n", "\r\nConnection: close\r\n", 1);
                }
                stream.write_all(receipt.as_bytes()).await?;
                stream.flush().await?;
                matches!(running.ends, Ends::WithReceipt | Ends::Silently)
            };
            if ends {
                return stream.shutdown().await;
            }
        }
    }
}

async fn send_event(stream: &mut BufStream<TcpStream>, exchange: &Exchange, number: usize) -> io::Result<()> {
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: request-{number}\r\nLambda-Runtime-Deadline-Ms: {}\r\n\
         Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-west-1:123456789012:function:f\r\n\
         Lambda-Runtime-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0\r\n{}",
        jiff::Timestamp::now().as_millisecond() + 60_000,
        exchange.headers,
    )
    .into_bytes();
    if exchange.ends == Ends::WithEvent {
        bytes.extend_from_slice(b"Connection: close\r\n");
    }
    match exchange.chunk_bytes {
        None => {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", exchange.event.len()).as_bytes());
            bytes.extend_from_slice(&exchange.event);
        }
        Some(chunk_bytes) => {
            bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
            for chunk in exchange.event.chunks(chunk_bytes) {
                bytes.extend_from_slice(format!("{:X};name=value\r\n", chunk.len()).as_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\nTrailer: none\r\n\r\n");
        }
    }
    for piece in bytes.chunks(exchange.piece_bytes.unwrap_or(bytes.len())) {
        stream.write_all(piece).await?;
        stream.flush().await?;
    }
    Ok(())
}

async fn read(stream: &mut BufStream<TcpStream>) -> io::Result<Seen> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let line = lines.remove(0);
    let headers = lines.iter().map(|line| line.split_once(": ").expect("a header"));
    let mut headers: BTreeMap<_, _> =
        headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let length = headers.remove("content-length").map_or(0, |length| length.parse().expect("a length"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    assert!(headers.remove("user-agent").is_some_and(|agent| agent.contains('/')));
    assert!(headers.remove("host").is_some_and(|host| host.starts_with("127.0.0.1:")));
    let body: Value = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body)? };
    let has_status = body["statusCode"].is_number();
    let members = if has_status { vec!["statusCode".to_owned()] } else { names(&body) };
    Ok(Seen { line, headers, body: members, error_type: body.get("errorType").cloned() })
}

fn names(body: &Value) -> Vec<String> {
    body.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

/// The requests that `program` sends to a Runtime API with `exchanges`.
async fn requests_of(program: &str, path: &str, exchanges: Vec<Exchange>) -> Vec<Seen> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Lambda sets only host and port.
    let address = if path.is_empty() { address.to_string() } else { format!("http://{address}{path}") };
    let api = Arc::new(RuntimeApi {
        exchanges: Mutex::new(exchanges.into()),
        seen: Mutex::default(),
        is_over: Notify::new(),
    });
    let serving = tokio::spawn(api.clone().serve(listener));
    let mut function = Command::new(programs().unwrap().join(program))
        .env("AWS_LAMBDA_RUNTIME_API", address)
        .envs([("AWS_LAMBDA_FUNCTION_NAME", "f"), ("AWS_LAMBDA_FUNCTION_VERSION", "1")])
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let over = timeout(PATIENCE, api.is_over.notified()).await;
    let seen = std::mem::take(&mut *api.seen.lock().await);
    assert!(over.is_ok(), "{program} ended {:?} after {seen:#?}", function.try_wait());
    assert_eq!(function.try_wait().unwrap(), None, "{program} waits for the next event");
    function.kill().await.unwrap();
    serving.abort();
    seen
}

#[tokio::test]
async fn operations_talk_to_lambda_as_its_own_runtime_does() {
    let ours = requests_of("get-openapi", "", exchanges()).await;
    let theirs = requests_of("reference", "", exchanges()).await;
    assert_eq!(ours.len(), 2 * exchanges().len() + 1);
    for (ours, theirs) in ours.iter().zip(&theirs) {
        // For invalid JSON, lambda_runtime reports the name of a Rust type, and ours reports the fault.
        let named = Seen { error_type: ours.error_type.clone(), ..theirs.clone() };
        assert_eq!(*ours, named);
        assert_eq!(ours.error_type.is_some(), theirs.error_type.is_some());
    }
    assert_eq!(ours.len(), theirs.len());
}

#[tokio::test]
async fn the_runtime_api_may_stand_below_a_path() {
    for program in ["get-openapi", "reference"] {
        let seen = requests_of(program, "/.rt/f", vec![exchange(rest_event().to_string())]).await;
        let lines: Vec<_> = seen.iter().map(|seen| seen.line.as_str()).collect();
        assert_eq!(lines[0], "GET /.rt/f/2018-06-01/runtime/invocation/next HTTP/1.1", "{program}");
        assert_eq!(
            lines[1], "POST /.rt/f/2018-06-01/runtime/invocation/request-1/response HTTP/1.1",
            "{program}"
        );
    }
}
