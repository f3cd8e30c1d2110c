//! `X-Amzn-Trace-Id`, the tracing header of X-Ray: `Root=1-<seconds>-<96 bits>`, `Parent`, `Sampled` and others.
//!
//! Load balancers put a `Self` before the `Root`, and services append a `Lineage`: fields come in any order, and
//! unknown ones are passed on.

use std::fmt;

use jiff::Timestamp;
use uuid::Uuid;

/// The maximum length; a longer header is replaced.
const LIMIT_BYTES: usize = 256;

/// The fields of a tracing header with a valid `Root`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trace(Vec<(String, String)>);

impl Trace {
    /// A new trace for a request `received` at this time.
    pub(super) fn new(received: Timestamp) -> Self {
        let root = format!("1-{:08x}-{:024x}", received.as_second(), random_bits(96));
        Self(vec![("Root".to_owned(), root)])
    }

    /// Parses a client's header. Returns `None` without a valid root: the gateway then starts a new trace. An invalid
    /// `Parent` or `Sampled` is dropped.
    pub(super) fn parse(header: &str) -> Option<Self> {
        if header.len() > LIMIT_BYTES {
            return None;
        }
        let mut fields: Vec<(String, String)> = Vec::new();
        for field in header.split(';') {
            let Some((name, value)) = field.trim().split_once('=') else { continue };
            let (name, value) = (known_name(name.trim_end()), value.trim_start());
            // The first occurrence of a repeated field counts.
            let is_new = !fields.iter().any(|(known, _)| known == name);
            if is_new && !name.is_empty() && is_valid(name, value) {
                fields.push((name.to_owned(), value.to_owned()));
            }
        }
        let trace = Self(fields);
        trace.field("Root").is_some().then_some(trace)
    }

    /// The header as Lambda passes it to a function: with a parent and a sampling decision, which is `is_traced` unless
    /// the client has made it.
    pub(super) fn for_function(&self, is_traced: bool) -> String {
        let mut header = self.to_string();
        if self.field("Parent").is_none() {
            header.push_str(&format!(";Parent={:016x}", random_bits(64)));
        }
        if self.field("Sampled").is_none_or(|sampled| sampled == "?") {
            header = header.replace(";Sampled=?", "").replace("Sampled=?;", "");
            header.push_str(if is_traced { ";Sampled=1" } else { ";Sampled=0" });
        }
        header
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Writes the fields in the order they were sent.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { ";" };
            write!(f, "{separator}{name}={value}")?;
        }
        Ok(())
    }
}

/// The name in X-Ray's spelling; X-Ray's own SDKs ignore case.
fn known_name(name: &str) -> &str {
    ["Root", "Parent", "Sampled"].into_iter().find(|known| known.eq_ignore_ascii_case(name)).unwrap_or(name)
}

fn is_valid(name: &str, value: &str) -> bool {
    let is_hex =
        |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match name {
        "Root" => value.split_once('-').is_some_and(|(version, rest)| {
            let parts = rest.split_once('-');
            version == "1" && parts.is_some_and(|(seconds, id)| is_hex(seconds, 8) && is_hex(id, 24))
        }),
        "Parent" => is_hex(value, 16),
        // `?`: the client leaves the decision to the next service and asks to be told.
        "Sampled" => matches!(value, "0" | "1" | "?"),
        _ => true,
    }
}

/// Random bits: the last bits of a UUIDv7.
fn random_bits(count: u32) -> u128 {
    Uuid::now_v7().as_u128() & ((1 << count) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "Root=1-67891233-abcdef012345678912345678";

    #[test]
    fn keeps_a_valid_root_wherever_it_stands() {
        for (sent, kept) in [
            (ROOT.to_owned(), ROOT.to_owned()),
            // As a load balancer sends it.
            (
                format!("Self=1-67891234-12456789abcdef012345678;{ROOT}"),
                format!("Self=1-67891234-12456789abcdef012345678;{ROOT}"),
            ),
            (
                format!("Parent=53995c3f42cd8ad8;Sampled=1;{ROOT}"),
                format!("Parent=53995c3f42cd8ad8;Sampled=1;{ROOT}"),
            ),
            (
                format!(
                    "{ROOT};Parent=53995c3f42cd8ad8;Sampled=0;Lineage=1:a87bd80c:0|68fd508a:5|c512fbe3:2"
                ),
                format!(
                    "{ROOT};Parent=53995c3f42cd8ad8;Sampled=0;Lineage=1:a87bd80c:0|68fd508a:5|c512fbe3:2"
                ),
            ),
            (format!("{ROOT};CalledFrom=app;"), format!("{ROOT};CalledFrom=app")),
            (format!(" {ROOT} ; Sampled = 1 "), format!("{ROOT};Sampled=1")),
            (format!("sampled=1;{}", ROOT.replace("Root", "ROOT")), format!("Sampled=1;{ROOT}")),
            (ROOT.replace("abcdef", "ABCDEF"), ROOT.replace("abcdef", "ABCDEF")),
            (format!("{ROOT};Parent=nobody;Sampled=maybe"), ROOT.to_owned()),
            (format!("{ROOT};Root=1-00000000-000000000000000000000000"), ROOT.to_owned()),
            (format!("Root=nonsense;{ROOT}"), ROOT.to_owned()),
        ] {
            assert_eq!(Trace::parse(&sent).map(|it| it.to_string()), Some(kept), "{sent}");
        }
    }

    #[test]
    fn begins_another_where_there_is_no_valid_root() {
        for sent in [
            "",
            "Root",
            "Root=",
            "Root=1",
            "Root=1-67891233",
            "Root=2-67891233-abcdef012345678912345678",
            "Root=1-6789123-abcdef012345678912345678",
            "Root=1-67891233-abcdef01234567891234567",
            "Root=1-67891233-abcdef01234567891234567g",
            "Self=1-67891233-abcdef012345678912345678",
            "Parent=53995c3f42cd8ad8;Sampled=1",
            "NotRoot=1-67891233-abcdef012345678912345678",
        ] {
            assert_eq!(Trace::parse(sent), None, "{sent}");
        }
        assert_eq!(Trace::parse(&format!("{ROOT};Note={}", "x".repeat(LIMIT_BYTES))), None);
        let new = Trace::new(Timestamp::UNIX_EPOCH);
        assert_eq!(Trace::parse(&new.to_string()), Some(new));
    }

    #[test]
    fn decides_about_sampling_where_the_client_did_not() {
        let function = |sent: &str| Trace::parse(sent).unwrap().for_function(true);
        let parent = ";Parent=53995c3f42cd8ad8";
        assert_eq!(function(&format!("{ROOT}{parent}")), format!("{ROOT}{parent};Sampled=1"));
        assert_eq!(function(&format!("Sampled=0;{ROOT}{parent}")), format!("Sampled=0;{ROOT}{parent}"));
        for sent in [format!("{ROOT};Sampled=?{parent}"), format!("Sampled=?;{ROOT}{parent}")] {
            assert_eq!(function(&sent), format!("{ROOT}{parent};Sampled=1"), "{sent}");
        }
        // A field with a similar name has no effect.
        let named = function(&format!("{ROOT};MyParent=1;NotSampled=0"));
        assert!(named.contains(";Parent=") && named.ends_with(";Sampled=1"), "{named}");
    }
}
