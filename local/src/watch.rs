//! `--watch`: builds the functions when a file is saved, so that the next request runs the new build.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use local::{
    lambda::Functions,
    stack::{checkout, programs},
};
use notify::{Event, EventKind, RecursiveMode, Watcher, event::ModifyKind};
use tokio::{process::Command, sync::mpsc, time::timeout};

use crate::say::say;

/// The sources of the functions.
const FUNCTION_SOURCES: [&str; 3] = ["functions", "shared", "Cargo.toml"];
/// The sources that are compiled into this program: the register of routes, and the migrations, which run at startup.
const PROGRAM_SOURCES: [&str; 2] = ["api/src", "migrations"];

/// Changes closer together than this count as one save: an editor writes, renames and removes, and saves all open
/// files.
const QUIET: Duration = Duration::from_millis(100);

/// Watches and builds until the future is dropped.
///
/// # Errors
/// When the system cannot watch the folders, or cargo cannot be run.
pub(crate) async fn watch(functions: &Functions) -> Result<()> {
    let (saves, mut saved) = mpsc::unbounded_channel();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        let Ok(event) = event else { return };
        if is_save(&event.kind) {
            for path in event.paths {
                let _ = saves.send(path);
            }
        }
    })?;
    for path in FUNCTION_SOURCES.into_iter().chain(PROGRAM_SOURCES) {
        let path = checkout().join(path);
        watcher
            .watch(&path, RecursiveMode::Recursive)
            .with_context(|| format!("cannot watch {}", path.display()))?;
    }
    say("watching: saving a file builds it for the next request");
    while let Some(first) = saved.recv().await {
        let mut paths = vec![first];
        while let Ok(Some(path)) = timeout(QUIET, saved.recv()).await {
            paths.push(path);
        }
        let paths: Vec<_> = paths.iter().filter_map(|path| name(path)).collect();
        if let Some(path) = paths.iter().find(|path| PROGRAM_SOURCES.iter().any(|it| path.starts_with(it))) {
            say(&format!("{} is read only at startup: restart to apply the change", path.display()));
        }
        if let Some(path) = paths.iter().find(|path| FUNCTION_SOURCES.iter().any(|it| path.starts_with(it))) {
            build(path, functions).await?;
        }
    }
    Ok(())
}

fn is_save(kind: &EventKind) -> bool {
    match kind {
        EventKind::Modify(kind) => !matches!(kind, ModifyKind::Metadata(_)),
        EventKind::Create(_) | EventKind::Remove(_) => true,
        _ => false,
    }
}

/// The path relative to the checkout; `None` for temporary files of editors.
fn name(path: &Path) -> Option<PathBuf> {
    let file = path.file_name()?.to_str()?;
    let is_temporary = file.starts_with(['.', '#']) || file.ends_with('~') || file == "4913";
    let checkout = checkout().canonicalize().ok()?;
    let within = path.strip_prefix(&checkout).or_else(|_| path.strip_prefix(tools::checkout())).ok()?;
    (!is_temporary).then(|| within.to_owned())
}

/// Builds the functions, of which cargo rebuilds only those that changed, and reports which programs are new.
async fn build(saved: &Path, functions: &Functions) -> Result<()> {
    say(&format!("{} was saved: building", saved.display()));
    let begin = Instant::now();
    let mut cargo = Command::from(tools::cargo());
    // With the whole workspace's features, the same as every other build.
    cargo.args(["build", "--workspace", "--quiet"]);
    if programs()?.file_name().is_some_and(|profile| profile == "release") {
        cargo.arg("--release");
    }
    for operation in api::OPERATIONS {
        cargo.args(["--bin", operation.name]);
    }
    // The compiler's messages go to the terminal.
    let status = cargo.stdin(Stdio::null()).kill_on_drop(true).status().await.context("cannot run cargo")?;
    if !status.success() {
        say("the build failed: requests are still served by the previous build");
        return Ok(());
    }
    let seconds = begin.elapsed().as_secs_f64();
    let reloaded = functions.reload().await;
    let names = match reloaded.as_slice() {
        [] => "nothing, no function has changed".to_owned(),
        all if all.len() == api::OPERATIONS.len() => "every function".to_owned(),
        some => some.join(", "),
    };
    say(&format!("built in {seconds:.1} s: {names}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editors_own_files_are_not_saves_of_the_checkout() {
        let name = |path: &str| name(&checkout().join(path));
        assert_eq!(name("shared/src/lib.rs"), Some(PathBuf::from("shared/src/lib.rs")));
        for path in ["shared/src/.lib.rs.swp", "shared/src/lib.rs~", "shared/src/#lib.rs#", "shared/src/4913"]
        {
            assert_eq!(name(path), None, "{path}");
        }
        assert_eq!(super::name(Path::new("/etc/hosts")), None);
    }
}
