//! An HTTP/1.1 client (RFC 9112) for a single exchange: sends a request in one write and reads the whole
//! response into memory.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    ops::Range,
};

use httparse::{ParserConfig, Status};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// More headers than the Runtime API or an AWS service sends.
const MAX_HEADERS: usize = 64;

/// Larger than any event or secret: an event of a synchronous invocation has at most 6 MB.
const MAX_RESPONSE_BYTES: usize = 32 * 1024 * 1024;

/// A response whose bytes are in the buffer it was read into.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Whether the connection can be reused.
    pub(crate) keeps_connection: bool,
    body: Range<usize>,
}

impl Response {
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body, a slice of the buffer that the response was read into.
    pub(crate) fn body<'a>(&self, buffer: &'a [u8]) -> &'a [u8] {
        buffer.get(self.body.clone()).unwrap_or_default()
    }
}

/// How the length of the body is determined (RFC 9112, section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Bytes(usize),
    Chunks,
    UntilEnd,
}

/// Sends `head` and `body`, and reads the response into `buffer`, which must be empty. `on_header` is called
/// for each header except those of the connection and of the body's length.
///
/// # Errors
/// If the connection fails or the response is malformed. If `buffer` is still empty then, nothing was
/// received.
pub(crate) async fn exchange(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    head: &[u8],
    body: &[u8],
    buffer: &mut Vec<u8>,
    on_header: impl FnMut(&str, &[u8]),
) -> io::Result<Response> {
    let sent = send(stream, head, body).await;
    // A server that rejects a request may close the connection early: the response tells why.
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

/// Parses the head of the response in `bytes`; `None` if it is incomplete. Returns the status, whether the
/// connection can be reused, the framing of the body, and where the body starts.
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

/// Joins the chunks that start at `start` (RFC 9112, section 7.1) in place, and returns the end of the body.
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
            // Trailers are ignored.
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

/// Reads whatever is available, at least one byte.
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
