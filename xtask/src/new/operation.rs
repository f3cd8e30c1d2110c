//! A new operation: its names, its files, and its entries in the register, the manifest of `api`, the tags and the
//! changelog.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::edits::{Edits, before_last, in_changelog, sorted_below};

/// The name, method and route of an operation, from which everything else is derived.
pub(crate) struct Operation {
    /// The name of the folder, the crate, the binary and the function, such as `archive-product`.
    pub(crate) name: String,
    /// The method, in upper case.
    pub(crate) method: String,
    /// The path template.
    pub(crate) route: String,
}

/// The tag of operations that belong to no resource.
const SERVICE: &str = "service";

impl Operation {
    /// The operation with these names.
    ///
    /// # Errors
    /// When one of them is invalid.
    pub(crate) fn new(name: &str, method: &str, route: &str) -> Result<Self> {
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
        let is_name = name.split('-').count() >= 2 && name.split('-').all(is_word);
        ensure!(is_name, "an operation's name is a verb and a noun in lower case: archive-product");
        if !["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method) {
            bail!("METHOD must be one of GET, POST, PUT, PATCH, DELETE");
        }
        let is_segment = |segment: &str| {
            let name = segment.strip_prefix('{').map_or(Some(segment), |rest| rest.strip_suffix('}'));
            name.is_some_and(|name| {
                !name.is_empty() && !name.contains(['{', '}', '?', '#', '"', '\\', ' ', '%'])
            })
        };
        ensure!(
            route.strip_prefix('/').is_some_and(|path| path.split('/').all(is_segment)),
            "a route is a path whose parameters are whole segments: /v1/products/{{id}}/archive"
        );
        Ok(Self { name: name.to_owned(), method: method.to_owned(), route: route.to_owned() })
    }

    /// The name of the crate in code, which is also that of the handler.
    pub(crate) fn handler(&self) -> String {
        self.name.replace('-', "_")
    }

    /// The `operationId`.
    pub(crate) fn id(&self) -> String {
        let mut id = String::new();
        for (index, word) in self.name.split('-').enumerate() {
            let (first, rest) = word.split_at(1);
            id += &if index == 0 { first.to_owned() } else { first.to_uppercase() };
            id += rest;
        }
        id
    }

    /// The tag in the documentation, which `api` derives from the route: the resource.
    pub(crate) fn tag(&self) -> &str {
        tag(&self.route)
    }

    /// The names of the route's parameters.
    fn parameters(&self) -> impl Iterator<Item = &str> {
        self.route.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
    }

    fn reads(&self) -> bool {
        self.method == "GET"
    }

    /// The status of the skeleton's response.
    fn status(&self) -> u16 {
        if self.reads() { 200 } else { 204 }
    }

    /// The code of an operation that responds and does nothing.
    pub(crate) fn skeleton(&self) -> String {
        let mut imports = vec![
            "App",
            "Operation",
            "Request",
            "Response",
            "Result",
            "Role",
            "Route",
            "contract::BadRequest",
        ];
        let documented = |name: &str| {
            format!(
                "(\"{name}\" = String, Path, format = \"uuid\", description = \"The id of the {}.\")",
                name_of(name, self)
            )
        };
        let parameters: Vec<_> = self.parameters().map(documented).collect();
        let parameters = match parameters.as_slice() {
            [] => String::new(),
            all => format!("    params(\n        {},\n    ),\n", all.join(",\n        ")),
        };
        if !parameters.is_empty() {
            imports.push("Uuid");
        }
        let reads =
            self.parameters().map(|name| format!("    request.path_parameter::<Uuid>(\"{name}\")?;\n"));
        let (response, reply) = match self.reads() {
            true => (
                "status = 200, description = \"An empty object.\", content_type = \"application/json\", body = Object",
                r#"document("application/json", "{}")"#,
            ),
            false => ("status = 204, description = \"Nothing was done.\"", "no_content()"),
        };
        include_str!("lib.rs.template")
            .replace("IMPORTS", &imports.join(", "))
            .replace("OPERATION_ID", &self.id())
            .replace("HANDLER", &self.handler())
            .replace("SUMMARY", &capitalised(&self.name.replace('-', " ")))
            .replace("METHOD", &self.method)
            .replace("DOCUMENTED", &self.method.to_lowercase())
            .replace("PARAMETERS", &parameters)
            .replace("RESPONSE", response)
            .replace("ROUTE", &self.route)
            .replace("ROLE", if self.reads() { "Reader" } else { "Writer" })
            .replace("REQUEST", if parameters.is_empty() { "_request" } else { "request" })
            .replace("READS", &reads.collect::<String>())
            .replace("REPLY", reply)
    }

