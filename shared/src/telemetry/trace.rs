//! X-Ray subsegments of the steps of an invocation, sent to the daemon that Lambda runs next to the function.
//!
//! Each subsegment is a datagram: a header line and a segment document, as the X-Ray developer guide
//! describes ("Sending segment documents to X-Ray", "X-Ray segment documents"). Sending never blocks, and
//! lost datagrams are ignored.
//!
//! `opentelemetry-aws` 0.21 with `tracing-opentelemetry` 0.34 was tried as an alternative: linked into
//! get-product (release, x86-64), it adds 17 crates, and grows the binary from 8,226,760 to 9,988,304 bytes
//! and its zip from 3.71 to 4.36 MB. This implementation fits into one file.

use std::{
    fmt::Write,
    hash::{BuildHasher, RandomState},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::{
    json,
    steps::{Described, Step},
};

/// The first line of each datagram.
const HEADER: &[u8] = b"{\"format\":\"json\",\"version\":1}\n";

/// The X-Ray daemon's address and the socket for it.
#[derive(Debug)]
pub struct Daemon {
    socket: UdpSocket,
    address: SocketAddr,
    random: RandomState,
    next: AtomicU64,
}

/// A sampled trace, with the id of the segment that Lambda created for this invocation.
#[derive(Debug)]
pub(super) struct Trace {
    daemon: &'static Daemon,
    trace_id: String,
    parent_id: String,
    /// Datagrams to be sent.
    subsegments: Mutex<Vec<Vec<u8>>>,
}

impl Daemon {
    /// The daemon at `address`, in the form of `AWS_XRAY_DAEMON_ADDRESS`: `IP:PORT`, or `tcp:IP:PORT
    /// udp:IP:PORT`.
    ///
    /// # Errors
    /// If the text has no such address, or no socket can be opened.
    pub fn new(address: &str) -> std::io::Result<Self> {
        let udp = address.split_whitespace().find_map(|part| part.strip_prefix("udp:"));
        let address: SocketAddr = udp.unwrap_or(address).parse().map_err(std::io::Error::other)?;
        // Not connected: a closed port would make the next datagram fail.
        let socket = match address {
            SocketAddr::V4(_) => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?,
            SocketAddr::V6(_) => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?,
        };
        socket.set_nonblocking(true)?;
        Ok(Self { socket, address, random: RandomState::new(), next: AtomicU64::new(0) })
    }

    /// A unique 64-bit id of a subsegment.
    fn next_id(&self) -> u64 {
        self.random.hash_one(self.next.fetch_add(1, Ordering::Relaxed))
    }
}

impl Trace {
    /// The trace id in a header such as
    /// `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1`.
    pub(super) fn root(header: &str) -> Option<&str> {
        let root = field(header, "Root")?;
        let mut parts = root.split('-');
        let is_id = parts.next() == Some("1")
            && parts.next().is_some_and(|time| is_hex(time, 8))
            && parts.next().is_some_and(|random| is_hex(random, 24))
            && parts.next().is_none();
        is_id.then_some(root)
    }

    /// The trace in `header`; `None` unless it is sampled.
    pub(super) fn of(header: &str, daemon: &'static Daemon) -> Option<Self> {
        if field(header, "Sampled") != Some("1") {
            return None;
        }
        let parent_id = field(header, "Parent").filter(|parent| is_hex(parent, 16))?.to_owned();
        let trace_id = Self::root(header)?.to_owned();
        Some(Self { daemon, trace_id, parent_id, subsegments: Mutex::default() })
    }

    /// Stores the subsegment of a step that ends now.
    pub(super) fn record(&self, operation: &'static str, step: Step, duration: Duration, has_failed: bool) {
        // Waiting for an existing connection takes no time, and opening one is a step of its own. For a change,
        // nobody is called.
        if matches!(step, Step::Connection | Step::Change) {
            return;
        }
        let end = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let document = self.document(operation, step, end.saturating_sub(duration), end, has_failed);
        self.subsegments.lock().unwrap_or_else(PoisonError::into_inner).push(document);
    }

    fn document(
        &self,
        operation: &'static str,
        step: Step,
        start: Duration,
        end: Duration,
        has_failed: bool,
    ) -> Vec<u8> {
        let (name, namespace) = match step {
            Step::Connection | Step::Connect | Step::Statement { .. } => ("PostgreSQL", "remote"),
            Step::Secret => ("SecretsManager", "aws"),
            Step::Cache(_) => ("Cache", "remote"),
            Step::Change => ("Client", "remote"),
        };
        let mut document = HEADER.to_vec();
        document.extend_from_slice(b"{\"name\":");
        json::value(&mut document, name);
        json::member(&mut document, "namespace", namespace);
        json::member(&mut document, "type", "subsegment");
        json::member(&mut document, "id", format!("{:016x}", self.daemon.next_id()));
        json::member(&mut document, "trace_id", &self.trace_id);
        json::member(&mut document, "parent_id", &self.parent_id);
        // Numbers with six decimals: a float's shortest form may be an exponent.
        let mut times = String::with_capacity(64);
        for (member, time) in [("start_time", start), ("end_time", end)] {
            // Writing to a String cannot fail.
            let _ = write!(times, ",\"{member}\":{}.{:06}", time.as_secs(), time.subsec_micros());
        }
        document.extend_from_slice(times.as_bytes());
        if has_failed {
            json::member(&mut document, "fault", true);
        }
        let described = Described(operation, step).to_string();
        match step {
            Step::Connection | Step::Connect | Step::Statement { .. } => {
                document.extend_from_slice(b",\"sql\":{\"database_type\":\"PostgreSQL\"");
                json::member(&mut document, "sanitized_query", &described);
                document.push(b'}');
            }
            Step::Secret => document.extend_from_slice(b",\"aws\":{\"operation\":\"GetSecretValue\"}"),
            Step::Cache(_) | Step::Change => {}
        }
        document.extend_from_slice(b",\"annotations\":{\"operation\":");
        json::value(&mut document, operation);
        json::member(&mut document, "step", &described);
        document.extend_from_slice(b"}}");
        document
    }

    /// Sends the stored subsegments.
    pub(super) fn send(&self) {
        let subsegments =
            std::mem::take(&mut *self.subsegments.lock().unwrap_or_else(PoisonError::into_inner));
        for document in subsegments {
            // Lost if the daemon is down or too slow: a trace must not affect the response.
            let _ = self.daemon.socket.send_to(&document, self.daemon.address);
        }
    }
}

fn field<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    header.split(';').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=a:1|b:0";

    fn daemon(address: &str) -> &'static Daemon {
        Box::leak(Box::new(Daemon::new(address).unwrap()))
    }

    #[test]
    fn reads_both_forms_of_an_address() {
        for address in ["127.0.0.1:2000", "tcp:127.0.0.1:1999 udp:127.0.0.1:2000"] {
            assert_eq!(daemon(address).address.port(), 2_000);
        }
        assert_eq!(daemon("[::1]:2000").address.port(), 2_000);
        assert!(Daemon::new("xray").is_err());
    }

    #[test]
    fn only_a_sampled_trace_is_one() {
        let daemon = daemon("127.0.0.1:2000");
        assert_eq!(Trace::of(HEADER, daemon).unwrap().parent_id, "53995c3f42cd8ad8");
        for header in [
            "",
            "Root=1-5759e988-bd862e3fe1be46a994272793",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=?",
            "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
            "Root=sesame;Parent=53995c3f42cd8ad8;Sampled=1",
        ] {
            assert!(Trace::of(header, daemon).is_none(), "{header}");
        }
        assert_eq!(Trace::root("Root=1-5759e988-sesame"), None);
    }

    #[test]
    fn identifiers_differ() {
        let daemon = daemon("127.0.0.1:2000");
        let ids: std::collections::HashSet<_> = (0..1_000).map(|_| daemon.next_id()).collect();
        assert_eq!(ids.len(), 1_000);
    }
}
