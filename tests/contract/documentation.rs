//! The documentation: its tours run as they are written, its picture can be read, and every link leads somewhere.

use std::{
    fs,
    path::Path,
    process::{Output, Stdio},
    sync::Arc,
};

use harness::{Service, block_on, clients, service};
use local::{
    gateway::{
        self, Auth,
        iam::{Iam, Principal},
    },
    sample,
    stack::{Stack, StackOptions, checkout, programs},
};
use serde_json::Value;
use tokio::process::Command;
use tools::python;

/// Where the documentation expects the API.
const LOCAL: &str = "http://127.0.0.1:9000";

fn page(path: &str) -> String {
    fs::read_to_string(checkout().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The shell commands of a page, block by block.
fn blocks(page: &str) -> Vec<&str> {
    page.split("\n```sh\n").skip(1).map(|rest| rest.split_once("\n```").expect("an end").0).collect()
}

/// What a shell prints that is given `blocks` one after the other, for an API that requires signatures and has the sample, as
/// `cargo xtask dev` serves it.
async fn pasted(service: &Service, blocks: &[&str]) -> Vec<String> {
    sample::load(service.client().url()).await.expect("the sample");
    let stack = Stack::start(StackOptions {
        operations: api::OPERATIONS.to_vec(),
        database_url: service.database_url(),
        gateway: gateway::Options {
            auth: Auth::Iam(Iam::new(Principal::defaults())),
            ..gateway::Options::default()
        },
        programs: programs().expect("the functions"),
        max_environments: 10,
        environment: Vec::new(),
        database_access: None,
        log: Arc::new(|_| ()),
    });
    let stack = stack.await.expect("a guarded API");
    let script = blocks.join("\necho; echo '--- next block'\n");
    assert!(script.contains(LOCAL), "no address in {script}");
    let script = script.replace(LOCAL, &stack.url());
    // Without settings of one's own for curl.
    let shell = Command::new("sh").args(["-euc", &script]).env("HOME", "/nonexistent").output().await;
    let Output { status, stdout, stderr } = shell.expect("sh runs");
    stack.stop().await;
    let printed = String::from_utf8(stdout).expect("text");
    assert!(status.success(), "{printed}{}", String::from_utf8_lossy(&stderr));
    printed.split("\n--- next block\n").map(ToOwned::to_owned).collect()
}

/// The statuses of responses, in their order.
fn statuses(printed: &str) -> Vec<&str> {
    // A body does not end its line, and the next response begins there.
    printed.split("HTTP/1.1 ").skip(1).filter_map(|rest| rest.get(..3)).collect()
}

#[test]
fn the_tour_of_the_readme_works_as_it_is_pasted() {
    service(async |service| {
        let readme = page("README.md");
        let (_, tour) = readme.split_once("## A tour in ten lines\n").expect("the tour");
        let tour = blocks(tour)[0];
        assert!(tour.lines().count() <= 10, "{tour}");
        let printed = pasted(service, &[tour]).await.remove(0);
        assert_eq!(statuses(&printed), ["200", "200", "412", "201", "201", "200", "200"], "{printed}");
        let responses: Vec<_> = printed.split("HTTP/1.1 ").skip(1).collect();
        assert!(responses[0].contains("備前焼 カップ"), "{printed}");
        let replayed = |response: &str| response.to_lowercase().contains("idempotency-replayed: true");
        assert_eq!([replayed(responses[3]), replayed(responses[4])], [false, true], "{printed}");
        let body = |response: &str| response.rsplit("\r\n\r\n").next().map(str::trim).map(ToOwned::to_owned);
        assert_eq!(body(responses[3]), body(responses[4]));
        assert!(responses[5].contains("arn:aws:iam::000000000000:user/admin"), "{printed}");
    });
}

#[test]
fn the_long_tour_works_as_it_is_pasted() {
    // Of each block, the statuses that curl shows, and what is in a body or a header.
    let expected: &[(&[&str], &[&str])] = &[
        (&[], &[]),
        (&["201"], &["location: /v1/products/", r#""name":"Apple""#, r#""currency":"JPY""#]),
        (&[], &[r#""name":"Pear""#]),
        (&["200"], &[r#""items":[{"#, r#""currency":"EUR""#, "rel=\"next\""]),
        (&[], &["備前焼 湯呑", "琉球ガラス カップ", "Weiß", "Café au lait bowl", "ramekins"]),
        (&[], &[r#""price":130"#, r#""version":2"#]),
        (&["200", "412"], &[r#""price":140"#]),
        (&["304"], &[]),
        (&["201", "201"], &["idempotency-replayed: true"]),
        (&["204"], &[]),
        (&[], &[r#""reason":"Sold out""#, r#""inverse":{"#]),
        (&[], &[r#""price":120"#, r#""version":1"#]),
        (&[], &[r#""items":["#, r#""next_cursor":""#]),
        (&[], &["/name", "/price", "/colour"]),
    ];
    service(async |service| {
        let tour = page("docs/tour.md");
        let blocks = blocks(&tour);
        assert_eq!(blocks[0], "cargo xtask dev");
        let printed = pasted(service, &blocks[1..]).await;
        assert_eq!(printed.len(), expected.len(), "{printed:#?}");
        for ((block, printed), (codes, parts)) in blocks[1..].iter().zip(&printed).zip(expected) {
            assert_eq!(statuses(printed), *codes, "{block}\n{printed}");
            for part in *parts {
                assert!(printed.contains(part), "{part} is not in what this prints: {block}\n{printed}");
            }
        }
        // The error that the page shows is the one that is returned.
        let shown =
            tour.split("\n```json\n").nth(1).and_then(|rest| rest.split_once("\n```")).expect("an error");
        let mut shown: Value = serde_json::from_str(shown.0).expect("JSON");
        let mut returned: Value =
            serde_json::from_str(printed.last().expect("an error").trim()).expect("JSON");
        for error in [&mut shown, &mut returned] {
            assert!(error["request_id"].take().is_string());
        }
        assert_eq!(shown, returned);
    });
}

#[test]
fn the_readme_fits_on_four_screens() {
    let lines = page("README.md").lines().count();
    assert!(lines <= 4 * 45, "README.md has {lines} lines");
}

#[test]
fn the_picture_can_be_read_in_light_and_in_dark_mode() {
    block_on(async {
        let drawing = checkout().join("docs/architecture.svg");
        let images = programs().expect("a target folder");
        let path = |path: &Path| path.to_str().expect("a path in UTF-8").to_owned();
        let seen = clients::node("browser/drawing.mjs", &[&path(&drawing), &path(&images)], "").await;
        let seen: Value = serde_json::from_str(&seen).expect("JSON from the browser");
        for scheme in ["light", "dark"] {
            let seen = &seen[scheme];
            assert_eq!(seen["faults"], serde_json::json!([]), "{scheme}");
            assert!(seen["texts"].as_u64() > Some(20) && seen["height"].as_f64() > Some(300.0), "{seen}");
            let image = fs::read(images.join(format!("architecture-{scheme}.png"))).expect("an image");
            assert!(image.len() > 10_000, "{scheme}: {} bytes show nothing", image.len());
        }
        assert_ne!(seen["light"]["background"], seen["dark"]["background"]);
    });
}

/// Runs the generator of the site with the project's settings on the pages in `source`.
async fn build_site(source: &Path, site: &Path) -> Output {
    let programs = python::DOCS.install(&|line| eprintln!("· {line}")).expect("the generator");
    let mut build = Command::new(programs.join("properdocs"));
    build.args(["build", "--strict", "--config-file"]).arg(checkout().join("docs/properdocs.yml"));
    build.arg("--site-dir").arg(site).env("DOCS_SOURCE", source).stdin(Stdio::null());
    build.output().await.expect("it runs")
}

#[test]
fn the_pages_are_a_site_whose_links_lead_somewhere() {
    block_on(async {
        let site = tempfile::tempdir().expect("a folder");
        let mut xtask = Command::new(programs().expect("the programs").join("xtask"));
        let build = xtask.args(["docs", "--output"]).arg(site.path()).stdin(Stdio::null()).output();
        let build = build.await.expect("it runs");
        assert!(build.status.success(), "{}", String::from_utf8_lossy(&build.stderr));
        for file in
            ["index.html", "docs/index.html", "docs/configuration/index.html", "docs/architecture.svg"]
        {
            assert!(site.path().join(file).is_file(), "the site has no {file}");
        }
    });
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let [source, site] = ["source", "site"].map(|name| folder.path().join(name));
        fs::create_dir_all(source.join("docs")).expect("a folder");
        let home =
            "# Home\n\n[a](docs/a.md#there) [b](docs/b.md) [c](docs/a.md#not-there) [d](docs/missing.rs)\n";
        fs::write(source.join("README.md"), home).expect("a page");
        fs::write(source.join("docs/a.md"), "# A\n\n## There\n\n[home](../README.md)\n").expect("a page");
        let build = build_site(&source, &site).await;
        let complaint = String::from_utf8_lossy(&build.stderr);
        assert!(!build.status.success(), "{complaint}");
        for target in ["docs/b.md", "docs/a.md#not-there", "docs/missing.rs"] {
            assert!(complaint.contains(&format!("'{target}'")), "{target} is not named: {complaint}");
        }
        assert!(!complaint.contains("docs/a.md#there'"), "{complaint}");
    });
}
