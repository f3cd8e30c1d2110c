//! Circuit breaker of an execution environment for the database. While it is open, reads that can be served
//! from the cache skip the database; now and then one of them probes it.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

/// The pause is this many times as long as the last failure took: after a failure that is detected at once,
/// such as a refused connection, the next request may try again at once.
const PAUSE_FACTOR: u32 = 4;

/// The longest pause, which bounds how late an environment notices that the database has recovered.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// Closed while the database answers.
#[derive(Debug, Default)]
pub(super) struct Circuit(Mutex<Option<Trouble>>);

#[derive(Debug, Clone, Copy)]
struct Trouble {
    pause: Duration,
    /// Wall-clock time, because a monotonic clock may stop in a frozen environment.
    since: SystemTime,
}

impl Circuit {
    /// Records that the database did not answer, and after how long.
    pub(super) fn open(&self, wait: Duration) {
        let pause = wait.saturating_mul(PAUSE_FACTOR).min(LONGEST_PAUSE);
        self.with(|trouble| *trouble = Some(Trouble { pause, since: SystemTime::now() }));
    }

    /// Records that the database answered.
    pub(super) fn close(&self) {
        self.with(|trouble| *trouble = None);
    }

    /// Whether the caller may query the database. After each pause one caller may, and the next pause begins.
    pub(super) fn lets_through(&self) -> bool {
        self.with(|trouble| match trouble {
            None => true,
            Some(trouble) => {
                let is_paused = trouble.since.elapsed().is_ok_and(|elapsed| elapsed < trouble.pause);
                if !is_paused {
                    trouble.since = SystemTime::now();
                }
                !is_paused
            }
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Option<Trouble>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Circuit {
        /// Moves the start of the trouble back by `time`.
        fn wait(&self, time: Duration) {
            self.with(|trouble| {
                if let Some(trouble) = trouble {
                    trouble.since -= time;
                }
            });
        }
    }

    #[test]
    fn lets_one_through_after_each_pause() {
        let circuit = Circuit::default();
        assert!(circuit.lets_through() && circuit.lets_through());
        for (wait_ms, pause_ms) in [(500, 2_000), (1_000, 4_000), (10_000, 4_000)] {
            circuit.open(Duration::from_millis(wait_ms));
            assert!(!circuit.lets_through());
            circuit.wait(Duration::from_millis(pause_ms - 500));
            assert!(!circuit.lets_through(), "{pause_ms} ms are not over");
            circuit.wait(Duration::from_millis(500));
            assert!(circuit.lets_through(), "{pause_ms} ms are over");
            assert!(!circuit.lets_through(), "one has asked");
        }
        circuit.close();
        assert!(circuit.lets_through() && circuit.lets_through());
    }

    #[test]
    fn a_clock_that_was_put_back_keeps_nobody_waiting() {
        let circuit = Circuit::default();
        circuit.open(Duration::from_secs(1));
        circuit.with(|trouble| trouble.as_mut().unwrap().since += Duration::from_secs(3_600));
        assert!(circuit.lets_through());
    }
}
