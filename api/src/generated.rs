//! The files that are generated from the register, and whether those of a checkout are up to date.

mod configuration;
mod sam;
mod settings;

use std::{collections::BTreeSet, fmt::Write as _, fs, path::Path};

use anyhow::{Context, Result, ensure};
use http::Method;
use serde_json::{Value, json};
use shared::{
    Operation, Role, Route,
    http::{EXPOSED_HEADERS, REQUEST_HEADERS},
    resource::{Resource, Statements},
};

use crate::{
    OPERATIONS, document,
    samples::{self, Routes},
};

use settings::FunctionSettings;

/// A generated file, or one with a generated part.
pub struct Generated {
    /// The path relative to the root of the checkout.
    pub path: String,
    /// The expected content of the file; `None` if it is obsolete and must be removed.
    pub content: Option<String>,
}

/// Every generated file for the checkout at `root`.
///
/// # Errors
/// If the register and the handlers disagree, a file with a generated part is missing, or a sample request is
/// invalid.
pub fn files(root: &Path) -> Result<Vec<Generated>> {
    let document = document::document()?;
    let mut paths: Vec<_> = routes().map(|(route, _)| route.path).collect();
    paths.dedup();
    let manifest = fs::read_to_string(root.join("Cargo.toml")).context("Cargo.toml of the workspace")?;
    let template = fs::read_to_string(root.join("template.yaml")).context("template.yaml")?;
    let configuration = fs::read_to_string(root.join(configuration::PAGE)).context(configuration::PAGE)?;
    let content = [
        ("api/openapi.json", document::pretty(&document, &paths)),
        ("api/openapi-3.0.json", document::pretty(&document::to_3_0(&document), &paths)),
        ("api/policies.json", document::pretty(&policies(), &[])),
        ("cdk/lib/generated/operations.gen.ts", operations_ts(&document, root)?),
        ("cdk/lib/generated/project.gen.ts", project_ts()),
        ("Cargo.toml", with_router(&manifest)?),
        ("api/statements.sql", statements()),
        (configuration::PAGE, configuration::page(&configuration)?),
        ("template.yaml", sam::template(&template, &document, root)?),
    ];
    let content = content.map(|(path, content)| Generated { path: path.to_owned(), content: Some(content) });
    Ok(content.into_iter().chain(events(root)?).collect())
}

/// The folder of the events.
const EVENTS: &str = "events";

/// The events of all sample requests, and the files of events without a request.
fn events(root: &Path) -> Result<Vec<Generated>> {
    let routes = Routes::new()?;
    let mut events = Vec::new();
    for sample in samples::all(root)? {
        let path = format!("{EVENTS}/{}.json", sample.name);
        events.push(Generated { path, content: Some(routes.event(&sample)?) });
    }
    for entry in fs::read_dir(root.join(EVENTS)).into_iter().flatten() {
        let path = format!("{EVENTS}/{}", entry?.file_name().to_string_lossy());
        if path.ends_with(".json") && !events.iter().any(|event| event.path == path) {
            events.push(Generated { path, content: None });
        }
    }
    Ok(events)
}

impl Generated {
    /// Whether the file in the checkout at `root` is up to date.
    pub fn is_current(&self, root: &Path) -> bool {
        let path = root.join(&self.path);
        match &self.content {
            Some(content) => fs::read_to_string(path).is_ok_and(|it| it == *content),
            None => !path.exists(),
        }
    }

    /// Writes the file, or removes it.
    ///
    /// # Errors
    /// If the file cannot be written or removed.
    pub fn write(&self, root: &Path) -> Result<()> {
        let path = root.join(&self.path);
        let Some(content) = &self.content else {
            return fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()));
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
    }
}

fn routes() -> impl Iterator<Item = (Route, &'static Operation)> {
    OPERATIONS.iter().flat_map(|&operation| operation.all_routes().map(move |route| (route, operation)))
}

/// The `operationId` of a route in the contract.
fn operation_id<'d>(document: &'d Value, method: &Method, path: &str) -> &'d str {
    let name = method.as_str().to_ascii_lowercase();
    document["paths"][path][name]["operationId"].as_str().unwrap_or_default()
}

/// IAM policies for callers: one for reading, one that adds creating and changing, one for everything.
fn policies() -> Value {
    let statement = |id: &str, methods: &[Method]| {
        let resources: BTreeSet<_> = routes()
            .filter(|(route, _)| methods.contains(&route.method))
            .map(|(route, _)| arn(&route))
            .collect();
        json!({
            "Version": "2012-10-17",
            "Statement": [{"Sid": id, "Effect": "Allow", "Action": "execute-api:Invoke", "Resource": resources}],
        })
    };
    let reading = [Method::GET, Method::HEAD];
    let editing = [&reading[..], &[Method::POST, Method::PUT, Method::PATCH]].concat();
    let everything = [&editing[..], &[Method::DELETE]].concat();
    json!({
        "reader": statement("Read", &reading),
        "editor": statement("Edit", &editing),
        "admin": statement("Administer", &everything),
    })
}

/// A wildcard for a UUID in the policies of callers: `*` would also match slashes, and so the paths below.
const ANY_UUID: &str = "????????-????-????-????-????????????";

/// The ARN of a route, for CloudFormation's `Fn::Sub`; a path parameter is any UUID.
fn arn(route: &Route) -> String {
    let path: Vec<_> =
        route.path.split('/').map(|part| if part.starts_with('{') { ANY_UUID } else { part }).collect();
    format!(
        "arn:${{AWS::Partition}}:execute-api:${{AWS::Region}}:${{AWS::AccountId}}:${{Api}}/${{Stage}}/{}{}",
        route.method,
        path.join("/")
    )
}

