//! `cargo xtask adopt <name>`: renames the project throughout the checkout.
//!
//! The name is replaced as a whole word in three spellings, in every tracked text file and path. Licences, notices,
//! copyright lines and third-party files keep it.

mod files;
mod spelling;

use std::path::Path;

use anyhow::{Result, ensure};

use files::File;
use spelling::Name;

/// How many places are listed before "and ... more".
const LISTED: usize = 5;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The new name: one word of lower-case letters
    name: String,
    /// Accept a name that the checkout already has as a word, although the next `adopt` cannot tell the two apart
    #[arg(long)]
    even_if_taken: bool,
    /// Do not run `cargo xtask generate` at the end, which builds the project
    #[arg(long)]
    no_generate: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let root = crate::root();
    let (old, new) = (Name::new(project::NAME)?, Name::new(&arguments.name)?);
    ensure!(old != new, "the name is already {:?}", old.text());
    files::ensure_clean(&root)?;
    let before = files::tracked(&root)?;
    if !arguments.even_if_taken {
        ensure_free(&before, &new)?;
    }

    let (mentions, changed, moved) = rename(&root, &before, &old, &new)?;
    eprintln!("· replaced {mentions} mentions in {changed} files; {moved} files have a new path");
    // The new name changes the order of imports and the length of lines.
    crate::run(tools::cargo().args(["fmt", "--all"]))?;
    if !arguments.no_generate {
        crate::generate::run(crate::generate::Arguments { check: false })?;
    }
    report(&files::tracked(&root)?, &old, &new);
    Ok(())
}

/// Fails if a file already contains `new`, which the next `adopt` could not distinguish from the name.
fn ensure_free(files: &[File], new: &Name) -> Result<()> {
    let places = places(files, |file| file.mentions(new).collect());
    ensure!(
        places.is_empty(),
        "this checkout already contains the word {:?}:\n{}\nThe next `adopt` could not tell these places from the name. \
        Choose another name, change these places first, or use --even-if-taken if the name will not change again",
        new.text(),
        listed(&places)
    );
    Ok(())
}

/// Replaces the name in all files. Returns the number of mentions, of changed files and of moved files.
fn rename(root: &Path, files: &[File], old: &Name, new: &Name) -> Result<(usize, usize, usize)> {
    let (mut mentions, mut changed, mut moved) = (0, 0, 0);
    for before in files {
        let count = before.mentions(old).count();
        if count > 0 {
            let after = before.renamed(old, new);
            files::write(root, before, &after)?;
            mentions += count;
            changed += 1;
            moved += usize::from(before.path != after.path);
        }
    }
    Ok((mentions, changed, moved))
}

/// Prints what is left to do.
fn report(files: &[File], old: &Name, new: &Name) {
    // Such as a plural, whose replacement is not obvious.
    let inside = places(files, |file| {
        // Compare the text before the change, since the new name may contain the old one.
        let has = |text: &str| old.is_inside(&new.replaced(text, old)) && !files::is_notice(text);
        let path = has(&file.path).then_some(0);
        path.into_iter()
            .chain(file.text.lines().zip(1..).filter(|(line, _)| has(line)).map(|(_, at)| at))
            .collect()
    });
    println!(
        "\nThe project is now named {}. Licences, notices and copyright lines are unchanged.\n\nLeft to do:",
        new.text()
    );
    if !inside.is_empty() {
        println!(
            "  - rename by hand these places, which have the old name inside another word:\n{}",
            listed(&inside)
        );
    }
    println!(
        "  - look at `git diff`, run `cargo xtask test`, and commit
  - if you have used `cargo xtask dev` before: start it once with --fresh, because its database has the old name
  - rename the folder of the checkout and the repository, which have their own names"
    );
}

/// Lists the lines that `lines` finds in `files` as `path:line`; line 0 is the path itself.
fn places(files: &[File], lines: impl Fn(&File) -> Vec<usize>) -> Vec<String> {
    let place = |file: &File, line| match line {
        0 => file.path.clone(),
        line => format!("{}:{line}", file.path),
    };
    let mut places: Vec<_> =
        files.iter().flat_map(|file| lines(file).into_iter().map(move |line| place(file, line))).collect();
    places.dedup();
    places
}

/// The first [`LISTED`] of `places`, one per line, and the number of the others.
fn listed(places: &[String]) -> String {
    let mut lines: Vec<_> = places.iter().take(LISTED).map(|place| format!("      {place}")).collect();
    if places.len() > LISTED {
        lines.push(format!("      and {} more", places.len() - LISTED));
    }
    lines.join("\n")
}
