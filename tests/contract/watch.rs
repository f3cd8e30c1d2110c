//! `cargo lambda watch` with the file that the local environment writes for it: every route of the register responds.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Stdio, time::Duration};

use harness::{Client, service};
use local::stack::{programs, write_watch_environment};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::timeout,
};

use crate::{
    deploy::deployer,
    events::{SAMPLES, again, send},
};

/// Far more than the start takes.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Writes a program named cargo that runs the existing binaries, so that nothing is compiled again with other features.
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
    service(async |service| {
        let folder = tempfile::tempdir().expect("a folder");
        write_cargo(folder.path());
        let environment = folder.path().join("env");
        write_watch_environment(&environment, &service.database_url()).await.expect("the file");

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
        for sample in SAMPLES.iter() {
            again(service).await;
            let answer = send(&client, sample, sample.method.clone(), &[]).await;
            assert_eq!(answer.status.as_u16(), sample.status, "{}", sample.name);
        }
        let pid = watch.id().expect("a process id").to_string();
        let mut interrupt = tokio::process::Command::new("kill");
        assert!(interrupt.args(["-INT", &pid]).status().await.expect("a signal").success());
        timeout(READY_WITHIN, watch.wait()).await.expect("it ends").expect("it is waited for");
    });
}
