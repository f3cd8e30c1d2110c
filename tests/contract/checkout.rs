//! A checkout that was moved or copied, with what was built in it, works on itself and on no other.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Stdio,
    time::Duration,
};

use harness::{Client, block_on};
use http::Method;
use local::stack::{checkout, programs};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// Far more than the start or end of a built environment takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// `cargo xtask dev` in a checkout.
struct Dev {
    process: Child,
    client: Client,
}

impl Dev {
    /// Starts it with the programs of this checkout: as in a copy that has kept the times of its files, cargo finds
    /// nothing to build.
    async fn start(checkout: &Path, options: &[&str]) -> Self {
        let port = local::postgres::free_port().expect("a port").to_string();
        let target = programs().expect("the binaries");
        let mut cargo = Command::new("cargo");
        cargo.args(["xtask", "dev", "--auth", "none", "--empty", "--port", &port]).args(options);
        cargo.current_dir(checkout).env("CARGO_TARGET_DIR", target.parent().expect("the target folder"));
        for name in ["CARGO_MANIFEST_DIR", "DATABASE_URL", "CACHE_URL"] {
            cargo.env_remove(name);
        }
        cargo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut process = cargo.spawn().expect("cargo runs");
        let mut progress = BufReader::new(process.stderr.take().expect("a pipe")).lines();
        let progress = tokio::spawn(async move {
            let mut seen = Vec::new();
            while let Ok(Some(line)) = progress.next_line().await {
                seen.push(line);
            }
            seen
        });
        let url = format!("http://127.0.0.1:{port}");
        let mut lines = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let is_serving = timeout(PATIENCE, async {
            while let Ok(Some(line)) = lines.next_line().await {
                if line.contains(&url) {
                    return true;
                }
            }
            false
        });
        if !is_serving.await.expect("it serves in time") {
            panic!("it does not serve: {:#?}", progress.await);
        }
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { process, client: Client::new(url) }
    }

    async fn names(&self) -> Vec<String> {
        let list = self.client.get("/v1/products").await.expect(200).json();
        let items = list["items"].as_array().expect("items");
        items.iter().map(|item| item["name"].as_str().expect("a name").to_owned()).collect()
    }

    async fn create(&self, name: &str) {
        self.client.post("/v1/products", &json!({"name": name, "price": 1})).await.expect(201);
    }

    async fn stop(mut self) {
        // cargo and xtask have become the local environment.
        let pid = self.process.id().expect("a process id").to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().await.expect("it is told").success());
        let status = timeout(PATIENCE, self.process.wait()).await.expect("it ends").expect("a status");
        assert!(status.success(), "{status}");
    }
}

async fn run(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output().await.expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Copies this checkout's files to `copy`, with their times.
async fn copy_files(copy: &Path) {
    let git = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let files = run(Command::new("git").args(git).current_dir(checkout())).await;
    fs::create_dir_all(copy.join(".local")).expect("a folder");
    let mut cp = Command::new("cp");
    cp.args(["-a", "--parents", "--"]).current_dir(checkout());
    for file in files.split(|byte| *byte == 0).filter(|file| !file.is_empty()) {
        let file = str::from_utf8(file).expect("a name in UTF-8");
        if checkout().join(file).exists() {
            cp.arg(file);
        }
    }
    run(cp.arg(copy)).await;
    symlink(checkout().join(".local/tools"), copy.join(".local/tools")).expect("a link");
}

#[test]
fn a_copy_and_a_moved_checkout_have_data_of_their_own() {
    block_on(async {
        let parent = tempfile::tempdir().expect("a folder");
        fs::set_permissions(parent.path(), Permissions::from_mode(0o755)).expect("open to other accounts");
        let [original, copy, moved] = ["original", "copy", "moved"].map(|name| parent.path().join(name));
        copy_files(&original).await;

        let dev = Dev::start(&original, &[]).await;
        dev.create("of the original").await;
        dev.stop().await;

        run(Command::new("cp").arg("-a").args([&original, &copy])).await;
        let dev = Dev::start(&copy, &["--fresh"]).await;
        assert!(dev.names().await.is_empty());
        dev.create("of the copy").await;
        dev.stop().await;

        fs::rename(&original, &moved).expect("it moves");
        let dev = Dev::start(&moved, &[]).await;
        assert_eq!(dev.names().await, ["of the original"]);
        dev.client.send(Method::GET, "/health", &[], "").await.expect(200);
        dev.stop().await;

        let dev = Dev::start(&copy, &[]).await;
        assert_eq!(dev.names().await, ["of the copy"]);
        dev.stop().await;
        assert!(!original.exists(), "something works on the path where the programs were first run");
    });
}
