//! Installations take minutes and block: they run on a thread of their own, so that signals are heard meanwhile.

use anyhow::Result;
use tokio::{sync::mpsc, task::spawn_blocking};
use tools::Say;

/// The result of `work`, each of whose lines is passed on to `say` as it comes.
pub(crate) async fn aside<T: Send + 'static>(
    say: Say<'_>,
    work: impl FnOnce(Say<'_>) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (lines, mut said) = mpsc::unbounded_channel();
    let work = spawn_blocking(move || {
        work(&|line| {
            let _ = lines.send(line.to_owned());
        })
    });
    while let Some(line) = said.recv().await {
        say(&line);
    }
    work.await?
}
