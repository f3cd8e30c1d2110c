//! The host names that the gateway accepts. A page on the internet can point its own name at 127.0.0.1 (DNS rebinding).
//! The browser then lets it call any server that listens there, and only the host name in the request reveals this.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use http::{Version, header, request::Parts, uri::Authority};

use super::errors::GatewayError;

/// A host name that requests may have, without a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(String);

/// Parses a name, or an address such as `192.0.2.1` or `[2001:db8::1]`.
impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let authority = Authority::from_str(text).ok().filter(|authority| authority.host() == text);
        let is_plain = |text: &str| !text.contains(['*', '%', ',']) || text.starts_with('[');
        authority.filter(|_| is_plain(text)).map(|authority| Self::of(&authority)).ok_or_else(|| {
            format!("`{text}` is not a host name without a port, such as host.docker.internal")
        })
    }
}

impl HostName {
    /// Names are case-insensitive and may end with the root's dot.
    fn of(authority: &Authority) -> Self {
        let name = authority.host().to_ascii_lowercase();
        Self(name.strip_suffix('.').map_or(name.clone(), str::to_owned))
    }

    fn address(&self) -> Option<IpAddr> {
        let v6 = self.0.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
        v6.map_or_else(|| self.0.parse().ok(), |text| text.parse::<Ipv6Addr>().ok().map(IpAddr::V6))
    }

    /// Whether the name always refers to this machine (RFC 6761, section 6.3), or is the address that the gateway
    /// listens on.
    fn is_own(&self, listening: IpAddr) -> bool {
        let is_own = |address: IpAddr| {
            let address = address.to_canonical();
            address.is_loopback() || (address == listening.to_canonical() && !address.is_unspecified())
        };
        self.0 == "localhost" || self.0.ends_with(".localhost") || self.address().is_some_and(is_own)
    }
}

/// The host of a request: the name that the client used, or the gateway's own address for an HTTP/1.0 request without
/// one.
///
/// # Errors
/// 400 if the host is malformed or missing, 421 if the gateway does not accept it (RFC 9110, section 15.5.20).
pub(super) fn host(
    head: &Parts,
    listening: SocketAddr,
    allowed: &[HostName],
) -> Result<String, GatewayError> {
    let malformed = || GatewayError::bad_request("The Host header is malformed");
    let mut named: Vec<Authority> = head.uri.authority().cloned().into_iter().collect();
    for value in head.headers.get_all(header::HOST) {
        named.push(Authority::try_from(value.as_bytes()).map_err(|_| malformed())?);
    }
    let is_repeated = head.headers.get_all(header::HOST).iter().nth(1).is_some();
    let Some(first) = named.first() else {
        return match head.version {
            Version::HTTP_10 => Ok(listening.ip().to_string()),
            _ => Err(GatewayError::bad_request("The Host header is missing")),
        };
    };
    if is_repeated || named.iter().any(|authority| authority.as_str().contains('@')) {
        return Err(malformed());
    }
    // A target in absolute form replaces the header (RFC 9112, section 3.2.2), so both must be accepted.
    for authority in &named {
        let name = HostName::of(authority);
        if !name.is_own(listening.ip()) && !allowed.contains(&name) {
            return Err(GatewayError::misdirected(authority.host()));
        }
    }
    Ok(first.host().to_owned())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn status(listening: &str, allowed: &[&str], target: &str, hosts: &[&str]) -> Option<u16> {
        let mut request = Request::get(target);
        for host in hosts {
            request = request.header("host", *host);
        }
        let (head, ()) = request.body(()).unwrap().into_parts();
        let allowed: Vec<HostName> = allowed.iter().map(|name| name.parse().unwrap()).collect();
        host(&head, listening.parse().unwrap(), &allowed).err().map(|error| error.status().as_u16())
    }

    #[test]
    fn answers_to_names_of_this_machine_and_to_configured_ones() {
        let allowed = ["host.docker.internal", "192.0.2.7", "[2001:db8::1]", "API.Example."];
        for (expected, hosts) in [
            (
                None,
                &[
                    "localhost",
                    "localhost:9000",
                    "LocalHost:1",
                    "localhost.",
                    "api.localhost:9000",
                    "127.0.0.1:9000",
                    "127.8.9.1",
                    "[::1]:9000",
                    "[::1]",
                    "[::ffff:127.0.0.1]",
                    "host.docker.internal:9000",
                    "HOST.docker.internal.",
                    "192.0.2.7:80",
                    "[2001:db8::1]:9000",
                    "api.example",
                ][..],
            ),
            (
                Some(421),
                &[
                    "evil.example",
                    "evil.example:9000",
                    "localhost.evil.example",
                    "evillocalhost",
                    "127.0.0.1.evil.example",
                    "docker.internal",
                    "a.host.docker.internal",
                    "0.0.0.0:9000",
                    "10.0.0.1",
                    "192.0.2.70",
                    "[::]",
                    "[::2]",
                    "[2001:db8::2]",
                    "127.1",
                    "2130706433",
                    ".localhost.x",
                    "xn--localhost",
                ],
            ),
            (Some(400), &["a b", "localhost@evil.example", "evil.example@localhost", "localhost:x:y", ""]),
        ] {
            for host in hosts {
                assert_eq!(status("127.0.0.1:9000", &allowed, "/", &[host]), expected, "{host}");
            }
        }
    }

    #[test]
    fn looks_at_every_name_of_a_request() {
        let status = |target: &str, hosts: &[&str]| status("127.0.0.1:9000", &[], target, hosts);
        assert_eq!(status("http://localhost:9000/", &["localhost:9000"]), None);
        assert_eq!(status("http://evil.example/", &["localhost:9000"]), Some(421));
        assert_eq!(status("http://localhost:9000/", &["evil.example"]), Some(421));
        assert_eq!(status("http://localhost:9000/", &["localhost:9000", "localhost:9000"]), Some(400));
        assert_eq!(status("/", &["localhost", "evil.example"]), Some(400));
        assert_eq!(status("/", &[]), Some(400), "HTTP/1.1 requires one");
    }

    #[test]
    fn answers_to_the_address_that_it_listens_on() {
        assert_eq!(status("192.0.2.1:80", &[], "/", &["192.0.2.1"]), None);
        assert_eq!(status("192.0.2.1:80", &[], "/", &["192.0.2.2"]), Some(421));
        assert_eq!(status("0.0.0.0:80", &[], "/", &["0.0.0.0"]), Some(421));
    }

    #[test]
    fn a_configured_name_has_no_port_and_no_pattern() {
        for text in ["", "a:80", "*", "*.example", "http://a", "a/b", "a@b", "a b", "a,b"] {
            assert!(text.parse::<HostName>().unwrap_err().contains("host.docker.internal"), "{text}");
        }
    }
}
