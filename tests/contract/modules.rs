//! Modules depend on each other in one direction only. The sources are parsed, and paths are followed through
//! re-exports to the module that defines the item. Within each folder, modules that depend on each other in a circle
//! are a fault.

mod graph;

use std::{collections::BTreeSet, fs, path::Path};

use local::stack::checkout;

use graph::{Circle, Crate};

/// The roots of the crates, and whether a folder's own file counts as one of its modules. If so, code that it shares
/// with a module of the folder has to be in a third one.
const CRATES: [(&str, bool); 3] =
    [("local/src/lib.rs", true), ("local/src/main.rs", true), ("shared/src/lib.rs", false)];

/// The known circles: the folder, the modules that use each other, and why. A circle of some of them counts as known,
/// too.
const KNOWN: [(&str, &[&str], &str); 6] = [
    (
        "crate",
        &["app", "cache", "db", "http", "operation"],
        "preconditions depend on the settings in `App`, which holds the database, whose errors say what HTTP answers",
    ),
    ("crate", &["contract", "history"], "the schema of a history entry is made of the contract's examples"),
    ("crate::app", &["config", "database"], "`database` reads a part of `config` and collects its faults"),
    ("crate::db", &["error", "sqlstate"], "an SQLSTATE is judged by rules that speak of errors"),
    (
        "crate::http",
        &["body", "conditional", "idempotency", "page", "problem", "query", "request", "response"],
        "a request is read by types that take it and fail with problems, which become responses to a request",
    ),
    ("crate::telemetry", &["log", "terminal"], "the terminal's line leaves out the keys that every line has"),
];

#[test]
fn no_two_modules_use_each_other() {
    let found: Vec<_> = CRATES
        .iter()
        .flat_map(|(root, own_files)| {
            Crate::read(&checkout().join(root)).circles(*own_files).into_iter().map(move |it| (root, it))
        })
        .collect();
    let is_known = |(root, circle): &&(&&str, Circle)| {
        root.starts_with("shared")
            && KNOWN.iter().any(|(folder, modules, _)| {
                circle.folder == *folder
                    && circle.modules.iter().all(|module| modules.contains(&module.as_str()))
            })
    };
    let unknown: Vec<_> =
        found.iter().filter(|it| !is_known(it)).map(|(root, circle)| format!("{root}: {circle}")).collect();
    assert!(unknown.is_empty(), "modules that use each other:\n{}", unknown.join("\n"));
    for (folder, modules, _) in KNOWN {
        let is_there = found.iter().any(|(_, circle)| {
            circle.folder == folder && circle.modules.iter().any(|it| modules.contains(&it.as_str()))
        });
        assert!(
            is_there,
            "the circle of {} in {folder} is gone: remove it from the known ones",
            modules.join(", ")
        );
    }
}

#[test]
fn a_circle_is_found_through_re_exports_and_macros_and_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |path: &str, source: &str| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new(""))).expect("a folder");
        fs::write(path, source).expect("a source");
    };
    write("lib.rs", "mod kiln; mod shelf; pub use kiln::Kiln; pub const SIZE: u8 = 1;");
    write("kiln/mod.rs", "mod fire; mod wood; pub use fire::Kiln; pub use wood::Log;");
    write("kiln/fire.rs", "use super::Log; pub struct Kiln(Log); pub fn light() {}");
    write("kiln/wood.rs", "pub struct Log; fn burn() { assert!({ super::fire::light(); true }) }");
    write("shelf.rs", "use crate::Kiln; #[cfg(test)] mod tests { use crate::SIZE; } struct Shelf(Kiln);");
    let found = Crate::read(&folder.path().join("lib.rs")).circles(true);
    let [circle] = &found[..] else { panic!("one circle in {found:?}") };
    assert_eq!(
        (circle.folder.as_str(), &circle.modules[..]),
        ("crate::kiln", &["fire", "wood"].map(str::to_owned)[..])
    );
    assert!(circle.to_string().contains("fire uses wood (super::Log)"), "{circle}");
    assert!(circle.to_string().contains("wood uses fire (super::fire::light)"), "{circle}");

    write("shelf.rs", "struct Shelf([(); crate::SIZE as usize]);");
    write("kiln/wood.rs", "pub struct Log(crate::shelf::Shelf);");
    write("lib.rs", "mod kiln; mod shelf; pub use kiln::Kiln; pub const SIZE: u8 = 1; type Best = Kiln;");
    let found: Vec<_> =
        Crate::read(&folder.path().join("lib.rs")).circles(true).into_iter().map(|it| it.modules).collect();
    assert_eq!(found, [["kiln", "mod", "shelf"]]);
}

/// Modules of this API only, which are not on the library's map.
const DOMAIN: [&str; 2] = ["artisan", "product"];

/// The names in backquotes at the beginning of the list's items.
fn listed(map: &str) -> Vec<&str> {
    map.lines().filter_map(|line| line.strip_prefix("- `")?.split_once('`')).map(|(name, _)| name).collect()
}

#[test]
fn the_map_of_a_crate_names_its_modules_and_files_and_their_order() {
    for (folder, roots) in [("local", &["lib.rs", "main.rs"][..]), ("shared", &["lib.rs"])] {
        let source = checkout().join(folder).join("src");
        let map = fs::read_to_string(checkout().join(folder).join("README.md")).expect("a map");
        let listed = listed(&map);
        let crates: Vec<_> = roots.iter().map(|root| Crate::read(&source.join(root))).collect();
        let is_of_map = |name: &&str| !DOMAIN.contains(name);
        let modules: BTreeSet<_> =
            crates.iter().flat_map(Crate::top).map(String::as_str).filter(is_of_map).collect();
        assert_eq!(listed.iter().copied().collect::<BTreeSet<_>>(), modules, "{folder}/README.md");

        let place = |name: &str| listed.iter().position(|it| *it == name);
        let uses = crates.iter().flat_map(Crate::top_uses);
        for (user, used) in uses.filter(|(user, _)| is_of_map(&user.as_str())) {
            let is_known = KNOWN.iter().any(|(of, modules, _)| {
                folder == "shared"
                    && *of == "crate"
                    && [&user, &used].iter().all(|it| modules.contains(&it.as_str()))
            });
            let is_below = place(&user) < place(&used) && place(&used).is_some();
            assert!(is_known || is_below, "{folder}/README.md: {user} uses {used}, which is not below it");
        }

        let files = map
            .split('`')
            .skip(1)
            .step_by(2)
            .filter(|name| name.ends_with(".rs") && !name.starts_with("tests/"));
        // A name without a folder is in the same folder as the one before it.
        let mut beside = source.clone();
        for file in files {
            let path = if file.contains('/') { source.join(file) } else { beside.join(file) };
            assert!(path.exists() || source.join(file).exists(), "{folder}/README.md: there is no {file}");
            beside = path.parent().unwrap_or(&source).to_owned();
        }
    }
}
