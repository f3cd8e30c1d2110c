//! `cargo xtask new <operation> <METHOD> <route>`: adds an operation that builds, responds and passes every test.

mod edits;
mod operation;

use anyhow::Result;

pub(crate) use edits::{Edits, in_changelog, sorted_below};
pub(crate) use operation::{Operation, capitalised, with_tag};

use operation::Routes;

/// The id in sample requests to a resource without sample requests.
const ID: &str = "01936b5e-7c00-7000-8000-000000000002";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Name of the operation: a verb and a noun, such as `archive-product`
    operation: String,
    /// HTTP method, such as POST
    method: String,
    /// Path template, such as `/v1/products/{id}/archive`
    route: String,
}

pub(crate) fn run(Arguments { operation, method, route }: &Arguments) -> Result<()> {
    let root = crate::root();
    let operation = Operation::new(operation, method, route)?;
    let mut edits = Edits::new(&root);
    let id = Routes::read(&edits.read("Cargo.toml")?)?.sample_id(&root, route);
    let request = operation.request(id.as_deref().unwrap_or(ID));
    operation.add(&mut edits, operation.skeleton(), request)?;
    operation.add_to_changelog(&mut edits)?;
    edits.write()?;
    format_and_generate(&[&operation])?;

    let Operation { name, .. } = &operation;
    println!(
        "
{} responds, does nothing yet, and passes every test. Now fill in:
functions/{name}/src/lib.rs: the handler, its SQL, and its documentation in the attributes
functions/{name}/requests.http: requests, each with its expected status
  tests/contract/: tests of what a client relies on
  migrations/: a numbered file, if the schema has to change
  Then run `cargo xtask generate` and `cargo xtask test`. docs/adding-an-operation.md explains the steps.",
        operation.id()
    );
    Ok(())
}

/// Formats the new operations and the register, whose line breaks depend on the names in it, and runs
/// `cargo xtask generate`.
pub(crate) fn format_and_generate(operations: &[&Operation]) -> Result<()> {
    let packages = operations.iter().flat_map(|operation| ["-p", &operation.name]);
    crate::run(tools::cargo().args(["fmt", "-p", "api", "-p", "domain"]).args(packages))?;
    crate::generate::run(crate::generate::Arguments { check: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(name: &str, method: &str, route: &str) -> Operation {
        Operation::new(name, method, route).unwrap()
    }

    #[test]
    fn one_name_gives_all_the_others() {
        let operation = operation("list-artisan-products", "GET", "/v1/artisans/{id}/products");
        assert_eq!(
            (operation.handler().as_str(), operation.id().as_str(), operation.tag()),
            ("list_artisan_products", "listArtisanProducts", "artisans")
        );
    }

    #[test]
    fn refuses_names_methods_and_routes_that_cannot_work() {
        for (name, method, route) in [
            ("archive", "POST", "/v1/x"),
            ("Archive-product", "POST", "/v1/x"),
            ("archive-", "POST", "/v1/x"),
            ("archive-product", "post", "/v1/x"),
            ("archive-product", "POST", "v1/x"),
            ("archive-product", "POST", "/v1/{id"),
            ("archive-product", "POST", "/v1/a{id}"),
            ("archive-product", "POST", "/v1//x"),
        ] {
            assert!(Operation::new(name, method, route).is_err(), "{name} {method} {route}");
        }
    }

    #[test]
    fn refuses_what_is_there_already() {
        let root = crate::root();
        for (name, method, route, reason) in [
            ("get-product", "GET", "/v1/p", "functions/get-product/Cargo.toml already exists"),
            ("read-product", "GET", "/v1/products/{id}", "GET /v1/products/{id} is already get-product"),
            (
                "read-picture",
                "GET",
                "/v1/products/{sku}/x",
                "{sku} of /v1/products/{sku}/x is called {id} in ",
            ),
        ] {
            let operation = operation(name, method, route);
            let error = operation.add(&mut Edits::new(&root), String::new(), String::new()).unwrap_err();
            assert!(error.to_string().starts_with(reason), "{error}");
        }
    }

    #[test]
    fn what_is_new_is_beside_its_like() {
        let root = crate::root();
        let added = |name: &str, method: &str, route: &str, file: &str| {
            let mut edits = Edits::new(&root);
            let operation = operation(name, method, route);
            operation.add(&mut edits, String::new(), String::new()).unwrap();
            operation.add_to_changelog(&mut edits).unwrap();
            edits.read(file).unwrap()
        };
        let follows = |text: &str, line: &str| {
            let mut lines = text.lines().skip_while(|it| !it.contains(line)).skip(1);
            lines.next().unwrap().trim().to_owned()
        };
        let archive = |file| added("archive-product", "POST", "/v1/products/{id}/archive", file);
        assert_eq!(
            follows(&archive("api/src/lib.rs"), "    list_product_history::{"),
            "archive_product::{archive_product},"
        );
        assert_eq!(
            follows(&archive("api/Cargo.toml"), "archive-product"),
            "create-artisan = { path = \"../functions/create-artisan\" }"
        );
        let list = |file| added("list-workshops", "GET", "/v1/workshops", file);
        assert_eq!(follows(&list("api/src/lib.rs"), "list_workshops"), "get_health::{get_health},");
        let tags = list("api/src/document/tags.rs");
        let tags = tags.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(tags.contains(r#"("workshops", "Workshops."), (SERVICE, "#), "{tags}");
        assert!(list("CHANGELOG.md").contains("\n- `listWorkshops`: `GET /v1/workshops`.\n"));
    }

    #[test]
    fn sample_requests_find_what_those_of_the_same_resource_find() {
        let root = crate::root();
        let routes = Routes::read(&Edits::new(&root).read("Cargo.toml").unwrap()).unwrap();
        let id = |route: &str| routes.sample_id(&root, route);
        assert_eq!(id("/v1/artisans/{id}/portrait").unwrap(), ID);
        assert_eq!((id("/v1/workshops/{id}"), id("/v1/artisans")), (None, None));
        let request = operation("archive-product", "POST", "/v1/products/{id}/archive").request("7");
        assert_eq!(request, "### archive-product\n# @status 204\nPOST /v1/products/7/archive\n");
    }
}
