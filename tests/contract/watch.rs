//! `cargo lambda watch` with the file that the local environment writes for it: every route of the register answers.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Stdio, time::Duration};

use harness::{Client, atelier};
use http::Method;
use local::stack::{checkout, programs, write_watch_environment};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::timeout,
};

use crate::{
    deploy::deployer,
    events::{SAMPLES, again},
};

/// Far more than it takes to start.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A sample event, and the status of its answer.
struct Sample {
    event: Value,
    status: u16,
}

impl Sample {
    fn all() -> Vec<Self> {
        let read = |name: &str| fs::read(checkout().join(format!("events/{name}.json"))).expect("an event");
        let sample = |(name, status): &(&str, u16)| Self {
            event: serde_json::from_slice(&read(name)).expect("JSON"),
            status: *status,
        };
        SAMPLES.iter().map(sample).collect()
    }

    /// The request that API Gateway has made this event of, sent with `method`.
    async fn send(&self, client: &Client, method: Method) -> u16 {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut path = text(&self.event["path"]);
        let query = self.event["queryStringParameters"].as_object().into_iter().flatten();
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(query.map(|(name, value)| (name, text(value))))
            .finish();
        if !query.is_empty() {
            path = format!("{path}?{query}");
        }
        let of_the_gateway =
            ["host", "x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"];
        let headers: Vec<_> = self.event["headers"]
            .as_object()
            .expect("headers")
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), text(value)))
            .filter(|(name, _)| !of_the_gateway.contains(&name.as_str()))
            .collect();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        client.send(method, &path, &headers, text(&self.event["body"])).await.status.as_u16()
    }
}

/// A program named cargo that runs what has been built, so that nothing is compiled again with other features.
fn write_cargo(folder: &Path) {
    let programs = programs().expect("the binaries");
    let cargo = std::env::var("CARGO").expect("cargo runs the tests");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = run ] || exec '{cargo}' \"$@\"\nwhile [ \"$1\" != --bin ]; do shift; done\nexec '{}'/\"$2\"\n",
        programs.display()
    );
    let file = folder.join("cargo");
    fs::write(&file, script).expect("a script");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it may be run");
}

#[test]
fn every_route_answers() {
    atelier(async |atelier| {
        let folder = tempfile::tempdir().expect("a folder");
        write_cargo(folder.path());
        let environment = folder.path().join("env");
        write_watch_environment(&environment, &atelier.database_url()).await.expect("the file");

        let mut watch = deployer("cargo-lambda");
        let path = watch.as_std().get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, path)| path);
        let path = format!("{}:{}", folder.path().display(), path.expect("a PATH").display());
        let port = local::postgres::free_port().expect("a port");
        watch.env("PATH", path).args(["lambda", "watch", "--ignore-changes", "-A", "127.0.0.1", "-P"]);
        watch.arg(port.to_string()).arg("--env-file").arg(&environment);
        let mut watch = watch.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("it starts");
        let mut lines = BufReader::new(watch.stdout.take().expect("a pipe")).lines();
        let ready = async {
            while let Ok(Some(line)) = lines.next_line().await {
                if line.contains("starting Runtime server") {
                    return;
                }
            }
            panic!("cargo lambda watch ends");
        };
        timeout(READY_WITHIN, ready).await.expect("it starts in time");
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });

        let client = Client::new(format!("http://127.0.0.1:{port}"));
        let samples = Sample::all();
        for route in api::OPERATIONS.iter().flat_map(|operation| operation.routes) {
            let sample_method = if route.method == Method::HEAD { "GET" } else { route.method.as_str() };
            let mut samples = samples
                .iter()
                .filter(|it| it.event["resource"] == route.path && it.event["httpMethod"] == sample_method)
                .peekable();
            assert!(samples.peek().is_some(), "no sample of {} {}", route.method, route.path);
            for sample in samples {
                again(atelier).await;
                let status = sample.send(&client, route.method.clone()).await;
                assert_eq!(
                    status, sample.status,
                    "{} {}: {}",
                    route.method, route.path, sample.event["path"]
                );
            }
        }
        let pid = watch.id().expect("a process id").to_string();
        let mut interrupt = tokio::process::Command::new("kill");
        assert!(interrupt.args(["-INT", &pid]).status().await.expect("it is told").success());
        timeout(READY_WITHIN, watch.wait()).await.expect("it ends").expect("it is waited for");
    });
}
