//! The parts of `template.yaml` that are generated from the register: the paths of the REST API and the
//! resources of each operation. Everything that operations share is written by hand around them.
//!
//! A value that several operations share is written once, under a YAML anchor, at its first use.

mod function;
mod gateway;

use std::{collections::BTreeSet, path::Path};

use anyhow::Result;
use http::Method;
use serde_json::Value;
use shared::Operation;

use super::{replaced, settings::FunctionSettings};
use crate::OPERATIONS;

pub(super) use gateway::{GATEWAY_RESPONSES, carried_out, retry_after_seconds};

const PATHS: &str = "        # Paths, generated from the register of operations by `cargo xtask generate`.\n";
const PATHS_END: &str = "        # End of the generated paths.\n";
const THROTTLES: &str =
    "        # Throttles, generated from the register of operations by `cargo xtask generate`.\n";
const THROTTLES_END: &str = "        # End of the generated throttles.\n";
const RESOURCES: &str =
    "  # Functions, generated from the register of operations by `cargo xtask generate`.\n";
const RESOURCES_END: &str = "  # End of the generated functions.\n";

/// `template` with its generated parts, for the checkout at `root`; `document` is the API contract.
pub(super) fn template(template: &str, document: &Value, root: &Path) -> Result<String> {
    let mut resources = String::new();
    let mut anchors = Anchors::default();
    for operation in OPERATIONS {
        resources.push_str(&function::resources(
            operation,
            &FunctionSettings::of(operation, root)?,
            &mut anchors,
        ));
    }
    let template = replaced(template, "template.yaml", [THROTTLES, THROTTLES_END], &gateway::throttles())?;
    let template = replaced(&template, "template.yaml", [PATHS, PATHS_END], &gateway::paths(document))?;
    replaced(&template, "template.yaml", [RESOURCES, RESOURCES_END], &resources)
}

/// The names of the anchors that have been written.
#[derive(Default)]
struct Anchors(BTreeSet<String>);

impl Anchors {
    /// The text after a member's colon: ` &name` and the value on first use, ` *name` afterwards.
    fn value(&mut self, name: &str, value: &str) -> String {
        if self.0.insert(name.to_owned()) { format!(" &{name}{value}") } else { format!(" *{name}") }
    }
}

/// The logical id of an operation's function: `GetProduct` for `get-product`.
fn logical_id(operation: &Operation) -> String {
    let mut id = String::new();
    for word in operation.name.split('-') {
        let (first, rest) = word.split_at(1);
        id.push_str(&first.to_ascii_uppercase());
        id.push_str(rest);
    }
    id
}

fn is_reading(method: &Method) -> bool {
    [Method::GET, Method::HEAD].contains(method)
}
