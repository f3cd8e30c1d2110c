//! `cargo xtask adopt <name>`: gives the checkout another name, wherever it stands.
//!
//! The name is replaced as a word in three spellings, in every tracked text and path. Licences, notices, lines about
//! copyright and the files of others keep it.

mod files;
mod spelling;

use std::path::Path;

use anyhow::{Result, ensure};

use files::File;
use spelling::Name;

/// How many places are listed before "and so on".
const LISTED: usize = 5;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The new name: one word of lower-case letters
    name: String,
    /// Take a name that stands somewhere as another word, though `adopt` cannot tell the two apart the next time
    #[arg(long)]
    even_if_taken: bool,
    /// Do not run `cargo xtask generate` at the end, which builds the project
    #[arg(long)]
    no_generate: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let root = crate::root();
    let (old, new) = (Name::new(project::NAME)?, Name::new(&arguments.name)?);
    ensure!(old != new, "the name is {:?} already", old.text());
    files::ensure_clean(&root)?;
    let before = files::tracked(&root)?;
    if !arguments.even_if_taken {
        ensure_free(&before, &new)?;
    }

    let (mentions, changed, moved) = rename(&root, &before, &old, &new)?;
    eprintln!("· {mentions} mentions in {changed} files, of which {moved} have another path now");
    // Imports are sorted, and lines broken, by what they say.
    crate::run(tools::cargo().args(["fmt", "--all"]))?;
    if !arguments.no_generate {
        crate::generate::run(crate::generate::Arguments { check: false })?;
    }
    report(&files::tracked(&root)?, &old, &new);
    Ok(())
}

/// Fails if a file has `new` already: those mentions could not be told from the name from then on.
fn ensure_free(files: &[File], new: &Name) -> Result<()> {
    let places = places(files, |file| file.mentions(new).collect());
    ensure!(
        places.is_empty(),
        "{:?} is a word of this checkout already:\n{}\nThe next `adopt` could not tell these places from the name. Choose \
         another name, change these places first, or repeat this with --even-if-taken if the name will not change again",
        new.text(),
        listed(&places)
    );
    Ok(())
}

/// Replaces the name in all files. Returns how many mentions there were, in how many files, and how many files moved.
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

/// Says what is left to do.
fn report(files: &[File], old: &Name, new: &Name) {
    // Such as a plural, of which nobody knows what it should become.
    let inside = places(files, |file| {
        // As it was before: the new name may have the old one in it.
        let has = |text: &str| old.is_inside(&new.replaced(text, old)) && !files::is_notice(text);
        let path = has(&file.path).then_some(0);
        path.into_iter()
            .chain(file.text.lines().zip(1..).filter(|(line, _)| has(line)).map(|(_, at)| at))
            .collect()
    });
    println!(
        "\nThis is {} now. Licences, notices and lines about copyright stay as they are.\n\nLeft to do:",
        new.text()
    );
    if !inside.is_empty() {
        println!("  - rename by hand what has the old name inside of another word:\n{}", listed(&inside));
    }
    println!(
        "  - look at `git diff`, run `cargo xtask test`, and commit
  - if `cargo xtask dev` was used before: start it once with --fresh, because its database has the old name
  - rename the folder of the checkout and its repository, which have names of their own"
    );
}

/// `path:line` of each place in `files` that `lines` finds; line 0 is the path itself.
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

/// The first of `places`, one a line, and how many more there are.
fn listed(places: &[String]) -> String {
    let mut lines: Vec<_> = places.iter().take(LISTED).map(|place| format!("      {place}")).collect();
    if places.len() > LISTED {
        lines.push(format!("      and {} more", places.len() - LISTED));
    }
    lines.join("\n")
}
