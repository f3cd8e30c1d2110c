//! The usage plan: API keys with their throttles and quotas.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, PoisonError},
};

use http::{HeaderMap, StatusCode};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Deserialize;

use super::{
    errors::GatewayError,
    throttle::{Buckets, Throttle},
};

/// An API key.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKey {
    /// The id of the key in logs and events.
    pub id: String,
    /// The secret value that the client sends as `x-api-key`.
    pub value: String,
    /// The throttle of the key.
    #[serde(default)]
    pub throttle: Option<Throttle>,
    /// The maximum number of requests per day, in UTC.
    #[serde(default)]
    pub quota_per_day: Option<u64>,
}

/// Leaves out the secret value.
impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, value: _, throttle, quota_per_day } = self;
        f.debug_struct("ApiKey")
            .field("id", id)
            .field("throttle", throttle)
            .field("quota_per_day", quota_per_day)
            .finish_non_exhaustive()
    }
}

/// The use of the keys so far.
pub(super) struct Usage {
    keys: HashMap<String, ApiKey>,
    buckets: Buckets<String>,
    /// The number of requests on a day, by key id.
    counts: Mutex<HashMap<String, (Date, u64)>>,
}

impl Usage {
    pub(super) fn new(keys: &[ApiKey]) -> Self {
        let throttles = keys.iter().filter_map(|key| Some((key.id.clone(), key.throttle?)));
        Self {
            keys: keys.iter().map(|key| (key.value.clone(), key.clone())).collect(),
            buckets: Buckets::new(throttles),
            counts: Mutex::default(),
        }
    }

    /// The key of the request, or `None` if no key is required. Fails if a key is required and missing or unknown.
    pub(super) fn key(&self, headers: &HeaderMap) -> Result<Option<&ApiKey>, GatewayError> {
        if self.keys.is_empty() {
            return Ok(None);
        }
        let sent = headers.get("x-api-key").and_then(|value| value.to_str().ok());
        sent.and_then(|value| self.keys.get(value)).map(Some).ok_or_else(|| forbidden(sent.is_some()))
    }

    /// Counts a request with this key, or fails if its quota or throttle is used up. A throttled request does not count
    /// towards the quota.
    pub(super) fn admit(&self, key: &ApiKey, now: Timestamp) -> Result<(), GatewayError> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let today = now.to_zoned(TimeZone::UTC).date();
        let (day, count) = counts.entry(key.id.clone()).or_insert((today, 0));
        if *day != today {
            (*day, *count) = (today, 0);
        }
        if key.quota_per_day.is_some_and(|quota| *count >= quota) {
            return Err(limit_exceeded(&key.id));
        }
        self.buckets.take(&key.id, now).map_err(|seconds| {
            GatewayError::too_many_requests(seconds).because(format!("the throttle of key {}", key.id))
        })?;
        *count += 1;
        Ok(())
    }
}

fn forbidden(is_sent: bool) -> GatewayError {
    let cause = if is_sent { "the API key is unknown" } else { "the API key is missing" };
    GatewayError::new(StatusCode::FORBIDDEN, "ForbiddenException", "Forbidden").because(cause)
}

/// Has no `Retry-After`, as in the deployed stack: a gateway response can only have a constant one.
fn limit_exceeded(key_id: &str) -> GatewayError {
    GatewayError::new(StatusCode::TOO_MANY_REQUESTS, "LimitExceededException", "Limit Exceeded")
        .because(format!("the quota of key {key_id}"))
}
