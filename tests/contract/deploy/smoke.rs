//! The smoke test that `cargo xtask deploy` runs last, with an API on this machine.

use std::{net::Ipv4Addr, process::Stdio};

use harness::{Setup, block_on, service, service_with};
use local::{
    gateway::{
        self, Auth,
        iam::{Iam, Principal},
    },
    lambda::REGION,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{deployer, said};

#[test]
fn the_smoke_test_passes_an_api_that_works() {
    let auth = Auth::Iam(Iam::new(Principal::defaults()));
    let setup =
        Setup { gateway: gateway::Options { auth, ..gateway::Options::default() }, ..Setup::default() };
    service_with(setup, async |service| {
        let admin = Principal::defaults().pop().expect("an admin");
        let url = service.client().url();
        let mut smoke = deployer("python");
        smoke.args(["tests/deploy/smoke.py", "--url", url]).env("AWS_REGION", REGION);
        smoke
            .env("AWS_ACCESS_KEY_ID", &admin.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", &admin.secret_access_key);
        let said = said(&mut smoke).await;
        assert!(said.contains("ok GET /v1/products (not signed): 403\n"), "{said}");
        assert!(said.ends_with(&format!("\n{url}\n")), "{said}");
        assert_eq!(service.count_products().await, 0, "it leaves nothing behind");
    });
}

#[test]
fn the_smoke_test_fails_an_api_that_is_open() {
    service(async |service| {
        let mut smoke = deployer("python");
        smoke.args(["tests/deploy/smoke.py", "--url", service.client().url()]);
        let output = smoke.output().await.expect("it runs");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success());
        assert!(complaint.contains("FAILED GET /v1/products (not signed): 200, not 403"), "{complaint}");
    });
}

/// Firewalls often refuse requests without a User-Agent.
#[test]
fn every_request_of_the_smoke_test_names_it() {
    block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let mut smoke = deployer("python");
        smoke.args(["tests/deploy/smoke.py", "--url", &url, "--auth", "none"]);
        let mut smoke = smoke.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        let (mut client, _) = listener.accept().await.expect("a request");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            assert_ne!(client.read_buf(&mut head).await.expect("a request"), 0, "it ends");
        }
        let head = String::from_utf8(head).expect("text");
        assert!(head.contains("\r\nUser-Agent: smoke-test/1\r\n"), "{head}");
        client.write_all(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n").await.expect("it listens");
        assert!(!smoke.wait().await.expect("it ends").success());
    });
}
