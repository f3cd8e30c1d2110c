//! The format of `requests.http`.

use anyhow::{Context, Result, ensure};
use http::Method;
use percent_encoding::{CONTROLS, utf8_percent_encode};

use super::Sample;

/// Starts a request, and ends the previous one.
const SEPARATOR: &str = "###";
/// Starts the comment with the expected status.
const STATUS: &str = "# @status ";
/// The default `Accept` header of a request.
const ACCEPT: (&str, &str) = ("Accept", "application/json");

/// Parses the requests of a file.
pub(super) fn read(text: &str) -> Result<Vec<Sample>> {
    let mut blocks: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in text.lines() {
        match (line.strip_prefix(SEPARATOR), blocks.last_mut()) {
            (Some(name), _) => blocks.push((name.trim(), Vec::new())),
            (None, Some((_, lines))) => lines.push(line),
            (None, None) => {
                ensure!(
                    line.trim().is_empty() || is_comment(line),
                    "{line:?} is before the first {SEPARATOR}"
                );
            }
        }
    }
    blocks.into_iter().map(|(name, lines)| request(name, &lines).with_context(|| name.to_owned())).collect()
}

fn is_comment(line: &str) -> bool {
    line.starts_with('#') || line.starts_with("//")
}

fn request(name: &str, lines: &[&str]) -> Result<Sample> {
    let is_name =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    ensure!(
        !name.is_empty() && name.bytes().all(is_name),
        "a request needs a name such as create-product.invalid"
    );
    let start = lines.iter().position(|line| !line.trim().is_empty() && !is_comment(line));
    let (comments, request) = lines.split_at(start.context("there is no request")?);
    let status = comments.iter().find_map(|line| line.strip_prefix(STATUS));
    let status = status.with_context(|| format!("there is no line such as `{STATUS}200`"))?;
    let status = status.trim().parse().ok().filter(|status| (200..600).contains(status));

    let end = request.iter().position(|line| line.trim().is_empty()).unwrap_or(request.len());
    let (head, body) = request.split_at(end);
    let (line, headers) = head.split_first().context("there is no request")?;
    let mut words = line.split_whitespace();
    let method = words.next().unwrap_or_default();
    let target = words.next().unwrap_or_default();
    ensure!(target.starts_with('/'), "{line:?} is not a method and a path");
    let headers = headers.iter().filter(|line| !is_comment(line)).map(|line| header(line));
    let mut headers = headers.collect::<Result<Vec<_>>>()?;
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(ACCEPT.0)) {
        headers.push((ACCEPT.0.to_owned(), ACCEPT.1.to_owned()));
    }
    let body = body.join("\n");
    Ok(Sample {
        name: name.to_owned(),
        status: status.context("the status is not a number from 200 to 599")?,
        method: Method::from_bytes(method.as_bytes()).with_context(|| format!("{line:?} has no method"))?,
        target: utf8_percent_encode(target, CONTROLS).to_string(),
        headers,
        body: Some(body.trim().to_owned()).filter(|body| !body.is_empty()),
    })
}

fn header(line: &str) -> Result<(String, String)> {
    let (name, value) = line.split_once(':').with_context(|| format!("{line:?} is not a header"))?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_requests_with_their_comments_headers_and_bodies() {
        let text = "# What follows is sent.\n\n### get-product\n# @status 304\n# Unchanged.\n\nGET /v1/products/1?a=備 HTTP/1.1\n\
                    If-None-Match: \"a:b\"\n// Not sent\nX-Two: 1\nX-Two: 2\n\n### get-product.two\n// @no\n# @status 200\n\
                    POST /v1/products\naccept: text/html\n\n\n{\n  \"a\": \"#\",\n\n  \"b\": 1\n}\n\n";
        let [one, two] = read(text).unwrap().try_into().unwrap();
        assert_eq!(
            one,
            Sample {
                name: "get-product".to_owned(),
                status: 304,
                method: Method::GET,
                target: "/v1/products/1?a=%E5%82%99".to_owned(),
                headers: [("If-None-Match", "\"a:b\""), ("X-Two", "1"), ("X-Two", "2"), ACCEPT]
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .to_vec(),
                body: None,
            }
        );
        assert_eq!((two.operation(), two.name.as_str(), two.status), ("get-product", "get-product.two", 200));
        assert_eq!(two.headers, [("accept".to_owned(), "text/html".to_owned())]);
        assert_eq!(two.body.unwrap(), "{\n  \"a\": \"#\",\n\n  \"b\": 1\n}");
    }

    #[test]
    fn refuses_what_is_not_a_request() {
        for (text, reason) in [
            ("GET /\n", "\"GET /\" is before the first ###"),
            ("###\n# @status 200\nGET /", "a request needs a name"),
            ("### a b\n# @status 200\nGET /", "a request needs a name"),
            ("### a\n# @status 200\n", "there is no request"),
            ("### a\nGET /", "there is no line such as `# @status 200`"),
            ("### a\n# @status ok\nGET /", "the status is not a number"),
            ("### a\n# @status 99\nGET /", "the status is not a number"),
            ("### a\n# @status 200\nGET", "is not a method and a path"),
            ("### a\n# @status 200\nGET https://a.example/", "is not a method and a path"),
            ("### a\n# @status 200\nG;T /", "has no method"),
            ("### a\n# @status 200\nGET /\nAccept", "\"Accept\" is not a header"),
        ] {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(error.contains(reason), "{text:?}: {error}");
        }
    }
}
