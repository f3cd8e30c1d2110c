//! A moved or copied checkout, with its build, works on its own files and not on the original's.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use harness::{Client, block_on, service};
use http::Method;
use local::stack::{checkout, programs};
use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    sync::mpsc,
    time::timeout,
};

/// Far more than the start or end of the local environment takes once it is built.
const PATIENCE: Duration = Duration::from_secs(600);

/// `cargo xtask dev` in a checkout.
struct Dev {
    process: Child,
    client: Client,
    /// Its output on standard error, without the functions' log.
    progress: mpsc::UnboundedReceiver<String>,
}

impl Dev {
    /// Starts it with a target folder and additional variables.
    async fn start(checkout: &Path, target: &Path, variables: &[(&str, &str)], options: &[&str]) -> Self {
        let port = local::postgres::free_port().expect("a port").to_string();
        let mut cargo = Command::new("cargo");
        cargo.args(["xtask", "dev", "--auth", "none", "--empty", "--port", &port]).args(options);
        for name in ["CARGO_MANIFEST_DIR", "DATABASE_URL", "CACHE_URL"] {
            cargo.env_remove(name);
        }
        cargo.current_dir(checkout).env("CARGO_TARGET_DIR", target).envs(variables.iter().copied());
        cargo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut process = cargo.spawn().expect("cargo runs");
        let mut dev = Self {
            progress: lines(process.stderr.take().expect("a pipe")),
            client: Client::new(format!("http://127.0.0.1:{port}")),
            process,
        };
        let mut output = lines(dev.process.stdout.take().expect("a pipe"));
        let is_serving = timeout(PATIENCE, async {
            while let Some(line) = output.recv().await {
                if line.contains(dev.client.url()) {
                    return true;
                }
            }
            false
        });
        if !matches!(is_serving.await, Ok(true)) {
            dev.progress.close();
            let mut seen = Vec::new();
            while let Some(line) = dev.progress.recv().await {
                seen.push(line);
            }
            panic!("it does not start:\n{}", seen.join("\n"));
        }
        dev
    }

    /// Waits until it writes a line that contains `text`, and returns the output up to that line.
    async fn said(&mut self, text: &str) -> String {
        let mut seen = String::new();
        let said = timeout(PATIENCE, async {
            while let Some(line) = self.progress.recv().await {
                seen.push_str(&line);
                seen.push('\n');
                if line.contains(text) {
                    return true;
                }
            }
            false
        });
        assert!(matches!(said.await, Ok(true)), "no line with {text:?} in {seen}");
        seen
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
        // cargo and xtask have replaced themselves by the local environment.
        let pid = self.process.id().expect("a process id").to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().await.expect("a signal").success());
        let status = timeout(PATIENCE, self.process.wait()).await.expect("it ends").expect("a status");
        assert!(status.success(), "{status}");
    }
}

/// The lines of a stream, which is read even if the receiver does not keep up.
fn lines(stream: impl AsyncRead + Unpin + Send + 'static) -> mpsc::UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let _ = sender.send(line);
        }
    });
    receiver
}

/// Runs a command, which must succeed, and returns its standard output.
pub(crate) async fn run(command: &mut Command) -> Vec<u8> {
    let output = command.stdin(Stdio::null()).output().await.expect("it runs");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stderr), text(&output.stdout));
    output.stdout
}

