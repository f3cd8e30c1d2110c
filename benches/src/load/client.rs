//! A client with one connection, which is kept.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
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

    /// The status of the answer, which is read to its end.
    pub(super) fn get(&mut self, path: &str) -> Result<u16> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n", self.port);
        self.stream.write_all(request.as_bytes())?;
        let mut filled = 0;
        loop {
            let bytes = self.stream.read(&mut self.input[filled..])?;
            ensure!(bytes > 0, "the connection has been closed, or the answer is too long");
            filled += bytes;
            if let Some((status, length)) = head(&self.input[..filled])?
                && filled >= length
            {
                return Ok(status);
            }
        }
    }
}

/// The status and the length of the answer that `bytes` begin with, if its head is there.
fn head(bytes: &[u8]) -> Result<Option<(u16, usize)>> {
    let mut headers = [EMPTY_HEADER; 64];
    let mut response = Response::new(&mut headers);
    let Status::Complete(head) = response.parse(bytes)? else { return Ok(None) };
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length: usize = std::str::from_utf8(length.context("an answer without a length")?.value)?.parse()?;
    Ok(Some((response.code.unwrap_or_default(), head + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_status_and_a_length() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(head(answer).unwrap(), Some((200, answer.len())));
        assert_eq!(head(&answer[..20]).unwrap(), None);
        head(b"HTTP/1.1 200 OK\r\n\r\n").unwrap_err();
    }
}
