//! `cargo xtask new <operation> <METHOD> <route>`: the skeleton of an operation, which builds and answers.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail, ensure};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Name of the operation: a verb and a noun, such as `archive-product`
    operation: String,
    /// HTTP method, such as POST
    method: String,
    /// Path template, such as `/v1/products/{id}/archive`
    route: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let root = crate::root();
    let Names { operation, handler, id, method, route, role } = Names::new(arguments)?;
    let folder = root.join("functions").join(operation);
    ensure!(!folder.exists(), "functions/{operation} is there already");

    let register = root.join("api/src/lib.rs");
    let entry = format!("    {handler}::{{{handler}}},\n");
    let registered = insert_before_last(&fs::read_to_string(&register)?, "}", &entry)
        .context("api/src/lib.rs does not end with the list of operations")?;
    let manifest = root.join("api/Cargo.toml");
    let dependency = format!("{operation} = {{ path = \"../functions/{operation}\" }}\n");
    let depended = insert_before_last(&fs::read_to_string(&manifest)?, "shared.workspace", &dependency)
        .context("api/Cargo.toml has no line that begins with `shared.workspace`")?;

    fs::create_dir_all(folder.join("src"))?;
    for (file, text) in [
        ("Cargo.toml", include_str!("new/Cargo.toml.template")),
        ("src/main.rs", include_str!("new/main.rs.template")),
        ("src/lib.rs", include_str!("new/lib.rs.template")),
    ] {
        let text = text
            .replace("OPERATION_NAME", operation)
            .replace("HANDLER", &handler)
            .replace("OPERATION_ID", &id)
            .replace("METHOD", method)
            .replace("DOCUMENTED", &method.to_lowercase())
            .replace("PARAMETERS", &documented_parameters(route))
            .replace("ROUTE", route)
            .replace("ROLE", role);
        write(&folder.join(file), &text)?;
    }
    write(&root.join(format!("events/{operation}.json")), &event(method, route))?;
    write(&register, &registered)?;
    write(&manifest, &depended)?;
    crate::generate::run(crate::generate::Arguments { check: false })?;

    println!(
        "
{id} answers 200 with an empty object. Left to do:
  1. functions/{operation}/src/lib.rs: the handler and its SQL, and what its attributes say of them
  2. events/{operation}.json: a request that succeeds, and the status expected of it in tests/contract/events.rs
  3. tests/contract/: black-box tests of what a client relies on
  4. migrations/: a numbered file, if it needs a change of the schema"
    );
    Ok(())
}

struct Names<'a> {
    operation: &'a str,
    handler: String,
    id: String,
    method: &'a str,
    route: &'a str,
    role: &'static str,
}

impl<'a> Names<'a> {
    fn new(Arguments { operation, method, route }: &'a Arguments) -> Result<Self> {
        let is_name = operation.split('-').count() >= 2
            && operation
                .split('-')
                .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()));
        ensure!(is_name, "an operation is named with a verb and a noun in lower case: archive-product");
        let role = match method.as_str() {
            "GET" => "Reader",
            "POST" | "PUT" | "PATCH" | "DELETE" => "Writer",
            _ => bail!("METHOD is one of GET, POST, PUT, PATCH, DELETE"),
        };
        let is_route = route.starts_with('/')
            && route[1..].split('/').all(|segment| {
                let name = segment.strip_prefix('{').map_or(Some(segment), |rest| rest.strip_suffix('}'));
                name.is_some_and(|name| {
                    !name.is_empty() && !name.contains(['{', '}', '?', '#', '"', '\\', ' '])
                })
            });
        ensure!(
            is_route,
            "a route is a path whose parameters are whole segments: /v1/products/{{id}}/archive"
        );
        let mut id = String::new();
        for (index, word) in operation.split('-').enumerate() {
            let (first, rest) = word.split_at(1);
            id += &if index == 0 { first.to_owned() } else { first.to_uppercase() };
            id += rest;
        }
        Ok(Self { operation, handler: operation.replace('-', "_"), id, method, route, role })
    }
}

/// `text` with `addition` before the last line that begins with `mark`.
fn insert_before_last(text: &str, mark: &str, addition: &str) -> Option<String> {
    let at = text.rfind(&format!("\n{mark}"))? + 1;
    Some(format!("{}{addition}{}", &text[..at], &text[at..]))
}

/// The parameters of the route as attributes of the handler.
fn documented_parameters(route: &str) -> String {
    let names = route.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| format!("(\"{name}\" = String, Path), "))
        .collect::<String>()
        .trim_end_matches(", ")
        .to_owned()
}

/// A REST event for the route, with a UUID for each of its parameters.
fn event(method: &str, route: &str) -> String {
    const ID: &str = "01936b5e-7c00-7000-8000-000000000001";
    let mut path = String::new();
    let mut parameters = Vec::new();
    for segment in route[1..].split('/') {
        path.push('/');
        match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => {
                parameters.push(format!("\"{name}\": \"{ID}\""));
                path.push_str(ID);
            }
            None => path.push_str(segment),
        }
    }
    let parameters = match parameters.as_slice() {
        [] => "null".to_owned(),
        parameters => format!("{{{}}}", parameters.join(", ")),
    };
    let body = if method == "GET" || method == "DELETE" { "null" } else { "\"{}\"" };
    include_str!("new/event.json.template")
        .replace("METHOD", method)
        .replace("ROUTE", route)
        .replace("PARAMETERS", &parameters)
        .replace("PATH", &path)
        .replace("BODY", body)
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    println!("wrote {}", path.strip_prefix(crate::root()).unwrap_or(path).display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(operation: &str, method: &str, route: &str) -> Arguments {
        Arguments { operation: operation.to_owned(), method: method.to_owned(), route: route.to_owned() }
    }

    #[test]
    fn one_name_gives_all_the_others() {
        let arguments = arguments("list-artisan-products", "GET", "/v1/artisans/{id}/products");
        let names = Names::new(&arguments).unwrap();
        assert_eq!(
            (names.handler.as_str(), names.id.as_str()),
            ("list_artisan_products", "listArtisanProducts")
        );
        assert_eq!(names.role, "Reader");
    }

    #[test]
    fn refuses_names_methods_and_routes_that_cannot_work() {
        for (operation, method, route) in [
            ("archive", "POST", "/v1/x"),
            ("Archive-product", "POST", "/v1/x"),
            ("archive-", "POST", "/v1/x"),
            ("archive-product", "post", "/v1/x"),
            ("archive-product", "POST", "v1/x"),
            ("archive-product", "POST", "/v1/{id"),
            ("archive-product", "POST", "/v1/a{id}"),
            ("archive-product", "POST", "/v1//x"),
        ] {
            assert!(
                Names::new(&arguments(operation, method, route)).is_err(),
                "{operation} {method} {route}"
            );
        }
    }

    #[test]
    fn parameters_of_the_route_are_documented() {
        assert_eq!(
            documented_parameters("/v1/a/{id}/b/{other}"),
            "(\"id\" = String, Path), (\"other\" = String, Path)"
        );
        assert_eq!(documented_parameters("/v1/a"), "");
    }
}