/// Copies this checkout's files to `copy`, with their modification times.
pub(crate) async fn copy_files(copy: &Path) {
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

/// A target folder with hard links to everything that this checkout has built. As in a checkout that was copied with
/// its modification times, cargo finds nothing to build. Files that cargo modifies in place are copied.
pub(crate) async fn copy_built() -> TempDir {
    let profile = programs().expect("the binaries");
    let target = profile.parent().expect("the target folder");
    let copy = tempfile::tempdir_in(target).expect("a folder");
    let copied = copy.path().join(profile.file_name().expect("a profile"));
    run(Command::new("cp").args(["-a", "--link"]).args([&profile, &copied])).await;
    for folder in [".fingerprint", "build"] {
        fs::remove_dir_all(copied.join(folder)).expect("it goes");
        run(Command::new("cp").arg("-a").args([&profile.join(folder), &copied.join(folder)])).await;
    }
    let _ = fs::remove_dir_all(copied.join("incremental"));
    copy
}

/// A copy of the checkout in a git repository, and its target folder.
pub(crate) struct Copy {
    pub(crate) checkout: PathBuf,
    pub(crate) target: PathBuf,
}

impl Copy {
    pub(crate) async fn of_this(built: &Path) -> Self {
        let copy = Self { checkout: built.join("checkout"), target: built.to_owned() };
        copy_files(&copy.checkout).await;
        copy.git(&["init", "--quiet", "--initial-branch", "main"]).await;
        copy
    }

    pub(crate) async fn git(&self, arguments: &[&str]) -> String {
        let output = run(self.command("git").args(arguments)).await;
        String::from_utf8(output).expect("text")
    }

    /// A command that runs in the copy, with separate git settings.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.checkout).env("CARGO_TARGET_DIR", &self.target);
        command.env_remove("CARGO_MANIFEST_DIR").env("GIT_CONFIG_GLOBAL", "/dev/null");
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), "test")
                .env(format!("GIT_{role}_EMAIL"), "test@localhost");
        }
        command
    }

    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = self.command("cargo");
        cargo.args(arguments);
        cargo
    }

    /// Commits all files, and returns the id of the tree.
    pub(crate) async fn commit(&self) -> String {
        self.git(&["add", "--all"]).await;
        self.git(&["commit", "--quiet", "--message", "Commit everything"]).await;
        self.git(&["rev-parse", "HEAD^{tree}"]).await
    }
}

#[test]
fn a_copy_and_a_moved_checkout_have_data_of_their_own() {
    block_on(async {
        let parent = tempfile::tempdir().expect("a folder");
        fs::set_permissions(parent.path(), Permissions::from_mode(0o755)).expect("open to other accounts");
        let [original, copy, moved] = ["original", "copy", "moved"].map(|name| parent.path().join(name));
        copy_files(&original).await;
        let built = copy_built().await;
        let start = async |checkout, options| Dev::start(checkout, built.path(), &[], options).await;

        let dev = start(&original, &[]).await;
        dev.create("of the original").await;
        dev.stop().await;

        run(Command::new("cp").arg("-a").args([&original, &copy])).await;
        let dev = start(&copy, &["--fresh"]).await;
        assert!(dev.names().await.is_empty());
        dev.create("of the copy").await;
        dev.stop().await;

        fs::rename(&original, &moved).expect("it moves");
        let dev = start(&moved, &[]).await;
        assert_eq!(dev.names().await, ["of the original"]);
        dev.client.send(Method::GET, "/health", &[], "").await.expect(200);
        dev.stop().await;

        let dev = start(&copy, &[]).await;
        assert_eq!(dev.names().await, ["of the copy"]);
        dev.stop().await;
        assert!(!original.exists(), "something still uses the original path");
    });
}

/// The `Cache-Control` of the edited function's response.
async fn caching(dev: &Dev) -> String {
    dev.client.get("/health").await.expect(200).header("cache-control").to_owned()
}

#[test]
fn a_saved_file_serves_the_next_request_and_a_mistake_leaves_the_function_as_it_was() {
    service(async |service| {
        let built = copy_built().await;
        let checkout = built.path().join("checkout");
        copy_files(&checkout).await;

        let url = service.database_url();
        let mut dev = Dev::start(&checkout, built.path(), &[("DATABASE_URL", &url)], &["--watch"]).await;
        dev.said("watching").await;
        assert_eq!(caching(&dev).await, "no-store");
        let file = checkout.join("functions/get-health/src/lib.rs");
        let source = fs::read_to_string(&file).expect("the function");
        let edited = source.replace("\"no-store\"", "\"no-store, private\"");
        assert_ne!(edited, source);

        fs::write(&file, &edited).expect("it is saved");
        let said = dev.said("built in").await;
        assert!(said.trim_end().ends_with(" s: get-health"), "{said}");
        assert_eq!(caching(&dev).await, "no-store, private");

        fs::write(&file, edited.replace("cache.ping()", "cache.ping(")).expect("it is saved");
        let said = dev.said("the build failed").await;
        assert!(
            said.contains("functions/get-health/src/lib.rs"),
            "the compiler's messages are not shown: {said}"
        );
        assert_eq!(caching(&dev).await, "no-store, private");

        fs::write(&file, &source).expect("it is saved");
        dev.said("built in").await;
        assert_eq!(caching(&dev).await, "no-store");
        dev.stop().await;
    });
}