    /// A request to the skeleton, with `id` as every parameter.
    pub(crate) fn request(&self, id: &str) -> String {
        let segment = |segment| if str::starts_with(segment, "{") { id } else { segment };
        let path: Vec<_> = self.route.split('/').map(segment).collect();
        format!("### {}\n# @status {}\n{} {}\n", self.name, self.status(), self.method, path.join("/"))
    }

    /// Adds the operation with this code and these sample requests to `edits`: its folder, and a line in every list of
    /// operations that is kept by hand.
    ///
    /// # Errors
    /// When the operation already exists, its route is taken, or a list is not found.
    pub(crate) fn add(&self, edits: &mut Edits, code: String, requests: String) -> Result<()> {
        let Self { name, method, route } = self;
        let routes = Routes::read(&edits.read("Cargo.toml")?)?;
        routes.ensure_is_free(method, route)?;
        let handler = self.handler();
        let folder = format!("functions/{name}");
        edits.create(
            &format!("{folder}/Cargo.toml"),
            include_str!("Cargo.toml.template").replace("OPERATION_NAME", name),
        )?;
        edits.create(
            &format!("{folder}/src/main.rs"),
            include_str!("main.rs.template").replace("HANDLER", &handler),
        )?;
        edits.create(&format!("{folder}/src/lib.rs"), code)?;
        edits.create(&format!("{folder}/requests.http"), requests)?;
        edits.change("api/Cargo.toml", |manifest| {
            let dependency = format!("{name} = {{ path = \"../{folder}\" }}");
            sorted_below(manifest, "[dependencies]", &dependency)
        })?;
        edits.change("api/src/lib.rs", |register| self.add_to_register(register, &routes))?;
        let described = capitalised(self.tag()) + ".";
        edits.change("api/src/document/tags.rs", |tags| with_tag(tags, self.tag(), &described))
    }

    /// Adds a line to the changelog.
    ///
    /// # Errors
    /// When the changelog cannot be read.
    pub(crate) fn add_to_changelog(&self, edits: &mut Edits) -> Result<()> {
        let Self { method, route, .. } = self;
        edits.change("CHANGELOG.md", |changelog| {
            in_changelog(changelog, &format!("- `{}`: `{method} {route}`.", self.id()))
        })
    }

    /// The register with this operation after the last one of the same resource. The operation of a new resource comes
    /// before those of the service.
    fn add_to_register(&self, register: &str, routes: &Routes) -> Result<String> {
        let entry = format!("    {0}::{{{0}}},\n", self.handler());
        let line_of = |name: &str| format!("\n    {}::{{", name.replace('-', "_"));
        let places =
            |tag| routes.of(tag).filter_map(|name| register.find(&line_of(name))).collect::<Vec<_>>();
        let at = match (places(self.tag()).into_iter().max(), places(SERVICE).into_iter().min()) {
            (Some(last), _) => last + 1 + register[last + 1..].find('\n').context("the line has no end")? + 1,
            (None, Some(service)) => service + 1,
            (None, None) => return before_last(register, "}", &entry),
        };
        Ok(format!("{}{entry}{}", &register[..at], &register[at..]))
    }
}

