//! `cargo xtask docs`: the pages as a site. Building it checks every link between pages, to a heading and to a file.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use tools::python;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Serve the site on http://127.0.0.1:8000, and build it again when a page is saved
    #[arg(long)]
    serve: bool,
    /// Folder of the site, in place of target/docs-site
    #[arg(long, value_name = "FOLDER", conflicts_with = "serve")]
    output: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let programs = python::DOCS.install(crate::SAY)?;
    let root = crate::root();
    let target = crate::target_folder()?;
    let source = target.join("docs-source");
    link_files(&root, &source)?;
    let mut site = Command::new(programs.join("properdocs"));
    site.current_dir(&root).env("DOCS_SOURCE", &source);
    if arguments.serve {
        site.args(["serve", "--strict", "--watch", "docs", "--watch", "README.md"]);
    } else {
        let output = arguments.output.clone().unwrap_or_else(|| target.join("docs-site"));
        site.args(["build", "--strict", "--clean", "--site-dir"]).arg(std::path::absolute(output)?);
    }
    crate::run(site.args(["--config-file", "docs/properdocs.yml"]))
}

/// Links every file of the checkout at `root` into a new folder `source`: the generator takes all that is in the folder, and a
/// checkout also has what was built and installed.
fn link_files(root: &Path, source: &Path) -> Result<()> {
    if source.exists() {
        fs::remove_dir_all(source)?;
    }
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(root);
    let files = tools::output(&mut git).context("the files of the checkout")?;
    for file in files.split('\0').filter(|file| root.join(file).is_file()) {
        let link = source.join(file);
        fs::create_dir_all(link.parent().unwrap_or(source))?;
        symlink(root.join(file), &link).with_context(|| format!("cannot link {}", link.display()))?;
    }
    Ok(())
}
