//! AWS on this machine, provided by moto.

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

/// How long moto may take to start.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// An empty AWS account, served by a process that ends when its owner does, however the owner ends.
pub struct Aws {
    port: u16,
    process: Child,
}

impl Aws {
    /// Starts an empty account.
    ///
    /// # Panics
    /// When its packages are not installed, or it does not start.
    pub async fn start() -> Self {
        // Below the ephemeral ports, so that no outgoing connection takes it while moto is stopped.
        let is_free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
        let any = || 20_000 + u16::try_from(Uuid::now_v7().as_u128() % 12_000).unwrap_or_default();
        let port = std::iter::repeat_with(any).find(is_free).expect("a free port");
        Self { port, process: launch(port).await }
    }

    /// The endpoint of every service: `AWS_ENDPOINT_URL`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Stops the server, whose data is lost. Its port then refuses connections.
    ///
    /// # Panics
    /// When the process does not end.
    pub async fn stop(&mut self) {
        self.process.kill().await.expect("it ends");
    }

    /// Starts the server again on the same port, empty.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub async fn resume(&mut self) {
        self.process = launch(self.port).await;
    }

    /// The process id.
    ///
    /// # Panics
    /// When the process has ended.
    pub fn pid(&self) -> u32 {
        self.process.id().expect("a process")
    }
}

async fn launch(port: u16) -> Child {
    let mut command = python();
    command.arg(checkout().join("tests/clients/aws.py")).arg(port.to_string()).kill_on_drop(true);
    // It ends when its standard input is closed, at the latest with this process.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = command.spawn().expect("moto runs");
    let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
    let ready = timeout(READY_WITHIN, lines.next_line()).await;
    assert!(matches!(&ready, Ok(Ok(Some(line))) if line == "ready"), "moto does not start: {ready:?}");
    process
}
