//! A reusable timeout for waits that rarely expire.
//!
//! `tokio::time::timeout_at` deregisters its timer when the work completes. The next timer, being the only
//! one, then has to wake the driver, which costs a system call per wait. A timer whose deadline is only ever
//! moved later stays registered.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
};

use tokio::time::{Instant, Sleep, sleep_until};

/// The deadline passed before the work completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Elapsed;

/// A timer, bound to the runtime in which it was created.
#[derive(Debug)]
pub(crate) struct Alarm(Pin<Box<Sleep>>);

impl Alarm {
    /// An alarm without a deadline.
    pub(crate) fn new() -> Self {
        Self(Box::pin(sleep_until(Instant::now())))
    }

    /// Runs `work` and returns its output, or an error once `deadline` has passed.
    pub(crate) async fn timeout_at<T>(
        &mut self,
        deadline: Instant,
        work: impl Future<Output = T>,
    ) -> Result<T, Elapsed> {
        let mut work = pin!(work);
        self.0.as_mut().reset(deadline);
        poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending => self.0.as_mut().poll(context).map(|()| Err(Elapsed)),
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, time::Duration};

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn rings_at_its_time_however_often_it_was_set() {
        let mut alarm = Alarm::new();
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        for (deadline, work, rings) in
            [(10, 5, false), (20, 6, false), (15, 100, true), (17, 1, false), (18, 9, true)]
        {
            let done = alarm.timeout_at(at(deadline), sleep(Duration::from_secs(work))).await;
            assert_eq!(done.is_err(), rings, "by {deadline}");
            assert!(!rings || begun.elapsed() >= Duration::from_secs(deadline), "{:?}", begun.elapsed());
        }
        assert_eq!(begun.elapsed().as_secs(), 18);
        assert_eq!(alarm.timeout_at(at(1), pending::<()>()).await, Err(Elapsed));
        assert_eq!(alarm.timeout_at(at(1), async { 7 }).await, Ok(7));
    }
}
