//! A client with one persistent connection.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    ops::Range,
    time::Duration,
};

use anyhow::{Result, bail, ensure};
use httparse::{EMPTY_HEADER, Response, Status};

const LIMIT: Duration = Duration::from_secs(30);

pub(super) struct Client {
    stream: TcpStream,
    port: u16,
    input: Vec<u8>,
}

impl Client {
    pub(super) fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        Ok(Self { stream, port, input: vec![0; 64 * 1024] })
    }

    /// Sends a GET request.
    pub(super) fn get(&mut self, path: &str) -> Result<Answer<'_>> {
        self.send("GET", path, None)
    }

    /// Sends a request with a body and its media type.
    pub(super) fn send(
        &mut self,
        method: &str,
        path: &str,
        body: Option<(&str, &str)>,
    ) -> Result<Answer<'_>> {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n", self.port);
        let body = match body {
            Some((media_type, body)) => {
                request += &format!("Content-Type: {media_type}\r\nContent-Length: {}\r\n", body.len());
                body
            }
            None => "",
        };
        request += "\r\n";
        request += body;
        self.stream.write_all(request.as_bytes())?;
        let mut filled = 0;
        loop {
            if filled == self.input.len() {
                self.input.resize(2 * filled, 0);
            }
            let bytes = self.stream.read(&mut self.input[filled..])?;
            ensure!(bytes > 0, "the connection has been closed");
            filled += bytes;
            if let Some(head) = head(&self.input[..filled])?
                && filled >= head.body.end
            {
                let Head { status, is_hit, body } = head;
                return Ok(Answer { status, is_hit, body: &self.input[body] });
            }
        }
    }
}

/// A complete response.
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    /// Whether it is a cache hit, by `Cache-Status` (RFC 9211).
    pub(super) is_hit: bool,
    pub(super) body: &'a [u8],
}

#[derive(Debug, PartialEq)]
struct Head {
    status: u16,
    is_hit: bool,
    body: Range<usize>,
}

/// Parses the head of the response in `bytes`; `None` if it is incomplete.
fn head(bytes: &[u8]) -> Result<Option<Head>> {
    let mut headers = [EMPTY_HEADER; 64];
    let mut response = Response::new(&mut headers);
    let Status::Complete(start) = response.parse(bytes)? else { return Ok(None) };
    let status = response.code.unwrap_or_default();
    let find = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let length = match find("content-length") {
        Some(length) => length.parse()?,
        None if status == 204 => 0,
        None => bail!("a response without a length"),
    };
    let is_hit = find("cache-status").is_some_and(|cache| cache.contains("; hit"));
    Ok(Some(Head { status, is_hit, body: start..start + length }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_status_and_a_length() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        let body = answer.len() - 2..answer.len();
        assert_eq!(head(answer).unwrap(), Some(Head { status: 200, is_hit: false, body }));
        assert_eq!(head(&answer[..20]).unwrap(), None);
        let hit = b"HTTP/1.1 204 No Content\r\nCache-Status: atelier; hit; ttl=3\r\n\r\n";
        let is_hit = head(hit).unwrap().is_some_and(|head| head.is_hit && head.body.is_empty());
        assert!(is_hit);
        head(b"HTTP/1.1 200 OK\r\n\r\n").unwrap_err();
    }
}
