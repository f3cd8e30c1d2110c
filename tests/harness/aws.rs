//! AWS on this machine, by moto.

use std::{
    net::{Ipv4Addr, TcpListener},
    process::Stdio,
    time::Duration,
};

use local::stack::checkout;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
    time::timeout,
};
use uuid::Uuid;

use crate::clients::python;

/// Longest wait for moto's start.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// An account without anything in it, which ends with its owner, however the owner ends.
pub struct Aws {
    port: u16,
    process: Child,
}

impl Aws {
    /// Starts one.
    ///
    /// # Panics
    /// When its packages are not installed, or it does not start.
    pub async fn start() -> Self {
        // Below the ports of outgoing connections, none of which shall take it while nobody listens.
        let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
        let any = || 20_000 + u16::try_from(Uuid::now_v7().as_u128() % 12_000).unwrap_or_default();
        let port = std::iter::repeat_with(any).find(is_free).expect("a free port");
        Self { port, process: launch(port).await }
    }

    /// Where it answers for every service: `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends it, with all that is in it; nobody listens on its port then.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn stop(&mut self) {
        self.process.kill().await.expect("it ends");
    }

    /// Starts it again on the same port, with nothing in it.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub async fn resume(&mut self) {
        self.process = launch(self.port).await;
    }

    /// Its process id.
    ///
    /// # Panics
    /// When it has ended.
    pub fn pid(&self) -> u32 {
        self.process.id().expect("a process")
    }
}

async fn launch(port: u16) -> Child {
    let mut command = python();
    command.arg(checkout().join("tests/clients/aws.py")).arg(port.to_string()).kill_on_drop(true);
    // Its standard input stays open for as long as we live; then it ends.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = command.spawn().expect("moto runs");
    let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
    let ready = timeout(READY_WITHIN, lines.next_line()).await;
    assert!(matches!(&ready, Ok(Ok(Some(line))) if line == "ready"), "moto does not start: {ready:?}");
    process
}