/// All SQL statements, for reviews of changes.
pub fn statements() -> String {
    #[derive(Default)]
    struct Shown(String);

    impl domain::Visitor for Shown {
        fn visit<T: Resource>(&mut self) {
            self.0.push('\n');
            self.0.push_str(&Statements::shown::<T>());
        }
    }

    let mut shown = Shown::default();
    domain::visit(&mut shown);
    format!(
        "-- Generated by `cargo xtask generate`: the statements of every resource, as they are sent.\n{}",
        shown.0
    )
}

/// The operations for the CDK app: a constant whose type contains every name and route.
fn operations_ts(document: &Value, root: &Path) -> Result<String> {
    let mut text = String::from(
        "// Generated from the register of operations by `cargo xtask generate`: do not edit.\n\n\
         /** Every operation, by its `operationId`. */\nexport const OPERATIONS = {\n",
    );
    for operation in OPERATIONS {
        let role = match operation.role {
            Role::Reader => "'reader'",
            Role::Writer => "'writer'",
            Role::None => "'none'",
        };
        let _ = writeln!(text, "  {}: {{", operation.id);
        let _ = writeln!(
            text,
            "    functionName: '{}',\n    databaseRole: {role},\n    routes: [",
            operation.name
        );
        for Route { method, path, is_open } in operation.all_routes() {
            let id = operation_id(document, &method, path);
            let _ = writeln!(
                text,
                "      {{ method: '{method}', path: '{path}', isOpen: {is_open}, operationId: '{id}' }},"
            );
        }
        // JSON is TypeScript.
        let _ = writeln!(text, "    ],\n    own: {},\n  }},", FunctionSettings::of(operation, root)?.json()?);
    }
    text.push_str(
        "} as const;\n\n/** The `operationId` of an operation. */\nexport type OperationId = keyof typeof OPERATIONS;\n\n\
         /** Request headers that pages of other origins may send. */\nexport const CORS_HEADERS = [\n",
    );
    let list = |text: &mut String, headers: &str| {
        for header in headers.split(", ") {
            let _ = writeln!(text, "  '{header}',");
        }
    };
    list(&mut text, REQUEST_HEADERS);
    text.push_str(
        "] as const;\n\n/** Response headers that pages of other origins may read. */\nexport const EXPOSED_HEADERS = [\n",
    );
    list(&mut text, EXPOSED_HEADERS);
    text.push_str(
        "] as const;\n\n/** Every gateway response, with its status, title and `Retry-After`, and whether the request may have\n * been carried out. */\n\
         export const GATEWAY_RESPONSES = {\n",
    );
    for (name, status, title) in sam::GATEWAY_RESPONSES {
        let retry_after = sam::retry_after_seconds(name).map_or("null".to_owned(), |it| it.to_string());
        let carried_out = sam::carried_out(name, *status);
        let carried_out = carried_out.map_or_else(|| "null".to_owned(), |word| format!("'{word}'"));
        let _ = writeln!(
            text,
            "  {name}: {{\n    status: {status},\n    title: '{title}',\n    retryAfterSeconds: {retry_after},\n    carriedOut: {carried_out},\n  }},"
        );
    }
    text.push_str("} as const;\n");
    Ok(text)
}

/// The project's name for the CDK app.
fn project_ts() -> String {
    let mut text =
        String::from("// Generated from the project's name by `cargo xtask generate`: do not edit.\n");
    for (name, value, meaning) in [
        ("NAME", project::NAME, "The name in stacks, scopes, the database and the like."),
        ("TITLE", project::TITLE, "The name for people to read."),
        (
            "METRICS_NAMESPACE",
            project::METRICS_NAMESPACE,
            "The CloudWatch namespace of the functions' metrics.",
        ),
    ] {
        // JSON is TypeScript.
        let _ = writeln!(text, "\n/** {meaning} */\nexport const {name} = {};", json!(value));
    }
    text
}

const ROUTER: &str =
    "# Routes of `cargo lambda watch`, generated from the register by `cargo xtask generate`.\n";
const ROUTER_END: &str = "# End of the generated routes.\n";

/// `manifest` with the generated router of `cargo lambda watch`.
fn with_router(manifest: &str) -> Result<String> {
    let mut router = String::from("[workspace.metadata.lambda.watch.router]\n");
    let mut seen = BTreeSet::new();
    for (Route { path, .. }, _) in routes() {
        if !seen.insert(path) {
            continue;
        }
        let _ = writeln!(router, "\"{path}\" = [");
        for (route, operation) in routes().filter(|(route, _)| route.path == path) {
            let _ =
                writeln!(router, "  {{ method = \"{}\", function = \"{}\" }},", route.method, operation.name);
        }
        router.push_str("]\n");
    }
    replaced(manifest, "Cargo.toml", [ROUTER, ROUTER_END], &router)
}

/// `text` of the file `name`, with `part` between the lines `start` and `end`.
///
/// # Errors
/// When a line is missing, or `start` is there twice.
pub fn replaced(text: &str, name: &str, [start, end]: [&str; 2], part: &str) -> Result<String> {
    let parts = text.split_once(start).and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
    let (before, after) =
        parts.with_context(|| format!("{name} has no part between {start:?} and {end:?}"))?;
    ensure!(!after.contains(start), "{name} has {start:?} twice");
    Ok(format!("{before}{start}{part}{end}{after}"))
}
