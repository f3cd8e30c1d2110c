//! Runs blocking work, such as an installation that takes minutes, on its own thread so that the program still handles
//! signals.

use anyhow::Result;
use tokio::{sync::mpsc, task::spawn_blocking};
use tools::Say;

/// Runs `work` on its own thread and forwards each line that it reports to `say`. Returns the result of `work`.
pub(crate) async fn run_blocking<T: Send + 'static>(
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
