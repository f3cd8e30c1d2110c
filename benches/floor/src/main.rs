//! The floor: the cost of a request in a program that does nothing but the exchange itself. It uses bare sockets with
//! one write and one read per exchange, the statement of `getProduct` and its response, without logs, metrics, checks
//! or errors for clients.
//!
//! `--prepared` sends the statement once, and then its name; `--unnamed` sends it with each request, as functions that
//! share connections through RDS Proxy have to.

use std::{
    env,
    io::{Read, Write},
    net::TcpStream,
};

use anyhow::{Context, Result, bail, ensure};
use bytes::BytesMut;
use postgres_protocol::{
    authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256},
    message::frontend,
};
use url::Url;

/// As in api/statements.sql.
const STATEMENT: &str = "select id, artisan_id, name, description, price, currency, version, created_at, updated_at\n\
                         from products\n\
                         where id = $1";
const UUID_TYPE: u32 = 2950;
const NAME: &str = "p";

fn main() -> Result<()> {
    let is_prepared = match env::args().nth(1).as_deref() {
        Some("--prepared") => true,
        Some("--unnamed") => false,
        _ => bail!("--prepared or --unnamed?"),
    };
    let api = env::var("AWS_LAMBDA_RUNTIME_API")?;
    let mut database = connect(&env::var("DATABASE_URL")?)?;
    let mut statement = BytesMut::new();
    if is_prepared {
        frontend::parse(NAME, STATEMENT, [UUID_TYPE], &mut statement)?;
        frontend::sync(&mut statement);
        database.exchange(&statement)?;
    }

    let mut runtime = Socket::connect(&api)?;
    let next = format!("GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: {api}\r\n\r\n");
    let (mut product, mut answer) = (Vec::new(), Vec::new());
    loop {
        runtime.write(next.as_bytes())?;
        let event = runtime.read_http()?;
        let request = after(event, b"Lambda-Runtime-Aws-Request-Id: ").context("a request id")?;
        let end = memchr::memchr(b'\r', request).context("its end")?;
        let path =
            after(event, b"\"pathParameters\"").and_then(|it| after(it, b"\"id\"")).context("an id")?;
        let id = uuid(after(path, b"\"").context("its text")?).context("an id that is a UUID")?;

        answer.clear();
        write!(answer, "POST /2018-06-01/runtime/invocation/")?;
        answer.extend_from_slice(&request[..end]);
        statement.clear();
        ask(is_prepared, &id, &mut statement)?;
        let row = Row::read(database.exchange(&statement)?)?;

        product.clear();
        row.write_json(&mut product)?;
        const BEGIN: &str = r#"{"statusCode":200,"headers":{"content-type":"application/json"},"body":""#;
        const END: &str = r#"","isBase64Encoded":false}"#;
        let length = BEGIN.len() + product.len() + END.len();
        write!(answer, "/response HTTP/1.1\r\nHost: {api}\r\nContent-Length: {length}\r\n\r\n{BEGIN}")?;
        answer.extend_from_slice(&product);
        answer.extend_from_slice(END.as_bytes());
        runtime.write(&answer)?;
        runtime.read_http()?;
    }
}

/// Appends the messages that query the product `id`.
fn ask(is_prepared: bool, id: &[u8; 16], messages: &mut BytesMut) -> Result<()> {
    let name = if is_prepared { NAME } else { "" };
    if !is_prepared {
        frontend::parse(name, STATEMENT, [UUID_TYPE], messages)?;
    }
    let value = |id: &[u8; 16], out: &mut BytesMut| {
        out.extend_from_slice(id);
        Ok(postgres_protocol::IsNull::No)
    };
    let bound = frontend::bind("", name, [1], [id], value, [1], messages);
    ensure!(bound.is_ok(), "the id cannot be bound");
    if !is_prepared {
        frontend::describe(b'P', "", messages)?;
    }
    frontend::execute("", 0, messages)?;
    frontend::sync(messages);
    Ok(())
}

/// A product in the server's format.
struct Row<'a> {
    fields: [Option<&'a [u8]>; 9],
}

impl<'a> Row<'a> {
    /// Reads the only row in `messages`.
    fn read(messages: &'a [u8]) -> Result<Self> {
        let (_, row) =
            Messages(messages).find(|(kind, _)| *kind == b'D').context("there is no such product")?;
        let mut fields = [None; 9];
        let mut rest = row.get(2..).context("a row")?;
        for field in &mut fields {
            let length = i32::from_be_bytes(*rest.first_chunk().context("a length")?);
            rest = &rest[4..];
            if let Ok(length) = usize::try_from(length) {
                let (value, others) = rest.split_at_checked(length).context("a value")?;
                (*field, rest) = (Some(value), others);
            }
        }
        Ok(Self { fields })
    }

