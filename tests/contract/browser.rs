//! CORS in a real browser: pages of an allowed and of a refused origin call the API.

use std::{
    path::Path,
    sync::{Arc, Mutex},
};

use harness::{Service, Setup, service_with};
use local::{
    gateway::{self, AccessLine},
    stack::checkout,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    process::Command,
};

/// A server with an empty page; its URL is a separate origin.
struct Site {
    listener: TcpListener,
}

impl Site {
    async fn new() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.expect("a free port") }
    }

    fn origin(&self) -> String {
        format!("http://{}", self.listener.local_addr().expect("an address"))
    }

    async fn serve(&self) {
        loop {
            let Ok((stream, _)) = self.listener.accept().await else { continue };
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                while stream.read_line(&mut line).await.is_ok_and(|bytes| bytes > 2) {
                    line.clear();
                }
                let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\
                            Connection: close\r\n\r\n<!doctype html>";
                let _ = stream.write_all(page.as_bytes()).await;
            });
        }
    }

    /// Makes the page at this site call the API, and returns the responses that the page can read.
    async fn call(&self, service: &Service) -> Value {
        let script = checkout().join("tests/browser/cross-origin.mjs");
        let mut node = Command::new("node");
        node.arg(Path::new(&script)).args([&self.origin(), service.client().url()]).kill_on_drop(true);
        let output = tokio::select! {
            output = node.output() => output.expect("Node.js, which the browser tests need, runs"),
            () = self.serve() => unreachable!("the site serves until it is dropped"),
        };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON from the browser")
    }
}

/// An API that allows only `site`, and the requests that its gateway receives.
fn api_for(site: &Site) -> (Setup, Arc<Mutex<Vec<AccessLine>>>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&lines);
    let gateway = gateway::Options {
        allowed_origins: site.origin().parse().expect("an origin"),
        allowed_headers: "X-Store".parse().expect("a header"),
        access_log: Some(Arc::new(move |line| log.lock().expect("no panic").push(line))),
        ..gateway::Options::default()
    };
    (Setup { gateway, ..Setup::default() }, lines)
}

#[test]
fn a_page_of_an_allowed_origin_creates_a_product_and_reads_the_answer() {
    let site = harness::block_on(Site::new());
    let (setup, lines) = api_for(&site);
    service_with(setup, async |service| {
        let given = site.call(service).await;

        let created = &given["created"];
        assert_eq!(created["status"], 201, "{given:#}");
        assert_eq!(created["headers"]["x-correlation-id"], "page-1");
        assert!(created["headers"]["x-amzn-requestid"].is_string(), "{created:#}");
        assert_eq!(service.count_products().await, 1);
        let methods: Vec<_> =
            lines.lock().expect("no panic").iter().take(2).map(|line| line.method.clone()).collect();
        assert_eq!(methods, ["OPTIONS", "POST"], "the browser sent a preflight request");

        // The page can read all headers of the contract.
        let location = created["headers"]["location"].as_str().expect("a location");
        let answer = service.client().get(location).await.expect(200);
        assert_eq!(given["found"]["body"], answer.body);
        for name in ["content-type", "cache-control", "etag", "last-modified"] {
            let seen = given["found"]["headers"][name].as_str().unwrap_or_default();
            assert_eq!(seen, answer.header(name), "{name}");
        }

        let added = given["added"].as_object().expect("headers");
        assert!(added.len() >= 14 && added.values().all(|status| *status == 200), "{added:#?}");

        assert_eq!(given["invalid"]["status"], 422, "{given:#}");
        assert_eq!(given["unknown"]["status"], 403, "the page can read the gateway's errors, too: {given:#}");
        assert_eq!(given["unknown"]["headers"]["x-amzn-errortype"], "MissingAuthenticationTokenException");
        assert_eq!(given["forbidden_header"]["error"], "TypeError", "{given:#}");
        assert_eq!(given["forbidden_method"]["error"], "TypeError", "{given:#}");
    });
}

#[test]
fn a_page_of_another_origin_gets_and_does_nothing() {
    let (allowed, other) = harness::block_on(async { (Site::new().await, Site::new().await) });
    let (setup, lines) = api_for(&allowed);
    service_with(setup, async |service| {
        let given = other.call(service).await;
        for (what, outcome) in given.as_object().expect("outcomes") {
            if what == "added" {
                let statuses = outcome.as_object().expect("headers").values();
                assert!(statuses.into_iter().all(|status| status == "refused"), "{outcome:#}");
            } else {
                assert_eq!(outcome["error"], "TypeError", "{what}: {given:#}");
            }
        }
        assert_eq!(service.count_products().await, 0, "the browser did not even send it");
        let lines = lines.lock().expect("no panic");
        assert!(lines.iter().all(|line| line.method != "POST"), "{lines:?}");
    });
}
