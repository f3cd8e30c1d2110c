//! `cargo xtask adopt` in a copy of the checkout: nothing has the old name any more, and the way back leads to the same
//! files.

use std::path::{Path, PathBuf};

use harness::{block_on, is_large};
use project::NAME;
use tokio::process::Command;

use super::checkout::{copy_built, copy_files, run};

/// A copy of the checkout that git tracks, and where its programs are built.
struct Copy {
    checkout: PathBuf,
    target: PathBuf,
}

impl Copy {
    async fn of_this(built: &Path) -> Self {
        let copy = Self { checkout: built.join("checkout"), target: built.to_owned() };
        copy_files(&copy.checkout).await;
        copy.git(&["init", "--quiet"]).await;
        copy
    }

    async fn git(&self, arguments: &[&str]) -> String {
        let mut git = Command::new("git");
        git.args(["-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"]);
        let output = run(git.args(arguments).current_dir(&self.checkout)).await;
        String::from_utf8(output).expect("text")
    }

    fn cargo(&self, arguments: &[&str]) -> Command {
        let mut cargo = Command::new("cargo");
        cargo.args(arguments).current_dir(&self.checkout).env("CARGO_TARGET_DIR", &self.target);
        cargo.env_remove("CARGO_MANIFEST_DIR");
        cargo
    }

    /// Commits what is there, and returns the id of the tree.
    async fn commit(&self) -> String {
        self.git(&["add", "--all"]).await;
        self.git(&["commit", "--quiet", "--message", "Commit everything"]).await;
        self.git(&["rev-parse", "HEAD^{tree}"]).await
    }

    /// Adopts `name`, and returns what it printed.
    async fn adopt(&self, name: &str) -> String {
        let mut adopt = self.cargo(&["xtask", "adopt", name]);
        if !is_large() {
            adopt.arg("--no-generate");
        }
        String::from_utf8(run(&mut adopt).await).expect("text")
    }

    /// Every tracked path, and every line of a tracked file, that has `name` in any spelling, even inside of a word; but
    /// for licences and notices.
    async fn mentions(&self, name: &str) -> Vec<String> {
        let mut grep = Command::new("git");
        grep.args(["grep", "--ignore-case", "--line-number", "-e", name]).current_dir(&self.checkout);
        // It fails where it finds nothing.
        let grep = grep.output().await.expect("git runs");
        assert!(grep.stderr.is_empty(), "{}", String::from_utf8_lossy(&grep.stderr));
        let (texts, paths) = (String::from_utf8_lossy(&grep.stdout), self.git(&["ls-files"]).await);
        let is_notice = |line: &str| {
            let path = line.split(':').next().unwrap_or(line);
            ["LICENSE", "NOTICE"].iter().any(|word| path.contains(word))
                || line.to_lowercase().contains("copyright")
        };
        texts
            .lines()
            .chain(paths.lines())
            .filter(|line| line.to_lowercase().contains(name) && !is_notice(line))
            .map(ToOwned::to_owned)
            .collect()
    }
}

#[test]
fn a_name_is_replaced_everywhere_and_the_old_one_comes_back() {
    block_on(async {
        let built = copy_built().await;
        let copy = Copy::of_this(built.path()).await;
        let original = copy.commit().await;

        // A short one and the longest, which sort before and after everything. Not written out: the command refuses a
        // word that stands in a file.
        let names = ["a".repeat(2) + &"q".repeat(3), "z".repeat(16)];
        let mut before = NAME;
        for name in &names {
            let printed = copy.adopt(name).await;
            assert!(!printed.contains("inside of another word"), "{printed}");
            assert_ne!(copy.commit().await, original);
            assert_eq!(copy.mentions(before).await, [""; 0]);
            run(&mut copy.cargo(&["fmt", "--all", "--check"])).await;
            if is_large() {
                run(&mut copy.cargo(&["xtask", "generate", "--check"])).await;
                run(&mut copy.cargo(&["check", "--workspace", "--all-targets"])).await;
            }
            before = name;
        }
        copy.adopt(NAME).await;
        assert_eq!(copy.commit().await, original, "the way back leads elsewhere");
    });
}

#[test]
fn files_that_are_not_committed_and_words_that_are_taken_are_refused() {
    block_on(async {
        let built = copy_built().await;
        let copy = Copy::of_this(built.path()).await;
        let refused = async |name: &str, reason: &str| {
            let output = copy.cargo(&["xtask", "adopt", name]).output().await.expect("it runs");
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success() && complaint.contains(reason), "{name}: {complaint}");
            assert!(copy.git(&["diff"]).await.is_empty(), "{name} changed files");
        };
        refused(&"y".repeat(5), "README.md\n").await;
        copy.commit().await;
        refused(NAME, "already").await;
        refused("catalogue", "README.md:").await;
        refused("two-words", "one word").await;
    });
}