    /// Writes the row as JSON inside a JSON string, as in responses to API Gateway: quotes have a backslash.
    fn write_json(&self, out: &mut Vec<u8>) -> Result<()> {
        let [
            Some(id),
            artisan_id,
            Some(name),
            Some(description),
            price,
            Some(currency),
            version,
            created,
            updated,
        ] = self.fields
        else {
            bail!("a column is null");
        };
        write_uuid(br#"{\"id\":"#, id, out)?;
        match artisan_id {
            Some(id) => write_uuid(br#",\"artisan_id\":"#, id, out)?,
            None => out.extend_from_slice(br#",\"artisan_id\":null"#),
        }
        write_text(br#",\"name\":"#, name, out)?;
        write_text(br#",\"description\":"#, description, out)?;
        write!(out, r#",\"price\":{}"#, integer(price)?)?;
        write_text(br#",\"currency\":"#, currency, out)?;
        write!(out, r#",\"version\":{}"#, integer(version)?)?;
        write_time(br#",\"created_at\":"#, integer(created)?, out)?;
        write_time(br#",\"updated_at\":"#, integer(updated)?, out)?;
        out.push(b'}');
        Ok(())
    }
}

fn integer(value: Option<&[u8]>) -> Result<i64> {
    Ok(i64::from_be_bytes(value.context("a column is null")?.try_into()?))
}

fn write_uuid(name: &[u8], value: &[u8], out: &mut Vec<u8>) -> Result<()> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    ensure!(value.len() == 16, "a UUID has 16 bytes");
    out.extend_from_slice(name);
    out.extend_from_slice(QUOTE);
    for (place, byte) in value.iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        out.extend([DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
    out.extend_from_slice(QUOTE);
    Ok(())
}

/// An escaped quote inside a JSON string.
const QUOTE: &[u8] = br#"\""#;

fn write_text(name: &[u8], value: &[u8], out: &mut Vec<u8>) -> Result<()> {
    out.extend_from_slice(name);
    out.extend_from_slice(QUOTE);
    let is_plain = |byte: &u8| !matches!(byte, b'"' | b'\\' | 0..0x20);
    if value.iter().all(is_plain) {
        out.extend_from_slice(value);
    } else {
        for &byte in value {
            match byte {
                b'"' => out.extend_from_slice(br#"\\\""#),
                b'\\' => out.extend_from_slice(br"\\\\"),
                0..0x20 => write!(out, "\\\\u{byte:04x}")?,
                _ => out.push(byte),
            }
        }
    }
    out.extend_from_slice(QUOTE);
    Ok(())
}

/// Writes the time `micros` microseconds after the beginning of 2000 in RFC 3339's format, without trailing zeros.
fn write_time(name: &[u8], micros: i64, out: &mut Vec<u8>) -> Result<()> {
    let (seconds, micros) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    out.extend_from_slice(name);
    out.extend_from_slice(QUOTE);
    write!(
        out,
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
        second / 3_600,
        second / 60 % 60,
        second % 60
    )?;
    if micros > 0 {
        write!(out, ".{micros:06}")?;
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
    out.push(b'Z');
    out.extend_from_slice(QUOTE);
    Ok(())
}

/// The date that is `days` after 2000-01-01, by Howard Hinnant's `civil_from_days`.
fn civil(days: i64) -> (i64, i64, i64) {
    // Days since 0000-03-01: years begin with March, so that the leap day is their last.
    let days = days + 730_425;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (year_of_era + era * 400 + next_year, month, day)
}

/// The bytes after the first occurrence of `text`.
fn after<'a>(bytes: &'a [u8], text: &[u8]) -> Option<&'a [u8]> {
    let found = memchr::memmem::find(bytes, text)?;
    Some(&bytes[found + text.len()..])
}

fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    let mut digits = text.get(..36)?.iter().filter(|byte| **byte != b'-');
    let mut id = [0; 16];
    for byte in &mut id {
        let mut digit = || char::from(*digits.next()?).to_digit(16);
        *byte = u8::try_from(digit()? << 4 | digit()?).ok()?;
    }
    Some(id)
}

/// A buffered connection.
struct Socket {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Socket {
    fn connect(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, input: vec![0; 64 * 1024] })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Reads until `is_whole` returns true, which usually takes one read.
    fn read(&mut self, is_whole: impl Fn(&[u8]) -> bool) -> Result<&[u8]> {
        let mut filled = 0;
        loop {
            let bytes = self.stream.read(&mut self.input[filled..])?;
            ensure!(bytes > 0, "the other end has closed the connection, or sends more than fits");
            filled += bytes;
            if is_whole(&self.input[..filled]) {
                return Ok(&self.input[..filled]);
            }
        }
    }

    /// Reads an HTTP message with a content length.
    fn read_http(&mut self) -> Result<&[u8]> {
        self.read(|bytes| {
            let length = after(bytes, b"Content-Length: ").map(|value| {
                let digits = value.iter().take_while(|byte| byte.is_ascii_digit());
                digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'))
            });
            after(bytes, b"\r\n\r\n").zip(length).is_some_and(|(body, length)| body.len() >= length)
        })
    }

    /// Sends messages to the server, and reads until it is ready for the next query.
    fn exchange(&mut self, messages: &[u8]) -> Result<&[u8]> {
        self.write(messages)?;
        self.read(|bytes| Messages(bytes).any(|(kind, _)| kind == b'Z'))
    }
}

/// Iterates over the complete messages of the server.
struct Messages<'a>(&'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::try_from(i32::from_be_bytes(*self.0.get(1..)?.first_chunk()?)).ok()?;
        let message = (self.0[0], self.0.get(5..1 + length)?);
        self.0 = &self.0[1 + length..];
        Some(message)
    }
}

/// Connects to the server at `url`, with SCRAM authentication.
fn connect(url: &str) -> Result<Socket> {
    let url = Url::parse(url)?;
    let password = url.password().context("a password")?;
    let host = url.host_str().context("a host")?;
    let mut socket = Socket::connect(&format!("{host}:{}", url.port().unwrap_or(5432)))?;
    let mut output = BytesMut::new();
    let parameters = [
        ("user", url.username()),
        ("database", url.path().trim_start_matches('/')),
        ("client_encoding", "UTF8"),
    ];
    frontend::startup_message(parameters, &mut output)?;
    let mut scram = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
    socket.write(&output)?;
    loop {
        let is_whole = |bytes: &[u8]| {
            Messages(bytes).any(|(kind, body)| kind == b'Z' || kind == b'R' && body.get(3) != Some(&12))
        };
        let answer = socket.read(is_whole)?;
        output.clear();
        for (kind, body) in Messages(answer) {
            match (kind, body.get(3)) {
                (b'R', Some(10)) => {
                    frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), &mut output)?;
                }
                (b'R', Some(11)) => {
                    scram.update(&body[4..])?;
                    frontend::sasl_response(scram.message(), &mut output)?;
                }
                (b'R', Some(12)) => scram.finish(&body[4..])?,
                (b'Z', _) => return Ok(socket),
                (b'E', _) => bail!("the server refuses: {}", String::from_utf8_lossy(body)),
                _ => {}
            }
        }
        socket.write(&output)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339_has_them() {
        for (micros, text) in [
            (0, "2000-01-01T00:00:00Z"),
            (5_097_600_000_000, "2000-02-29T00:00:00Z"),
            (-1, "1999-12-31T23:59:59.999999Z"),
            (836_612_345_678_900, "2026-07-06T00:19:05.6789Z"),
        ] {
            let mut out = Vec::new();
            write_time(b"", micros, &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), format!(r#"\"{text}\""#));
        }
    }

    #[test]
    fn a_row_becomes_json_with_what_needs_it_escaped() {
        let id = uuid(b"01936b5e-7c00-7000-8000-00000000000a\"").unwrap();
        let number = 7_i64.to_be_bytes();
        let fields = [
            Some(&id[..]),
            None,
            Some("備前焼 \"湯呑\"\\".as_bytes()),
            Some(b"a\nb"),
            Some(&number),
            Some(b"JPY"),
            Some(&number),
            Some(&[0; 8]),
            Some(&[0; 8]),
        ];
        let mut out = Vec::new();
        Row { fields }.write_json(&mut out).unwrap();
        // Unescaped as a member of the response, the text is unchanged.
        let answer = format!("\"{}\"", String::from_utf8(out).unwrap());
        let body: String = serde_json::from_str(&answer).unwrap();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&body).unwrap(),
            serde_json::json!({
                "id": "01936b5e-7c00-7000-8000-00000000000a",
                "artisan_id": null,
                "name": "備前焼 \"湯呑\"\\",
                "description": "a\nb",
                "price": 7,
                "currency": "JPY",
                "version": 7,
                "created_at": "2000-01-01T00:00:00Z",
                "updated_at": "2000-01-01T00:00:00Z",
            })
        );
    }
}
