//! Third-party clients. `cargo xtask test` installs those for Python and Node.js.

use std::process::{Output, Stdio};

use local::stack::checkout;
use serde_json::Value;
use tokio::{io::AsyncWriteExt, process::Command};

/// Sends requests that botocore signs. Returns the responses in the same order.
///
/// # Panics
/// When the packages are not installed, or a request gets no response.
pub async fn botocore(requests: &[Value]) -> Vec<Value> {
    let script = checkout().join("tests/clients/botocore_client.py");
    let lines: String = requests.iter().map(|request| format!("{request}\n")).collect();
    let output = run(python().arg(script), &lines).await;
    let answers = String::from_utf8(output.stdout).expect("answers in UTF-8");
    let answers: Vec<_> =
        answers.lines().map(|line| serde_json::from_str(line).expect("answers in JSON")).collect();
    assert_eq!(answers.len(), requests.len(), "answers");
    answers
}

/// Runs `awscurl` and returns its output.
///
/// # Panics
/// When the packages are not installed, or it fails.
pub async fn awscurl(arguments: &[&str]) -> String {
    // Run as a module, since the length of the path in a script's first line is limited.
    let main = "import sys; from awscurl.awscurl import main; sys.exit(main())";
    let output = run(python().args(["-c", main]).args(arguments), "").await;
    String::from_utf8(output.stdout).expect("an answer in UTF-8")
}

/// Runs `curl` and returns its output.
///
/// # Panics
/// When it is not installed, is older than 7.75, or fails.
pub async fn curl(arguments: &[&str]) -> String {
    let output = run(Command::new("curl").args(["-sS", "-q"]).args(arguments), "").await;
    String::from_utf8(output.stdout).expect("an answer in UTF-8")
}

/// Runs a script in `tests/` with Node.js and `input` on standard input. Returns its output.
///
/// # Panics
/// When its packages are not installed, or it fails.
pub async fn node(script: &str, arguments: &[&str], input: &str) -> String {
    let output =
        run(Command::new("node").arg(checkout().join("tests").join(script)).args(arguments), input).await;
    String::from_utf8(output.stdout).expect("an answer in UTF-8")
}

/// Runs an npm script in `folder`, without an AWS account or configuration. Returns its output.
///
/// # Panics
/// When its packages are not installed, or it fails.
pub async fn npm(folder: &str, script: &str, arguments: &[&str]) -> String {
    let mut npm = Command::new("npm");
    npm.args(["run", "--silent", script, "--"]).args(arguments).current_dir(checkout().join(folder));
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "none"),
        ("AWS_SECRET_ACCESS_KEY", "none"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_REGION", "us-east-1"),
        ("NO_COLOR", "1"),
    ] {
        npm.env(name, value);
    }
    let output = run(npm.env_remove("AWS_PROFILE"), "").await;
    String::from_utf8(output.stdout).expect("output in UTF-8")
}

/// Python with the packages of `tests/clients`.
///
/// # Panics
/// When they cannot be installed.
pub fn python() -> Command {
    let programs = tools::python::CLIENTS.install(crate::SAY).expect("the packages of tests/clients");
    let mut command = Command::new(programs.join("python"));
    // Without the user's own packages and AWS configuration.
    command.arg("-I").env_clear().env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

/// Runs `command` with `input` on standard input, and returns its output.
///
/// # Panics
/// When it cannot be started, or fails.
pub async fn run(command: &mut Command, input: &str) -> Output {
    let described = format!("{:?}", command.as_std());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot run {described}: {error}"));
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).await.expect("its input is read");
    drop(stdin);
    let output = child.wait_with_output().await.expect("it ends");
    let (said, complaint) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{described} failed, {}: {complaint}{said}", output.status);
    output
}
