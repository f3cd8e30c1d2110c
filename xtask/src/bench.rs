//! `cargo xtask bench`: builds the functions as for deployment and the benchmark program, then replaces itself by that.

use std::{ffi::OsString, os::unix::process::CommandExt, process::Command};

use anyhow::{Context, Result};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Parts and options; --help lists them. `--quick` measures a few rounds only and records no results
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    options: Vec<OsString>,
}

/// The function that is compared with a baseline and with other implementations.
const COMPARED: &str = "get-product";

/// An operation of each kind: each program takes half a minute to build. `--all` measures every operation.
const OF_EACH_KIND: [&str; 5] =
    [COMPARED, "list-products", "search-products", "create-product", "patch-product"];

pub(crate) fn run(Arguments { options }: Arguments) -> Result<()> {
    let has = |option: &str| options.iter().any(|it| it == option);
    crate::run(tools::cargo().args(["build", "--workspace", "--bin", "bench"]))?;
    let is_loaded = has("load") || has("soak");
    let mut operations = Vec::new();
    let programs = if has("--help") || has("-h") || has("report") && options.len() == 1 {
        Vec::new()
    } else if has("--record") || has("--quick") && !has("scale") && !is_loaded {
        vec![COMPARED.to_owned(), "floor".to_owned()]
    } else {
        operations = if has("--all") || is_loaded {
            crate::deploy::functions()?.into_iter().filter(|name| name != "migrate").collect()
        } else {
            OF_EACH_KIND.map(str::to_owned).to_vec()
        };
        let others = ["floor".to_owned()].into_iter().chain(is_loaded.then(|| "local".to_owned()));
        operations.iter().cloned().chain(others).collect()
    };
    if !programs.is_empty() {
        eprintln!("· building the programs as for deployment, which takes minutes the first time");
        crate::run(&mut tools::release_build(programs.iter().map(String::as_str)))?;
    }

    let program = crate::target_folder()?.join("debug/bench");
    let mut bench = Command::new(&program);
    bench
        .args(operations.iter().flat_map(|name| ["--operation", name]))
        .args(options)
        .current_dir(crate::root());
    tools::without_cargo_variables(&mut bench);
    Err(bench.exec()).with_context(|| format!("cannot run {}", program.display()))
}
