//! What must agree with the register of operations.

use std::collections::BTreeSet;

use local::stack::checkout;

fn registered() -> BTreeSet<(String, String, String)> {
    let route = |operation: &'static shared::Operation| {
        operation
            .routes
            .iter()
            .map(|route| (route.path.to_owned(), route.method.to_string(), operation.name.to_owned()))
    };
    api::OPERATIONS.iter().copied().flat_map(route).collect()
}

#[test]
fn cargo_lambda_watch_routes_every_operation() {
    let manifest = std::fs::read_to_string(checkout().join("Cargo.toml")).expect("Cargo.toml");
    let manifest: toml::Table = manifest.parse().expect("TOML");
    let router = manifest["workspace"]["metadata"]["lambda"]["watch"]["router"].as_table().expect("a router");
    let text = |value: &toml::Value| value.as_str().expect("a string").to_owned();
    let watched = router.iter().flat_map(|(path, methods)| {
        let methods = methods.as_array().expect("a list of methods");
        methods.iter().map(move |entry| (path.clone(), text(&entry["method"]), text(&entry["function"])))
    });
    assert_eq!(
        watched.collect::<BTreeSet<_>>(),
        registered(),
        "[workspace.metadata.lambda.watch.router] in Cargo.toml"
    );
}

#[test]
fn every_operation_has_a_folder_of_its_name() {
    let folders = std::fs::read_dir(checkout().join("functions")).expect("functions/");
    let folders: BTreeSet<_> =
        folders.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    let operations = api::OPERATIONS.iter().map(|operation| operation.name.to_owned());
    assert_eq!(folders, operations.chain(["migrate".to_owned()]).collect());
}

#[test]
fn no_two_operations_share_a_name_or_a_route() {
    let names: BTreeSet<_> = api::OPERATIONS.iter().map(|operation| operation.name).collect();
    let ids: BTreeSet<_> = api::OPERATIONS.iter().map(|operation| operation.id).collect();
    let routes: usize = api::OPERATIONS.iter().map(|operation| operation.routes.len()).sum();
    let distinct: BTreeSet<_> = registered().into_iter().map(|(path, method, _)| (path, method)).collect();
    assert_eq!((names.len(), ids.len()), (api::OPERATIONS.len(), api::OPERATIONS.len()));
    assert_eq!(distinct.len(), routes);
}
