//! Token buckets: allow a burst at once, and then a steady rate.

use std::{collections::HashMap, hash::Hash, sync::Mutex};

use jiff::Timestamp;
use serde::Deserialize;

/// The maximum `Retry-After`; a rate may be zero.
const MAX_RETRY_AFTER_SECONDS: f64 = 86_400.0;

/// The rate and burst of a token bucket.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Throttle {
    /// The steady rate, in requests per second.
    pub rate: f64,
    /// The capacity of the bucket, in requests.
    pub burst: u32,
}

/// A bucket per key; keys without a bucket are not throttled.
pub(super) struct Buckets<K>(HashMap<K, Mutex<Bucket>>);

impl<K: Eq + Hash> Buckets<K> {
    pub(super) fn new(throttles: impl IntoIterator<Item = (K, Throttle)>) -> Self {
        Self(throttles.into_iter().map(|(key, throttle)| (key, Mutex::new(Bucket::new(throttle)))).collect())
    }

    /// Takes a token from the key's bucket. Fails with the number of seconds until there is one.
    pub(super) fn take(&self, key: &K, now: Timestamp) -> Result<(), u64> {
        let Some(bucket) = self.0.get(key) else { return Ok(()) };
        // Nothing panics while the lock is held; if something did, the bucket would still be usable.
        bucket.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take(now)
    }
}

/// A bucket that refills at its throttle's rate up to its burst. It starts full.
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
        // A clock that was set back does not refill the bucket.
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

    /// The results of requests at these times.
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
