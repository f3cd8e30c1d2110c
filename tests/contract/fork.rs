//! Uses this project as the base of another API, in a copy of the checkout: renames it and adds operations, a resource
//! and a field. All manual steps are those in the documentation, and the copy passes its tests.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
};

use harness::{block_on, is_large};
use local::stack::checkout;

use crate::checkout::{Copy, copy_built, run};

/// An action on a resource, a part of a resource, and the first operation of a new resource.
const OPERATIONS: [[&str; 3]; 3] = [
    ["archive-product", "POST", "/v1/products/{id}/archive"],
    ["get-artisan-portrait", "GET", "/v1/artisans/{id}/portraits/{portrait_id}"],
    ["list-fairs", "GET", "/v1/fairs"],
];

/// A resource with members of every type, including nullable ones and a reference.
const RESOURCE: [&str; 9] = [
    "workshop",
    "name:line/200",
    "town:line/100",
    "opened_on:date",
    "artisan:reference",
    "notes:text/500",
    "seats:integer/1..40?",
    "closed_on:date?",
    "is_open:boolean",
];

/// A new field of products, with everything that their description needs: its line, its filter and its orders.
const FIELD: [(&str, &str); 3] = [
    (
        "        currency: Currency = Default::default(),\n",
        "        /// Its weight in grams, if it has been weighed.\n        weight_grams: Option<Whole<1, 1_000_000>>,\n",
    ),
    (
        "    const FILTERS: &'static [Filter] = &[\n",
        "        Filter::new::<Self>(\"max_weight\", \"weight_grams\", \"weight_grams <= ?\", \"Only up to this weight.\"),\n",
    ),
    (
        "    const ORDERS: &'static [Order] = &[\n        Order::new::<Self>(\"-created_at\", &[\"-created_at\"]),\n",
        "        Order::new::<Self>(\"weight\", &[\"weight_grams\"]),\n        Order::new::<Self>(\"-weight\", &[\"-weight_grams\"]),\n",
    ),
];

/// The field's migration, without the indexes that the filter and the orders need.
const COLUMN: &str = "-- What products weigh.
alter table products add column weight_grams bigint
  constraint products_weight_grams_check check (weight_grams between 1 and 1000000);
";
const INDEXES: &str = "-- Lists of products by weight.
create index products_weight_grams_idx on products (weight_grams, created_at, id);
create index products_weight_grams_order_idx on products ((weight_grams is null), coalesce(weight_grams, 0), id);
";

/// The tests that cover every operation of the register, every resource, or everything that is generated.
const TESTS: [&str; 20] = [
    "bad_input::a_bad_id_is_400",
    "conditional::a_malformed_condition_is_400_whatever_the_method",
    "deploy::documentation",
    "deploy::own",
    "deploy::parameters",
    "deploy::policies",
    "deploy::routes",
    "deploy::stages",
    "events::every",
    "head::every_get_has_a_head",
    "history::whatever_changes_the_catalogue",
    "migrations::",
    "openapi::a_linter_finds_nothing",
    "openapi::both_documents_are_valid",
    "openapi::generated_files_are_current",
    "plans::no_list",
    "register::",
    "resources::",
    "router::every_sample",
    "statements::no_operation",
];

