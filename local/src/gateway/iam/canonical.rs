//! The canonical form of a request, which client and server sign alike even if the request was re-encoded in transit.
//!
//! It does not use `aws-sigv4`, which signs requests for clients: it panics on headers that are not UTF-8, adds headers
//! of its own and does not accept a list of signed ones. The tests compare the two.

use http::HeaderMap;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// All but the unreserved characters of RFC 3986.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same for a path, where a slash is not encoded.
const RESERVED_IN_PATH: &AsciiSet = &RESERVED.remove(b'/');

/// The query parameter of a presigned request that is not signed: the signature itself.
pub(super) const SIGNATURE_PARAMETER: &str = "X-Amz-Signature";

/// A request as it arrived.
pub(super) struct SentRequest<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
}

impl SentRequest<'_> {
    /// The canonical request, with the headers in `signed_headers` in that order. In bytes, since a header need not be
    /// text.
    pub(super) fn canonical(&self, signed_headers: &str, is_presigned: bool, payload_hash: &str) -> Vec<u8> {
        let mut canonical = Vec::with_capacity(512);
        for line in [self.method, &path(self.path), &query(self.query, is_presigned)] {
            canonical.extend_from_slice(line.as_bytes());
            canonical.push(b'\n');
        }
        for name in signed_headers.split(';') {
            canonical.extend_from_slice(name.as_bytes());
            canonical.push(b':');
            for (index, value) in self.headers.get_all(name).iter().enumerate() {
                if index > 0 {
                    canonical.push(b',');
                }
                push_trimmed(&mut canonical, value.as_bytes());
            }
            canonical.push(b'\n');
        }
        for line in ["\n", signed_headers, "\n", payload_hash] {
            canonical.extend_from_slice(line.as_bytes());
        }
        canonical
    }
}

/// The path as sent, without dot segments and repeated slashes, and encoded once more: all services but S3 sign `%20`
/// as `%2520`.
fn path(sent: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in sent.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    let ends_with_slash = ["/", "/.", "/.."].iter().any(|end| sent.ends_with(end));
    let mut path = format!("/{}", segments.join("/"));
    if ends_with_slash && !path.ends_with('/') {
        path.push('/');
    }
    percent_encode(path.as_bytes(), RESERVED_IN_PATH).to_string()
}

/// The parameters, encoded uniformly and sorted. A `+` is a space: API Gateway signs it as `%20`.
fn query(sent: &str, is_presigned: bool) -> String {
    let mut pairs: Vec<_> = sent.split('&').filter(|pair| !pair.is_empty()).map(normalised).collect();
    pairs.retain(|(name, _)| !(is_presigned && name == SIGNATURE_PARAMETER));
    pairs.sort();
    let pairs = pairs.into_iter().map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join("&")
}

fn normalised(pair: &str) -> (String, String) {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    let recode = |text: &str| {
        let decoded: Vec<u8> = percent_decode_str(&text.replace('+', " ")).collect();
        encoded(&decoded)
    };
    (recode(name), recode(value))
}

/// The canonical encoding of a name or value in a query.
pub(super) fn encoded(text: &[u8]) -> String {
    percent_encode(text, RESERVED).to_string()
}

/// Appends a header's value, trimmed and with runs of spaces collapsed.
fn push_trimmed(canonical: &mut Vec<u8>, value: &[u8]) {
    let words = value.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            canonical.push(b' ');
        }
        canonical.extend_from_slice(word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_paths_once_more_and_normalises_them() {
        for (sent, canonical) in [
            ("/", "/"),
            ("", "/"),
            ("/v1/products", "/v1/products"),
            ("/v1/products/", "/v1/products/"),
            ("/v1//products/./x/../y/.", "/v1/products/y/"),
            ("/../..", "/"),
            ("/a%20b", "/a%2520b"),
            ("/a%2Fb%e6", "/a%252Fb%25e6"),
            ("/a+b:c=d@e$", "/a%2Bb%3Ac%3Dd%40e%24"),
            ("/a-b_c.d~e", "/a-b_c.d~e"),
            ("/漆", "/%E6%BC%86"),
        ] {
            assert_eq!(path(sent), canonical, "{sent}");
        }
    }

    #[test]
    fn spells_and_sorts_queries_in_one_way() {
        for (sent, canonical) in [
            ("", ""),
            ("&&", ""),
            ("q", "q="),
            ("q=", "q="),
            ("b=2&a=1", "a=1&b=2"),
            ("a=2&a=1&a=", "a=&a=1&a=2"),
            ("a-b=1&a=2", "a=2&a-b=1"),
            ("q=a+b", "q=a%20b"),
            ("q=a%20b", "q=a%20b"),
            ("q=a%2bb", "q=a%2Bb"),
            ("q=a=b", "q=a%3Db"),
            ("q=a;b=c", "q=a%3Bb%3Dc"),
            ("q=%e6%bc%86", "q=%E6%BC%86"),
            ("q=漆", "q=%E6%BC%86"),
            ("q=%ff", "q=%FF"),
            ("q=100%", "q=100%25"),
            ("q=%7E%41*'", "q=~A%2A%27"),
            ("X-Amz-Signature=1", "X-Amz-Signature=1"),
        ] {
            assert_eq!(query(sent, false), canonical, "{sent}");
        }
        assert_eq!(query("b=1&X-Amz-Signature=1&a=", true), "a=&b=1");
    }

    #[test]
    fn takes_values_of_headers_in_any_encoding() {
        let mut headers = HeaderMap::new();
        headers.append("x-one", "  a   b ".parse().unwrap());
        headers.append("x-one", http::HeaderValue::from_bytes(b"caf\xe9").unwrap());
        let sent = SentRequest { method: "GET", path: "/", query: "", headers: &headers };
        let canonical = sent.canonical("x-none;x-one", false, "hash");
        assert_eq!(canonical, b"GET\n/\n\nx-none:\nx-one:a b,caf\xe9\n\nx-none;x-one\nhash");
    }
}
