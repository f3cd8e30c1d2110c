//! This project's own subjects: every operation as deployed, and the floor.

use std::path::Path;

use anyhow::{Result, ensure};
use shared::Operation;

use crate::subject::Subject;

/// The operation that is compared with others.
pub const COMPARED: &str = "get-product";

/// The subject for an operation, whose program is in the folder `programs`.
///
/// # Errors
/// When the program has not been built.
pub fn operation(operation: &'static Operation, programs: &Path) -> Result<Subject> {
    let program = programs.join(operation.name);
    ensure!(program.is_file(), "{} has not been built", program.display());
    Ok(Subject {
        name: operation.name,
        about: format!("{} of this project", operation.id),
        folder: programs.to_owned(),
        environment: Vec::new(),
        deployed: vec![program.clone()],
        command: vec![program.into()],
    })
}

/// The floor, with a prepared and with an unnamed statement; its program is in the folder `programs`.
///
/// # Errors
/// When it has not been built.
pub fn floors(programs: &Path) -> Result<[Subject; 2]> {
    let program = programs.join("floor");
    ensure!(program.is_file(), "{} has not been built", program.display());
    let floor = |name, option: &str, statement| Subject {
        name,
        about: format!("bare sockets, {statement} statement, no logs, no metrics"),
        command: vec![program.clone().into(), option.into()],
        folder: programs.to_owned(),
        environment: Vec::new(),
        deployed: vec![program.clone()],
    };
    Ok([
        floor("floor-prepared", "--prepared", "a prepared"),
        floor("floor-unnamed", "--unnamed", "an unnamed"),
    ])
}
