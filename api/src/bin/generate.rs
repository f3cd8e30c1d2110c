//! Writes the files that are derived from the register. With `--check` it reports those that are out of date,
//! and changes of the contract that break clients of the last release and are not declared in CHANGELOG.md.
//! With `--sql` it prints the statements of all resources.

use std::{env, process::ExitCode};

use anyhow::{Result, bail};

fn main() -> Result<ExitCode> {
    let is_check = match env::args().skip(1).collect::<Vec<_>>().as_slice() {
        [] => false,
        [option] if option == "--check" => true,
        [option] if option == "--sql" => {
            print!("{}", api::generated::statements());
            return Ok(ExitCode::SUCCESS);
        }
        _ => bail!("usage: generate [--check | --sql], in the root of the checkout"),
    };
    let root = env::current_dir()?;
    let mut status = ExitCode::SUCCESS;
    for file in api::generated::files(&root)? {
        if file.is_current(&root) {
            continue;
        }
        let (fault, cure, done) = match file.content {
            Some(_) => ("is out of date", "renews", "wrote"),
            None => ("is left over", "removes", "removed"),
        };
        if is_check {
            eprintln!("{} {fault}: `cargo xtask generate` {cure} it", file.path);
            status = ExitCode::FAILURE;
        } else {
            file.write(&root)?;
            eprintln!("· {done} {}", file.path);
        }
    }
    if is_check {
        eprintln!("{}", api::changes::check(&root)?);
    }
    Ok(status)
}
