//! Parses the requests of a runtime: HTTP/1.1 heads with `httparse`, and bodies with a length or in chunks.

use anyhow::{Context, Result, bail};
use httparse::{EMPTY_HEADER, Header, Status};

/// The maximum number of headers, more than any runtime sends.
const HEADERS: usize = 64;

/// The operation of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Next,
    Response,
    Error,
    /// An extension, such as AWS Lambda Web Adapter, registers.
    Register,
    /// An extension requests an event.
    ExtensionNext,
    Unknown,
}

/// How much of a request has arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The request is incomplete. `expects_continue` if the client waits for 100 Continue before it sends the body.
    Part { expects_continue: bool },
    /// The request is complete, in the first `length` bytes.
    Whole { call: Call, length: usize },
}

/// Parses the request at the beginning of `bytes`, and stores its body in `body`.
pub(super) fn read(bytes: &[u8], body: &mut Vec<u8>) -> Result<Arrival> {
    let mut headers = [EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let Status::Complete(head) = request.parse(bytes).context("the subject does not speak HTTP/1.1")? else {
        return Ok(Arrival::Part { expects_continue: false });
    };
    let call = call(request.method.unwrap_or_default(), request.path.unwrap_or_default());
    let rest = &bytes[head..];
    body.clear();
    let length = if let Some(value) = header(request.headers, "content-length") {
        let length: usize = std::str::from_utf8(value)?.trim().parse().context("a Content-Length")?;
        rest.get(..length).map(|whole| {
            body.extend_from_slice(whole);
            length
        })
    } else if header(request.headers, "transfer-encoding").is_some() {
        chunks(rest, body)?
    } else {
        Some(0)
    };
    Ok(match length {
        Some(length) => Arrival::Whole { call, length: head + length },
        None => Arrival::Part { expects_continue: header(request.headers, "expect").is_some() },
    })
}

fn call(method: &str, path: &str) -> Call {
    match (method, path.strip_prefix("/2020-01-01/extension/").unwrap_or_default()) {
        ("POST", "register") => return Call::Register,
        ("GET", "event/next") => return Call::ExtensionNext,
        _ => {}
    }
    match (method, path.strip_prefix("/2018-06-01/runtime/").unwrap_or_default()) {
        ("GET", "invocation/next") => Call::Next,
        ("POST", path) if path.starts_with("invocation/") && path.ends_with("/response") => Call::Response,
        ("POST", path) if path == "init/error" || path.ends_with("/error") => Call::Error,
        _ => Call::Unknown,
    }
}

fn header<'a>(headers: &[Header<'a>], name: &str) -> Option<&'a [u8]> {
    headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

/// Appends the chunks at the beginning of `bytes` to `body`. Returns their total length, including the end, if they are
/// complete.
fn chunks(bytes: &[u8], body: &mut Vec<u8>) -> Result<Option<usize>> {
    let mut at = 0;
    loop {
        let Ok(status) = httparse::parse_chunk_size(&bytes[at..]) else {
            bail!("an invalid size of a chunk")
        };
        let Status::Complete((line, size)) = status else { return Ok(None) };
        let size = usize::try_from(size)?;
        let begin = at + line;
        if size == 0 {
            return trailers(&bytes[begin..]).map(|length| length.map(|length| begin + length));
        }
        // The line break after the chunk must have arrived, too.
        let Some(chunk) = bytes.get(begin..begin + size + 2) else { return Ok(None) };
        body.extend_from_slice(&chunk[..size]);
        at = begin + size + 2;
    }
}

/// The length of the trailers, which end with an empty line. Some runtimes send their errors in trailers.
fn trailers(bytes: &[u8]) -> Result<Option<usize>> {
    let mut headers = [EMPTY_HEADER; HEADERS];
    Ok(match httparse::parse_headers(bytes, &mut headers).context("invalid trailers")? {
        Status::Complete((length, _)) => Some(length),
        Status::Partial => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses `request` after its first `bytes` have arrived.
    fn arrival(request: &str, bytes: usize) -> (Arrival, String) {
        let mut body = Vec::new();
        let arrival = read(&request.as_bytes()[..bytes], &mut body).unwrap();
        (arrival, String::from_utf8(body).unwrap())
    }

    #[test]
    fn a_request_is_whole_with_its_last_byte_however_its_body_is_framed() {
        let response = "POST /2018-06-01/runtime/invocation/7/response HTTP/1.1\r\n";
        for (request, call, body) in [
            (
                "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n".to_owned(),
                Call::Next,
                "",
            ),
            (format!("{response}Content-Length: 5\r\n\r\nhello"), Call::Response, "hello"),
            (format!("{response}content-length: 0\r\n\r\n"), Call::Response, ""),
            (
                format!("{response}Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"),
                Call::Response,
                "hello",
            ),
            (
                format!(
                    "{response}transfer-encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
                ),
                Call::Response,
                "0123456789",
            ),
            (
                "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}".to_owned(),
                Call::Error,
                "{}",
            ),
            (
                "POST /2018-06-01/runtime/invocation/7/error HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
                    .to_owned(),
                Call::Error,
                "{}",
            ),
            (
                "POST /2020-01-01/extension/register HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}".to_owned(),
                Call::Register,
                "{}",
            ),
            ("GET /2020-01-01/extension/event/next HTTP/1.1\r\n\r\n".to_owned(), Call::ExtensionNext, ""),
            ("GET /2018-06-01/runtime HTTP/1.1\r\n\r\n".to_owned(), Call::Unknown, ""),
        ] {
            for bytes in 0..request.len() {
                let (arrival, _) = arrival(&request, bytes);
                assert_eq!(arrival, Arrival::Part { expects_continue: false }, "{bytes} of {request}");
            }
            let with_more = format!("{request}GET /");
            let whole = Arrival::Whole { call, length: request.len() };
            assert_eq!(arrival(&with_more, with_more.len()), (whole, body.to_owned()), "{request}");
        }
    }

    #[test]
    fn a_client_that_waits_to_be_told_to_go_on_is_known() {
        let request = "POST /2018-06-01/runtime/invocation/7/response HTTP/1.1\r\nContent-Length: 2\r\n\
                       Expect: 100-continue\r\n\r\n{}";
        let (waiting, _) = arrival(request, request.len() - 2);
        assert_eq!(waiting, Arrival::Part { expects_continue: true });
    }

    #[test]
    fn what_is_not_http_is_refused() {
        let mut body = Vec::new();
        let chunk = b"POST /x HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n";
        for bytes in [&b"\x00\x01 hello\r\n\r\n"[..], chunk, b"POST /x HTTP/1.1\r\ncontent-length: x\r\n\r\n"]
        {
            read(bytes, &mut body).unwrap_err();
        }
    }
}
