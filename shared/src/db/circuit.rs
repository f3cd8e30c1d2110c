//! What an execution environment remembers of a database in trouble: so long, questions that can be answered without it
//! are, and one of them now and then finds out whether the trouble is over.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, SystemTime},
};

/// How much longer than the last failure has taken nobody asks: a failure that is known at once, as of a server that is
/// not there, keeps nobody from asking again at once.
const PAUSE_FACTOR: u32 = 4;

/// The longest such time: how late an environment may notice that the database is well again.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// Closed while the database is well.
#[derive(Debug, Default)]
pub(super) struct Circuit(Mutex<Option<Trouble>>);

#[derive(Debug, Clone, Copy)]
struct Trouble {
    pause: Duration,
    /// Wall-clock time, as a monotonic clock may stand still in a frozen environment.
    since: SystemTime,
}

impl Circuit {
    /// Notes that the database could not answer, and how long that took.
    pub(super) fn open(&self, wait: Duration) {
        let pause = wait.saturating_mul(PAUSE_FACTOR).min(LONGEST_PAUSE);
        self.with(|trouble| *trouble = Some(Trouble { pause, since: SystemTime::now() }));
    }

    /// Notes that the database has answered.
    pub(super) fn close(&self) {
        self.with(|trouble| *trouble = None);
    }

    /// Whether the caller may ask. After a pause one caller may, and the next pause begins.
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
        /// As if `time` had passed.
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
