//! Pages for people, and what they rest on: the tests and files that they name exist, decisions are complete, and NOTICE
//! names what is in the repository of others.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Component, Path, PathBuf},
};

use local::stack::checkout;
use proc_macro2::{TokenStream, TokenTree};
use serde_json::Value;

/// Folders with sources in Rust.
const SOURCES: [&str; 8] = ["api", "benches", "domain", "functions", "local", "shared", "tests", "xtask"];

/// Where a path in a page begins.
const ROOTS: [&str; 14] = [
    "api/",
    "benches/",
    "cdk/",
    "docs/",
    "domain/",
    "events/",
    "functions/",
    "local/",
    "migrations/",
    "shared/",
    "tests/",
    "xtask/",
    ".ci/",
    ".github/",
];

fn read(path: impl AsRef<Path>) -> String {
    let path = checkout().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files below `folder`, from the root of the checkout on, that the project itself keeps.
fn files(folder: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::from(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(checkout().join(&folder)).expect("a folder") {
            let entry = entry.expect("an entry");
            let path = folder.join(entry.file_name());
            if !entry.file_type().expect("a type").is_dir() {
                found.push(path);
            } else if !["node_modules", "target"].iter().any(|name| path.ends_with(name)) {
                folders.push(path);
            }
        }
    }
    found
}

/// Every source in Rust, with its tokens.
fn sources() -> Vec<(PathBuf, TokenStream)> {
    let paths = SOURCES.into_iter().flat_map(files);
    let paths = paths.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let tokens =
        |path: &PathBuf| read(path).parse().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    paths.map(|path| (path.clone(), tokens(&path))).collect()
}

/// The names of test functions, those within macros too.
fn tests(tokens: TokenStream, names: &mut BTreeSet<String>) {
    let mut is_test = false;
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                is_test |= matches!(tokens.peek(), Some(TokenTree::Group(group)) if group.stream().to_string() == "test");
            }
            TokenTree::Ident(ident) if ident == "fn" => {
                if let (true, Some(TokenTree::Ident(name))) = (is_test, tokens.peek()) {
                    names.insert(name.to_string());
                }
                is_test = false;
            }
            TokenTree::Group(group) => tests(group.stream(), names),
            _ => {}
        }
    }
}

/// The files that a source includes in its program, as they are written there.
fn included(tokens: TokenStream, found: &mut Vec<String>) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(name) if name == "include_str" || name == "include_bytes" => {
                let is_call =
                    matches!(tokens.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == '!');
                if let (true, Some(TokenTree::Group(path))) = (is_call, tokens.next()) {
                    found.push(path.stream().to_string());
                }
            }
            TokenTree::Group(group) => included(group.stream(), found),
            _ => {}
        }
    }
}

/// `path` without `..`.
fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut path, component| {
        if component == Component::ParentDir {
            path.pop();
        } else {
            path.push(component);
        }
        path
    })
}

/// The pages whose names of tests and files are checked.
fn pages() -> Vec<PathBuf> {
    let decisions = files("docs/decisions");
    ["CONTRIBUTING.md", "SECURITY.md", "docs/security.md"]
        .map(PathBuf::from)
        .into_iter()
        .chain(decisions)
        .collect()
}

/// What stands in backquotes in `text`, in one word.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2).filter(|word| !word.is_empty() && !word.contains(char::is_whitespace))
}

/// Whether `word` can only be the name of a test: tests are claims, and so have long names.
fn is_test_name(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        && word.matches('_').count() >= 3
}

#[test]
fn every_test_and_file_that_a_page_names_exists() {
    let mut known = BTreeSet::new();
    sources().into_iter().for_each(|(_, tokens)| tests(tokens, &mut known));
    assert!(known.contains("every_test_and_file_that_a_page_names_exists"), "no test is found at all");
    let mut missing = Vec::new();
    for page in pages() {
        let text = read(&page);
        for word in quoted(&text) {
            let is_path = ROOTS.iter().any(|root| word.starts_with(root)) && !word.contains("NNNN");
            if is_path && !checkout().join(word).exists() || is_test_name(word) && !known.contains(word) {
                missing.push(format!("{}: {word}", page.display()));
            }
        }
    }
    assert!(missing.is_empty(), "named, and not there:\n{}", missing.join("\n"));
    let tests = quoted(&read("docs/security.md")).filter(|word| is_test_name(word)).count();
    assert!(tests > 50, "docs/security.md names {tests} tests");
}

