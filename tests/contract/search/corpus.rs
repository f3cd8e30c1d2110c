//! A corpus of real names and of what people type to find them, with all hits of each query in order. `queries.txt`
//! describes the files.

use std::collections::HashMap;

use harness::{Service, encoded, id, service};
use serde_json::json;

/// The line in the names file for each resource, by the resource's id.
type Lines = HashMap<String, &'static str>;

/// Terms that all have the same hits.
#[derive(Default)]
struct Block {
    terms: Vec<&'static str>,
    /// The exact hits, or `(none)`, or a status.
    exact: Vec<&'static str>,
    /// The hits that are near misspellings.
    near: Vec<&'static str>,
}

#[test]
fn products_are_found_by_what_people_type() {
    service(async |service| {
        let mut names = Lines::new();
        for line in lines(include_str!("names.txt")) {
            let product = service.create_product(json!({"name": unescaped(line), "price": 1})).await;
            names.insert(id(&product).to_owned(), line);
        }
        check(service, "/v1/products/search", &names, include_str!("queries.txt")).await;
    });
}

#[test]
fn artisans_are_found_by_what_people_type() {
    service(async |service| {
        let mut names = Lines::new();
        for line in lines(include_str!("people.txt")) {
            let (family, given) = line.split_once(" | ").expect("a family and a given name");
            let body = json!({"family_name": unescaped(family), "given_name": unescaped(given)});
            names.insert(id(&service.create_artisan(body).await).to_owned(), line);
        }
        check(service, "/v1/artisans/search", &names, include_str!("people-queries.txt")).await;
    });
}

/// Runs each query in `file`, and reports all whose hits differ from the expected ones.
async fn check(service: &Service, path: &str, names: &Lines, file: &'static str) {
    let (mut count, mut differences) = (0, Vec::new());
    for block in blocks(file) {
        for line in block.exact.iter().chain(&block.near) {
            let is_known = ["(none)", "(400)"].contains(line) || names.values().any(|name| name == line);
            assert!(is_known, "a query expects {line:?}, which is not among the names");
        }
        for term in &block.terms {
            count += 1;
            let found = search(service, path, names, &unescaped(term)).await;
            differences.extend(block.difference(&found).map(|difference| format!("q: {term}\n{difference}")));
        }
    }
    assert!(count > 100, "only {count} queries");
    assert!(
        differences.is_empty(),
        "{} of {count} queries differ (- missing, + not expected):\n{}",
        differences.len(),
        differences.join("\n")
    );
}

/// The lines of all hits of `term`; `(none)` if there are none, and the status if it is not 200.
async fn search(service: &Service, path: &str, names: &Lines, term: &str) -> Vec<String> {
    let path = format!("{path}?limit=100&q={}", encoded(term));
    let status = service.client().get(&path).await.status.as_u16();
    if status != 200 {
        return vec![format!("({status})")];
    }
    let found = service.walk(&path).await;
    if found.is_empty() {
        return vec!["(none)".to_owned()];
    }
    found.iter().map(|resource| names[id(resource)].to_owned()).collect()
}

impl Block {
    /// How `found` differs from the expected hits, separately for misspellings; `None` if it does not.
    fn difference(&self, found: &[String]) -> Option<String> {
        let found: Vec<_> = found.iter().map(String::as_str).collect();
        if found == [&self.exact[..], &self.near].concat() {
            return None;
        }
        let (near, exact): (Vec<_>, Vec<_>) =
            found.iter().copied().partition(|line| self.near.contains(line));
        let mut difference = changes("", &self.exact, &exact);
        difference.push_str(&changes("~ ", &self.near, &near));
        if difference.is_empty() {
            difference = in_order("", &found);
        }
        Some(difference)
    }
}

/// The missing and the additional lines in `found`, or all lines if only the order differs.
fn changes(kind: &str, expected: &[&str], found: &[&str]) -> String {
    let without = |lines: &[&str], others: &[&str]| -> Vec<String> {
        lines.iter().filter(|line| !others.contains(line)).map(|&line| line.to_owned()).collect()
    };
    let (missing, unexpected) = (without(expected, found), without(found, expected));
    if expected != found && missing.is_empty() && unexpected.is_empty() {
        return in_order(kind, found);
    }
    listed(&format!("  - {kind}"), &missing) + &listed(&format!("  + {kind}"), &unexpected)
}

/// Lists `lines`, which differ only in their order.
fn in_order(kind: &str, lines: &[&str]) -> String {
    "  found in this order:\n".to_owned() + &listed(&format!("    {kind}"), lines)
}

/// Each of `lines` on a separate line, after `prefix`.
fn listed(prefix: &str, lines: &[impl AsRef<str>]) -> String {
    lines.iter().map(|line| format!("{prefix}{}\n", line.as_ref())).collect()
}

/// The blocks of a file of queries.
fn blocks(file: &'static str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut block = Block::default();
    for line in lines(file) {
        if let Some(term) = line.strip_prefix("q:") {
            if !block.exact.is_empty() || !block.near.is_empty() {
                blocks.push(std::mem::take(&mut block));
            }
            block.terms.push(term.strip_prefix(' ').unwrap_or(term));
        } else {
            let hit =
                line.strip_prefix("  ").unwrap_or_else(|| panic!("neither a query nor a hit: {line:?}"));
            assert!(!block.terms.is_empty(), "a hit of no query: {line:?}");
            match hit.strip_prefix("~ ") {
                Some(near) => block.near.push(near),
                None => {
                    assert!(block.near.is_empty(), "a hit after a misspelling: {line:?}");
                    block.exact.push(hit);
                }
            }
        }
    }
    assert!(!block.exact.is_empty() || !block.near.is_empty(), "the last query has no hits");
    blocks.push(block);
    blocks
}

/// The lines of a file that are neither empty nor comments.
fn lines(file: &'static str) -> impl Iterator<Item = &'static str> {
    file.lines().filter(|line| !line.is_empty() && *line != "#" && !line.starts_with("# "))
}

/// `line` with its escapes `\u{...}` replaced by the characters.
fn unescaped(line: &str) -> String {
    let mut parts = line.split(r"\u{");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_once('}').expect("the end of an escape");
        let code = u32::from_str_radix(code, 16).expect("a code in hexadecimal");
        text.push(char::from_u32(code).expect("the code of a character"));
        text.push_str(rest);
    }
    text
}