#[test]
fn a_fork_with_another_name_new_operations_a_new_resource_and_a_new_field_passes_its_tests() {
    block_on(async {
        let built = copy_built().await;
        // If the tests run as root, PostgreSQL runs under another account.
        fs::set_permissions(built.path(), Permissions::from_mode(0o755)).expect("it may be entered");
        let copy = Copy::of_this(built.path()).await;
        for folder in ["cdk", "tests/openapi", "tests/typescript"] {
            let installed = Path::new(folder).join("node_modules");
            symlink(checkout().join(&installed), copy.checkout.join(&installed)).expect("a link");
        }
        fs::write(copy.checkout.join(".git/info/exclude"), "node_modules\n").expect("git's own list");
        copy.commit().await;
        let cargo = async |arguments: &[&str]| {
            let mut cargo = copy.cargo(arguments);
            cargo.env_remove("DATABASE_URL").env_remove("CACHE_URL");
            String::from_utf8(run(&mut cargo).await).expect("UTF-8")
        };

        // Split into two parts, since a word that the files contain cannot be adopted.
        cargo(&["xtask", "adopt", &["sh", "op"].concat()]).await;
        for operation in OPERATIONS {
            let said = cargo(&[&["xtask", "new"][..], &operation].concat()).await;
            assert!(said.contains("passes every test"), "{said}");
        }
        let said = cargo(&[&["xtask", "new-resource"][..], &RESOURCE].concat()).await;
        assert!(said.contains("Nothing is left to do"), "{said}");
        cargo(&["fmt", "--all", "--", "--check"]).await;
        assert_tidy(&copy);

        copy.commit().await;
        // A name that is not a member's does not compile.
        let path = copy.checkout.join("domain/src/product.rs");
        let described = fs::read_to_string(&path).expect("a description");
        fs::write(&path, described.replace("\"max_price\", \"price\"", "\"max_price\", \"prise\""))
            .expect("it is written");
        let refused = copy.cargo(&["build", "--workspace", "--bins"]).output().await.expect("cargo runs");
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && said.contains("a member that there is not"), "{said}");
        fs::write(&path, described).expect("it is written");

        add_field(&copy, "V91__weight", COLUMN);
        cargo(&["fmt", "--all"]).await;
        let changed = copy.git(&["status", "--short", "--untracked-files=all"]).await;
        assert_eq!(changed.lines().count(), 2, "files that are changed by hand: {changed}");
        cargo(&["xtask", "generate"]).await;

        cargo(&["build", "--workspace", "--bins"]).await;
        let plans = ["test", "--workspace", "--test", "contract", "--", "plans::no_list"];
        let refused = copy.cargo(&plans).output().await.expect("cargo runs");
        let said = String::from_utf8_lossy(&refused.stdout);
        assert!(
            !refused.status.success() && said.contains("weight"),
            "a missing index goes unnoticed: {said}"
        );
        add_migration(&copy, "V92__weight_indexes", INDEXES);

        cargo(&["build", "--workspace", "--bins"]).await;
        cargo(&["xtask", "generate", "--check"]).await;
        if is_large() {
            cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]).await;
            cargo(&["test", "--workspace", "--lib"]).await;
        }
        let test = ["test", "--workspace", "--test", "contract", "--"];
        let said = cargo(&[&test, &TESTS[..]].concat()).await;
        let ran = said.lines().filter(|line| line.starts_with("test ") && line.ends_with(" ... ok")).count();
        assert!(ran >= TESTS.len(), "{said}");
    });
}

fn add_field(copy: &Copy, migration: &str, sql: &str) {
    let path = copy.checkout.join("domain/src/product.rs");
    let mut text = fs::read_to_string(&path).expect("a description");
    for (after, addition) in FIELD {
        assert!(text.contains(after), "domain/src/product.rs has no {after}");
        text = text.replacen(after, &format!("{after}{addition}"), 1);
    }
    fs::write(path, text).expect("it is written");
    add_migration(copy, migration, sql);
}

fn add_migration(copy: &Copy, name: &str, sql: &str) {
    fs::write(copy.checkout.join(format!("migrations/{name}.sql")), sql).expect("a migration");
}

/// Asserts that new entries are sorted, that the changelog has them, and that new crates have no unused dependencies.
fn assert_tidy(copy: &Copy) {
    let [manifest, changes] = ["api/Cargo.toml", "CHANGELOG.md"].map(|file| read(copy, file));
    let functions = manifest.lines().filter_map(|line| line.split_once(" = { path")).map(|(name, _)| name);
    assert!(functions.is_sorted(), "{manifest}");
    for [name, method, route] in OPERATIONS {
        assert!(changes.contains(&format!("`: `{method} {route}`.\n")), "{changes}");
        let code = read(copy, &format!("functions/{name}/src/lib.rs"));
        let unused: Vec<_> = dependencies(copy, name).into_iter().filter(|it| !code.contains(it)).collect();
        assert_eq!(unused, [""; 0], "{name}");
    }
}

fn read(copy: &Copy, file: &str) -> String {
    fs::read_to_string(copy.checkout.join(file)).expect(file)
}

/// The dependencies in the manifest of an operation, as identifiers.
fn dependencies(copy: &Copy, operation: &str) -> Vec<String> {
    let manifest = read(copy, &format!("functions/{operation}/Cargo.toml"));
    let (_, dependencies) = manifest.split_once("[dependencies]\n").expect("dependencies");
    let names = dependencies.lines().filter_map(|line| line.split(['.', ' ']).next());
    names.map(|name| name.replace('-', "_")).collect()
}
