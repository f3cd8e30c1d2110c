//! Consistency of the checkout with the register of operations.

use std::collections::BTreeSet;

use local::stack::checkout;

fn registered() -> BTreeSet<(String, String, String)> {
    let route = |operation: &'static shared::Operation| {
        operation
            .all_routes()
            .map(|route| (route.path.to_owned(), route.method.to_string(), operation.name.to_owned()))
    };
    api::OPERATIONS.iter().copied().flat_map(route).collect()
}

#[test]
fn every_operation_has_a_folder_of_its_name() {
    let folders = std::fs::read_dir(checkout().join("functions")).expect("functions/");
    let folders: BTreeSet<_> =
        folders.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    let operations = api::OPERATIONS.iter().map(|operation| operation.name.to_owned());
    let others = ["migrate", "router"].map(str::to_owned);
    assert_eq!(folders, operations.chain(others).collect());
}

#[test]
fn no_two_operations_share_a_name_or_a_route() {
    let names: BTreeSet<_> = api::OPERATIONS.iter().map(|operation| operation.name).collect();
    let ids: BTreeSet<_> = api::OPERATIONS.iter().map(|operation| operation.id).collect();
    let routes: usize = api::OPERATIONS.iter().map(|operation| operation.all_routes().count()).sum();
    let distinct: BTreeSet<_> = registered().into_iter().map(|(path, method, _)| (path, method)).collect();
    assert_eq!((names.len(), ids.len()), (api::OPERATIONS.len(), api::OPERATIONS.len()));
    assert_eq!(distinct.len(), routes);
}