#[test]
fn every_decision_is_listed_and_complete() {
    let index = read("docs/decisions/README.md");
    let pages = files("docs/decisions").into_iter().filter(|page| !page.ends_with("README.md"));
    let pages: BTreeMap<_, _> =
        pages.map(|page| (page.file_name().expect("a name").to_owned(), read(&page))).collect();
    for (number, (name, text)) in (1..).zip(&pages) {
        let name = name.to_str().expect("a name in ASCII");
        assert!(name.starts_with(&format!("{number:04}-")), "{name} is not number {number}");
        let title = text.lines().next().and_then(|line| line.strip_prefix("# ")).unwrap_or_default();
        assert!(title.starts_with(&format!("{number:04}: ")), "{name}: {title}");
        assert!(index.contains(&format!("[{title}]({name})")), "{name} is not in the index by its title");
        let parts: Vec<_> = text.lines().filter(|line| line.starts_with("## ")).collect();
        let expected = ["## Context", "## Decision", "## Measured", "## Consequences", "## Rejected"];
        assert_eq!(parts, expected, "{name}");
        assert!(text.lines().nth(2).is_some_and(|line| line.starts_with("Status: ")), "{name} has no status");
        assert!(text.lines().count() <= 60, "{name} is too long to be read");
    }
    assert_eq!(index.matches("| [0").count(), pages.len(), "the index lists decisions that are not there");
}

/// The files and folders that NOTICE is about: its lines that are not indented and are paths.
fn noticed(notice: &str) -> Vec<&Path> {
    notice.lines().filter(|line| ROOTS.iter().any(|root| line.starts_with(root))).map(Path::new).collect()
}

/// Folders of what the project has written itself, and includes; besides every `src`.
const OWN: [&str; 5] = ["api", "docs", "local/sample", "local/tests", "tests/contract"];

#[test]
fn what_is_here_of_others_is_in_the_notice() {
    let notice = read("NOTICE");
    let noticed = noticed(&notice);
    for path in &noticed {
        assert!(checkout().join(path).exists(), "NOTICE: there is no {}", path.display());
    }
    let is_noticed = |path: &Path| noticed.iter().any(|known| path.starts_with(known));
    let is_own = |path: &Path| {
        path.components().any(|part| part.as_os_str() == "src") || OWN.iter().any(|own| path.starts_with(own))
    };

    let mut count = 0;
    for (source, tokens) in sources() {
        let mut paths = Vec::new();
        included(tokens, &mut paths);
        for path in paths {
            let path = path.strip_prefix('"').and_then(|path| path.strip_suffix('"'));
            let path =
                path.unwrap_or_else(|| panic!("{} includes what is not a plain path", source.display()));
            let path = normal(&source.parent().expect("a folder").join(path));
            assert!(
                is_own(&path) || is_noticed(&path),
                "{} includes {}: if others wrote it, NOTICE has to name it",
                source.display(),
                path.display()
            );
            count += usize::from(is_noticed(&path));
        }
    }
    assert!(count > 8, "{count} files of others are included");

    let attributes = read(".gitattributes");
    let vendored = attributes.lines().filter(|line| line.contains("linguist-vendored"));
    let vendored = vendored.filter_map(|line| line.split_once("/**")).map(|(folder, _)| folder);
    for file in vendored.flat_map(files) {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        let is_licence = name.starts_with("LICENSE-") && notice.contains(&file.display().to_string());
        assert!(is_noticed(&file) || is_licence, "{} is of others, and not in NOTICE", file.display());
    }

    let packages: Value = serde_json::from_str(&read("tests/browser/package.json")).expect("JSON");
    let versions = packages["dependencies"].as_object().or(packages["devDependencies"].as_object());
    for package in ["swagger-ui-dist", "aws4fetch"] {
        let version = versions.and_then(|versions| versions[package].as_str()).expect("a version");
        let words = format!("{version} (npm: {package})");
        assert!(notice.contains(&words), "NOTICE does not say: {words}");
    }
}

#[test]
fn every_package_has_the_licence_of_the_repository() {
    let licence = "license = \"Apache-2.0\"";
    assert!(read("Cargo.toml").contains(licence));
    for manifest in SOURCES.into_iter().flat_map(files).filter(|path| path.ends_with("Cargo.toml")) {
        let text = read(&manifest);
        assert!(
            text.contains("license.workspace = true") || text.contains(licence),
            "{}",
            manifest.display()
        );
    }
    let app: Value = serde_json::from_str(&read("cdk/package.json")).expect("JSON");
    assert_eq!(app["license"], "Apache-2.0");
}