/// The table of tags with `tag` before that of the service, unless it is already there.
pub(crate) fn with_tag(tags: &str, tag: &str, description: &str) -> Result<String> {
    const SERVICE_TAG: &str = "(SERVICE, ";
    if tag == SERVICE || tags.contains(&format!("(\"{tag}\", ")) {
        return Ok(tags.to_owned());
    }
    ensure!(tags.contains(SERVICE_TAG), "there is no {SERVICE_TAG}");
    Ok(tags.replacen(SERVICE_TAG, &format!("(\"{tag}\", \"{description}\"), {SERVICE_TAG}"), 1))
}

/// Capitalises the first letter: "words" becomes "Words".
pub(crate) fn capitalised(words: &str) -> String {
    let (first, rest) = words.split_at_checked(1).unwrap_or_default();
    first.to_uppercase() + rest
}

/// The kind of thing that the parameter `name` is the id of: "product" for `products/{id}`.
fn name_of(name: &str, operation: &Operation) -> String {
    let parameter = format!("{{{name}}}");
    let segments: Vec<_> = operation.route.split('/').collect();
    let before = segments.windows(2).find(|pair| pair[1] == parameter).map_or("resource", |pair| pair[0]);
    before.strip_suffix('s').unwrap_or(before).to_owned()
}

/// The tag that `api` derives from a route.
fn tag(route: &str) -> &str {
    let mut segments = route.split('/').skip(1);
    let version = segments.next().and_then(|segment| segment.strip_prefix('v')).unwrap_or_default();
    let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    segments.next().filter(|_| is_version).unwrap_or(SERVICE)
}

/// The routes of the register, read from the generated part of the workspace's manifest.
pub(crate) struct Routes(BTreeMap<String, Vec<Method>>);

#[derive(Deserialize)]
struct Method {
    method: String,
    function: String,
}

impl Routes {
    /// Reads the routes in the workspace's manifest, the text of `Cargo.toml`.
    pub(crate) fn read(manifest: &str) -> Result<Self> {
        let manifest: toml::Value = toml::from_str(manifest).context("Cargo.toml")?;
        let router = ["workspace", "metadata", "lambda", "watch", "router"]
            .iter()
            .try_fold(&manifest, |table, name| table.get(name))
            .context("Cargo.toml has no routes of `cargo lambda watch`")?;
        Ok(Self(router.clone().try_into().context("the routes in Cargo.toml")?))
    }

    /// The operations with this tag.
    pub(crate) fn of<'a>(&'a self, tag: &'a str) -> impl Iterator<Item = &'a str> {
        let routes = self.0.iter().filter(move |(path, _)| self::tag(path) == tag);
        routes.flat_map(|(_, methods)| methods).map(|method| method.function.as_str())
    }

    /// Fails if `method` on `route` belongs to another operation, or if API Gateway would refuse the route: all
    /// parameters at the same place of a path must have the same name.
    fn ensure_is_free(&self, method: &str, route: &str) -> Result<()> {
        let taken = self.0.get(route).into_iter().flatten().find(|it| it.method == method);
        if let Some(taken) = taken {
            bail!("{method} {route} is already {}", taken.function);
        }
        for path in self.0.keys() {
            let differing = path.split('/').zip(route.split('/')).find(|(theirs, ours)| theirs != ours);
            if let Some((theirs, ours)) = differing
                && theirs.starts_with('{')
                && ours.starts_with('{')
            {
                bail!("{ours} of {route} is called {theirs} in {path}");
            }
        }
        Ok(())
    }

    /// The id in the sample requests to the resource of `route`, so that a new request finds the same row.
    pub(crate) fn sample_id(&self, root: &Path, route: &str) -> Option<String> {
        const LENGTH: usize = 36;
        let (before, _) = route.split_once('{')?;
        self.of(tag(route)).find_map(|name| {
            let text = fs::read_to_string(root.join(format!("functions/{name}/requests.http"))).ok()?;
            let (_, after) = text.split_once(&format!(" {before}"))?;
            let id = after.get(..LENGTH)?;
            id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-').then(|| id.to_owned())
        })
    }
}
