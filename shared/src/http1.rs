//! One exchange of HTTP/1.1 (RFC 9112), as a client: a request in one write, and the whole response in memory.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    ops::Range,
};

use httparse::{ParserConfig, Status};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// More headers than the Runtime API or a service of AWS sends.
const MAX_HEADERS: usize = 64;

/// More than any event or secret has: an event of a synchronous invocation has 6 MB at most.
const MAX_RESPONSE_BYTES: usize = 32 * 1024 * 1024;

/// A response whose bytes are in the buffer that it was read into.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Whether another request may follow on the connection.
    pub(crate) keeps_connection: bool,
    body: Range<usize>,
}

impl Response {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body, in the buffer that the response was read into.
    pub(crate) fn body<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        buffer.get(self.body.clone()).unwrap_or_default()
    }
}

/// How long a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Bytes(usize),
    Chunks,
    UntilEnd,
}

/// Sends `head` and `body`, and reads the response into `buffer`, which is empty. `on_header` gets each of its headers but
/// for those of the connection and of the body's length.
///
/// # Errors
/// When the connection breaks, or what comes is no response. If `buffer` is still empty then, nothing has come.
pub(crate) async fn exchange(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    head: &[u8],
    body: &[u8],
    buffer: &mut Vec<u8>,
    on_header: impl FnMut(&str, &[u8]),
) -> io::Result<Response> {
    let sent = send(stream, head, body).await;
    // Who refuses a request may close while it is being sent: the response says why.
    let received = receive(stream, buffer, on_header).await;
    match (sent, received) {
        (Err(error), Err(_)) => Err(error),
        (Err(_), Ok(response)) => Ok(Response { keeps_connection: false, ..response }),
        (Ok(()), received) => received,
    }
}

async fn send(stream: &mut (impl AsyncWrite + Unpin), head: &[u8], body: &[u8]) -> io::Result<()> {
    let mut parts = [IoSlice::new(head), IoSlice::new(body)];
    let mut rest = &mut parts[..];
    while !rest.is_empty() {
        let written = stream.write_vectored(rest).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        IoSlice::advance_slices(&mut rest, written);
    }
    Ok(())
}

async fn receive(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    mut on_header: impl FnMut(&str, &[u8]),
) -> io::Result<Response> {
    loop {
        fill(stream, buffer).await?;
        let Some((status, keeps_connection, framing, start)) = parse_head(buffer, &mut on_header)? else {
            continue;
        };
        let end = match framing {
            Framing::Bytes(length) => {
                let end = start.saturating_add(length);
                fill_to(stream, buffer, end).await?;
                end
            }
            Framing::Chunks => join_chunks(stream, buffer, start).await?,
            Framing::UntilEnd => {
                while fill(stream, buffer).await.is_ok() {}
                buffer.len()
            }
        };
        return Ok(Response { status, keeps_connection, body: start..end });
    }
}

/// The head of the response that begins with `bytes`, if all of it has come: status, whether the connection stays, how
/// long the body is, and where it begins.
fn parse_head(
    bytes: &[u8],
    on_header: &mut impl FnMut(&str, &[u8]),
) -> io::Result<Option<(u16, bool, Framing, usize)>> {
    let mut headers = [const { MaybeUninit::uninit() }; MAX_HEADERS];
    let mut head = httparse::Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(&mut head, bytes, &mut headers);
    let Status::Complete(length) = parsed.map_err(malformed)? else { return Ok(None) };
    let status = head.code.unwrap_or_default();
    let mut framing = if matches!(status, 204 | 304) { Framing::Bytes(0) } else { Framing::UntilEnd };
    let mut closes = head.version == Some(0);
    for header in head.headers.iter() {
        let value = header.value.trim_ascii();
        if header.name.eq_ignore_ascii_case("content-length") {
            let length = str::from_utf8(value).ok().and_then(|length| length.parse().ok());
            let length = length.ok_or_else(|| malformed("Content-Length"))?;
            // RFC 9112, section 6.3: Transfer-Encoding overrides it.
            if framing != Framing::Chunks {
                framing = Framing::Bytes(length);
            }
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            framing = Framing::Chunks;
        } else if header.name.eq_ignore_ascii_case("connection") {
            closes |= value.eq_ignore_ascii_case(b"close");
        } else {
            on_header(header.name, value);
        }
    }
    Ok(Some((status, !closes && framing != Framing::UntilEnd, framing, length)))
}

/// Puts the chunks that begin at `start` (RFC 9112, section 7.1) together in their place, and returns where they end.
async fn join_chunks(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
    start: usize,
) -> io::Result<usize> {
    let (mut end, mut next) = (start, start);
    loop {
        let (line, size) = loop {
            let parsed = httparse::parse_chunk_size(buffer.get(next..).unwrap_or_default());
            match parsed.map_err(|_| malformed("chunk"))? {
                Status::Complete(parsed) => break parsed,
                Status::Partial => fill(stream, buffer).await?,
            }
        };
        next += line;
        if size == 0 {
            // Trailers are read and not looked at.
            loop {
                let rest = buffer.get(next..).unwrap_or_default();
                let Some(length) = rest.iter().position(|&byte| byte == b'\n') else {
                    fill(stream, buffer).await?;
                    continue;
                };
                next += length + 1;
                if rest[..length].trim_ascii().is_empty() {
                    return Ok(end);
                }
            }
        }
        let size = usize::try_from(size).map_err(malformed)?;
        fill_to(stream, buffer, next.saturating_add(size).saturating_add(2)).await?;
        buffer.copy_within(next..next + size, end);
        end += size;
        next += size + 2;
    }
}

async fn fill_to(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>, end: usize) -> io::Result<()> {
    if end > MAX_RESPONSE_BYTES {
        return Err(malformed("length"));
    }
    buffer.reserve(end.saturating_sub(buffer.len()));
    while buffer.len() < end {
        fill(stream, buffer).await?;
    }
    Ok(())
}

/// Reads what there is, at least a byte.
async fn fill(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> io::Result<()> {
    if buffer.len() > MAX_RESPONSE_BYTES {
        return Err(malformed("length"));
    }
    match stream.read_buf(buffer).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

fn malformed(what: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed HTTP response: {what}"))
}
