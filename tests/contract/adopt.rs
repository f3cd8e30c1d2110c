//! `cargo xtask adopt` in a copy of the checkout: the old name is gone everywhere, renaming back restores the same
//! files, and a fork under another name can merge fixes as documented.

use std::fs;

use harness::{block_on, is_large};
use local::stack::checkout;
use project::NAME;

use super::checkout::{Copy, copy_built, run};

impl Copy {
    /// Runs `cargo xtask adopt` with `name`, and returns its output.
    async fn adopt(&self, name: &str) -> String {
        let mut adopt = self.cargo(&["xtask", "adopt", name]);
        if !is_large() {
            adopt.arg("--no-generate");
        }
        String::from_utf8(run(&mut adopt).await).expect("text")
    }

    /// Every tracked path, and every line of a tracked file, that contains `name` in any spelling, even inside a word;
    /// except in licences and notices.
    async fn mentions(&self, name: &str) -> Vec<String> {
        let mut grep = self.command("git");
        grep.args(["grep", "--ignore-case", "--line-number", "-e", name]);
        // `git grep` fails if it finds nothing.
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

        // A short name and one of maximum length, which sort before and after everything. They are not written out,
        // since the command refuses a word that a file contains.
        let names = ["a".repeat(2) + &"q".repeat(3), "z".repeat(16)];
        let mut before = NAME;
        for name in &names {
            let printed = copy.adopt(name).await;
            assert!(!printed.contains("inside another word"), "{printed}");
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
        assert_eq!(copy.commit().await, original, "renaming back does not restore the files");
    });
}

#[test]
fn a_fork_takes_fixes_as_the_documentation_says() {
    block_on(async {
        let manual = fs::read_to_string(checkout().join("docs/taking-it-as-a-base.md")).expect("the page");
        let (_, section) = manual.split_once("## Take fixes\n").expect("the section");
        let commands = section.split("```").nth(1).and_then(|block| block.strip_prefix("sh\n"));
        let (commands, _) =
            commands.and_then(|all| all.split_once("cargo xtask generate")).expect("commands before those");
        let edit = |copy: &Copy, file: &str, from: &str, to: &str| {
            let file = copy.checkout.join(file);
            let text = fs::read_to_string(&file).expect("a file");
            assert!(text.contains(from), "{from} in {text}");
            fs::write(&file, text.replacen(from, to, 1)).expect("it is saved");
        };

        let built = copy_built().await;
        let upstream = Copy::of_this(built.path()).await;
        upstream.commit().await;
        let fork = Copy { checkout: built.path().join("fork"), target: built.path().to_owned() };
        let address = upstream.checkout.to_str().expect("a path in UTF-8");
        upstream.git(&["clone", "--quiet", "--no-tags", "--origin", "upstream", address, "../fork"]).await;
        let name = "q".repeat(6);
        fork.adopt(&name).await;
        fork.commit().await;
        fork.git(&["branch", "upstream-adopted"]).await;
        // The fork changes lines, one with the name among them; meanwhile upstream fixes another line.
        edit(&fork, "README.md", "A catalogue API", "A library's API");
        let page = "docs/local-gateway.md";
        edit(&fork, page, "access tokens with the scope", "access tokens that have the scope");
        fork.commit().await;
        edit(&upstream, page, "| `--access-log` |", "| `--log-access` |");
        edit(&upstream, "samconfig.toml", &format!("\"{NAME}-dev\""), &format!("\"{NAME}-first\""));
        upstream.commit().await;

        let mut shell = fork.command("sh");
        run(shell.args(["-euc", commands]).env("NAME", &name)).await;
        let text = |file: &str| fs::read_to_string(fork.checkout.join(file)).expect("a file");
        assert!(text("README.md").contains("A library's API"));
        let merged = text(page);
        for part in ["access tokens that have the scope", "| `--log-access` |"] {
            assert!(merged.contains(part), "{part} in {merged}");
        }
        assert!(text("samconfig.toml").contains(&format!("\"{name}-first\"")));
        assert_eq!(fork.git(&["status", "--porcelain"]).await, "");
        assert_eq!(fork.mentions(NAME).await, [""; 0]);
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
