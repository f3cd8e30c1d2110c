//! Tests the verifier with the published test suite of Signature Version 4, which the package of the `aws-sigv4` crate
//! contains.
//!
//! Skipped: the cases without path normalisation, which only S3 has, and the one with a header over several lines,
//! which is obsolete in HTTP (RFC 9112, section 5.2) and to which the gateway responds with 400.

use std::{fs, path::PathBuf, process::Command};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::*;

struct File {
    method: String,
    path: String,
    query: String,
    headers: HeaderMap,
    body: String,
}

impl File {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let mut lines = head.lines();
        let (method, rest) = lines.next().unwrap().split_once(' ').unwrap();
        let target = rest.strip_suffix(" HTTP/1.1").unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = HeaderMap::new();
        for (name, value) in lines.map(|line| line.split_once(':').unwrap()) {
            // Trimmed, as by an HTTP server.
            headers.append(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value.trim()).unwrap());
        }
        let text = |text: &str| text.to_owned();
        Self { method: text(method), path: text(path), query: text(query), headers, body: text(body) }
    }

    fn sent(&self) -> SentRequest<'_> {
        SentRequest { method: &self.method, path: &self.path, query: &self.query, headers: &self.headers }
    }

    fn signed<'a>(&'a self, context: &'a Value) -> SignedRequest<'a> {
        SignedRequest {
            sent: self.sent(),
            body: self.body.as_bytes(),
            now: context["timestamp"].as_str().unwrap().parse().unwrap(),
            region: context["region"].as_str().unwrap(),
            service: context["service"].as_str().unwrap(),
        }
    }
}

/// The folder of the suite, in the package's folder.
fn suite() -> PathBuf {
    let version = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    // For this platform only: a build has not fetched the packages of others.
    let metadata = Command::new(std::env::var_os("CARGO").unwrap())
        .args(["metadata", "--format-version", "1", "--offline", "--filter-platform", host])
        .args(["--manifest-path", "Cargo.toml"])
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&metadata.stdout).expect("cargo metadata");
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "aws-sigv4").unwrap();
    let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap());
    manifest.with_file_name("aws-signing-test-suite").join("v4")
}

fn iam(context: &Value) -> Iam {
    let text = |name: &str| context["credentials"][name].as_str().map(str::to_owned);
    Iam::new(vec![Principal {
        arn: "arn:aws:iam::000000000000:user/suite".to_owned(),
        access_key_id: text("access_key_id").unwrap(),
        secret_access_key: text("secret_access_key").unwrap(),
        session_token: text("token"),
        allow: vec!["*".to_owned()],
    }])
}

#[test]
fn accepts_the_signed_requests_of_the_published_suite() {
    let mut accepted = 0;
    for case in fs::read_dir(suite()).unwrap() {
        let folder = case.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let Ok(context) = fs::read_to_string(folder.join("context.json")) else { continue };
        let context: Value = serde_json::from_str(&context).unwrap();
        if context["normalize"] == false || name == "get-header-value-multiline" {
            continue;
        }
        let iam = iam(&context);
        for form in ["header", "query"] {
            let read = |what: &str| fs::read_to_string(folder.join(format!("{form}-{what}.txt"))).unwrap();
            let mut file = File::parse(&read("signed-request"));
            if name == "get-space-normalized" {
                // The suite sends a literal space here, which the package has encoded for the crate's parser.
                file.path = file.path.replace("%20", " ");
            }
            let presented = PresentedCredentials::read(&file.sent()).unwrap();
            let result = iam.authenticate(&file.signed(&context));
            if context["omit_session_token"] == true {
                // The suite adds the token after signing, which execute-api does not: here it must be signed.
                assert!(result.is_err(), "{name}, {form}");
                continue;
            }
            let hash = hex_sha256(file.body.as_bytes());
            let canonical = file.sent().canonical(&presented.signed_headers, presented.is_presigned, &hash);
            assert_eq!(String::from_utf8(canonical.clone()).unwrap(), read("canonical-request"), "{name}");
            let signed_at = in_basic_format(presented.signed_at);
            let string_to_sign = string_to_sign(&signed_at, &presented.scope(), &canonical);
            assert_eq!(string_to_sign, read("string-to-sign"), "{name}");
            assert_eq!(presented.signature, read("signature"), "{name}");
            assert!(result.is_ok(), "{name}, {form}: {:?}", result.err());
            accepted += 1;
        }
    }
    assert_eq!(accepted, 58, "accepted requests of the suite");
}

/// Two more cases are the crate's own. They have no key, so they cover only the canonical form.
#[test]
fn canonicalises_encoded_paths_as_the_published_cases_do() {
    for case in ["double-encode-path", "double-url-encode"] {
        let read = |name: &str| fs::read_to_string(suite().join(case).join(name)).unwrap();
        let mut file = File::parse(&read("request.txt"));
        file.headers.insert("x-amz-date", HeaderValue::from_static("20210511T154045Z"));
        let canonical = file.sent().canonical("host;x-amz-date", false, &hex_sha256(b""));
        assert_eq!(String::from_utf8(canonical).unwrap(), read("header-canonical-request.txt"), "{case}");
    }
}
