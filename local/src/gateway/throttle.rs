//! Token buckets: a burst at once, and from then on a rate.

use std::{collections::HashMap, hash::Hash, sync::Mutex};

use jiff::Timestamp;
use serde::Deserialize;

/// The longest time that a client is told to wait for a token: there are rates of nothing.
const MAX_RETRY_AFTER_SECONDS: f64 = 86_400.0;

/// How many requests are let through.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Throttle {
    /// Requests per second in the long run.
    pub rate: f64,
    /// Requests at once.
    pub burst: u32,
}

/// A bucket for each of some keys; what has no bucket is not throttled.
pub(super) struct Buckets<K>(HashMap<K, Mutex<Bucket>>);

impl<K: Eq + Hash> Buckets<K> {
    pub(super) fn new(throttles: impl IntoIterator<Item = (K, Throttle)>) -> Self {
        Self(throttles.into_iter().map(|(key, throttle)| (key, Mutex::new(Bucket::new(throttle)))).collect())
    }

    /// Takes a token of the key's bucket, or tells in how many seconds there will be one.
    pub(super) fn take(&self, key: &K, now: Timestamp) -> Result<(), u64> {
        let Some(bucket) = self.0.get(key) else { return Ok(()) };
        // Nothing can panic while it is held; if something did, its numbers would be as good as any.
        bucket.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take(now)
    }
}

/// A bucket that fills at its throttle's rate up to its burst, and is full at first.
struct Bucket {
    throttle: Throttle,
    tokens: f64,
    filled: Option<Timestamp>,
}

impl Bucket {
    fn new(throttle: Throttle) -> Self {
        Self { throttle, tokens: f64::from(throttle.burst), filled: None }
    }

    fn take(&mut self, now: Timestamp) -> Result<(), u64> {
        let Throttle { rate, burst } = self.throttle;
        // A clock that was set back fills nothing.
        let elapsed = self.filled.map_or(0.0, |filled| now.duration_since(filled).as_secs_f64().max(0.0));
        self.filled = Some(self.filled.map_or(now, |filled| filled.max(now)));
        self.tokens = (self.tokens + elapsed * rate).min(f64::from(burst));
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        let seconds = ((1.0 - self.tokens) / rate).ceil().clamp(1.0, MAX_RETRY_AFTER_SECONDS);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped just above")]
        Err(seconds as u64)
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    /// The outcome of a request at each of these milliseconds.
    fn outcomes(rate: f64, burst: u32, at_ms: &[i64]) -> Vec<Result<(), u64>> {
        let start: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
        let buckets = Buckets::new([("key", Throttle { rate, burst })]);
        at_ms.iter().map(|ms| buckets.take(&"key", start + SignedDuration::from_millis(*ms))).collect()
    }

    #[test]
    fn lets_a_burst_through_and_then_the_rate() {
        let full = [Ok(()), Ok(()), Err(1), Err(1), Ok(()), Err(1), Ok(())];
        assert_eq!(outcomes(2.0, 2, &[0, 0, 0, 400, 500, 900, 1_000]), full);
    }

    #[test]
    fn saves_up_no_more_than_the_burst() {
        assert_eq!(
            outcomes(10.0, 2, &[0, 0, 60_000, 60_000, 60_000]),
            [Ok(()), Ok(()), Ok(()), Ok(()), Err(1)]
        );
    }

    #[test]
    fn tells_when_there_is_a_token() {
        assert_eq!(
            outcomes(0.1, 1, &[0, 0, 4_000, 9_999, 10_000]),
            [Ok(()), Err(10), Err(6), Err(1), Ok(())]
        );
        assert_eq!(outcomes(0.0, 1, &[0, 0]), [Ok(()), Err(86_400)]);
        assert_eq!(outcomes(1.0, 0, &[0, 60_000]), [Err(1), Err(1)]);
    }

    #[test]
    fn a_clock_that_is_set_back_fills_nothing() {
        assert_eq!(
            outcomes(1.0, 1, &[5_000, 0, 4_000, 5_500, 6_000]),
            [Ok(()), Err(1), Err(1), Err(1), Ok(())]
        );
    }

    #[test]
    fn throttles_only_what_has_a_bucket() {
        let buckets = Buckets::new([("a", Throttle { rate: 0.0, burst: 0 })]);
        let now = Timestamp::UNIX_EPOCH;
        assert_eq!((buckets.take(&"a", now), buckets.take(&"b", now)), (Err(86_400), Ok(())));
    }
}
