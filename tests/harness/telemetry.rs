//! Third-party readers of what functions emit: a JSON Schema validator, a reader of metrics; and a fake X-Ray daemon.

use std::net::Ipv4Addr;

use local::stack::checkout;
use serde_json::Value;
use tokio::net::UdpSocket;

use crate::clients::{python, run};

/// Validates the documents against the schema in `tests/schemas`. Returns the errors.
///
/// # Panics
/// When the packages are not installed, or the schema is not valid.
pub async fn schema_faults(schema: &str, documents: &[String]) -> Vec<String> {
    let clients = checkout().join("tests/clients/schema.py");
    let schema = checkout().join("tests/schemas").join(schema);
    let output = run(python().arg(clients).arg(schema), &lines(documents)).await;
    serde_json::from_slice(&output.stdout).expect("a list")
}

/// The sums of all metrics by namespace, dimensions and name, as CloudWatch reads them.
///
/// # Panics
/// When CloudWatch would drop one of them.
pub async fn cloudwatch(documents: &[String]) -> Value {
    let script = checkout().join("tests/clients/cloudwatch.py");
    let output = run(python().arg(script), &lines(documents)).await;
    serde_json::from_slice(&output.stdout).expect("an object")
}

fn lines(documents: &[String]) -> String {
    documents.iter().map(|document| format!("{document}\n")).collect()
}

/// A fake X-Ray daemon, which records what it receives.
pub struct XrayDaemon(UdpSocket);

impl XrayDaemon {
    /// Listens on a free port.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn start() -> Self {
        Self(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port"))
    }

    /// The variable that makes functions use it.
    pub fn variable(&self) -> (String, String) {
        let address = self.0.local_addr().expect("an address");
        ("AWS_XRAY_DAEMON_ADDRESS".to_owned(), address.to_string())
    }

    /// Everything that has arrived since the last call. On the loopback interface a datagram arrives as soon as it is
    /// sent.
    ///
    /// # Panics
    /// When a datagram does not begin with the daemon's header line.
    pub fn received(&self) -> Vec<String> {
        let mut datagram = vec![0; 65_536];
        let mut received = Vec::new();
        while let Ok(length) = self.0.try_recv(&mut datagram) {
            let text = str::from_utf8(&datagram[..length]).expect("UTF-8");
            let (header, document) = text.split_once('\n').expect("two lines");
            let header: Value = serde_json::from_str(header).expect("JSON");
            assert_eq!(header, serde_json::json!({"format": "json", "version": 1}));
            received.push(document.to_owned());
        }
        received
    }
}
