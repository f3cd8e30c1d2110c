//! Limits that apply to every caller: address ranges, API keys, throttles, quotas. All are off by default.

use std::net::IpAddr;

use http::{Method, StatusCode};
use ipnet::IpNet;
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    errors::GatewayError,
    routes::Matched,
    throttle::{Buckets, Throttle},
    usage::{ApiKey, Usage},
};

/// The limits of a stage.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The resource policy: address ranges that may call; if empty, all may.
    pub source_ips: Vec<IpNet>,
    /// The keys of the usage plan; if there are any, every request must have one.
    pub api_keys: Vec<ApiKey>,
    /// The throttle for all requests together.
    pub throttle: Option<Throttle>,
    /// The throttles for single methods.
    pub methods: Vec<MethodThrottle>,
}

/// The throttle of one method of one resource.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MethodThrottle {
    /// The method, such as `GET`.
    #[serde(deserialize_with = "method")]
    pub method: Method,
    /// The resource's template, such as `/v1/products/{id}`.
    pub path: String,
    /// The method's throttle.
    pub throttle: Throttle,
}

impl Limits {
    /// Applies the resource policy, before any other step could reveal what exists. `resource` is the ARN of the called
    /// method.
    pub(super) fn admit_address(&self, address: IpAddr, resource: &str) -> Result<(), GatewayError> {
        // A dual-stack socket reports IPv4 clients as `::ffff:192.0.2.1`.
        let address = address.to_canonical();
        if self.source_ips.is_empty() || self.source_ips.iter().any(|range| range.contains(&address)) {
            return Ok(());
        }
        let detail = format!(
            "User: anonymous is not authorized to perform: execute-api:Invoke on resource: {resource} with an explicit deny"
        );
        Err(GatewayError::new(StatusCode::FORBIDDEN, "AccessDeniedException", detail)
            .because(format!("{address} is not among the addresses that may call")))
    }
}

fn method<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Method, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| serde::de::Error::custom(format!("`{text}` is not a method")))
}

/// How much of the limits has been used.
pub(super) struct Meters {
    pub(super) usage: Usage,
    stage: Buckets<()>,
    methods: Buckets<(Method, String)>,
}

impl Meters {
    pub(super) fn new(limits: &Limits) -> Self {
        let methods = limits.methods.iter();
        Self {
            usage: Usage::new(&limits.api_keys),
            stage: Buckets::new(limits.throttle.map(|throttle| ((), throttle))),
            methods: Buckets::new(
                methods.map(|limit| ((limit.method.clone(), limit.path.clone()), limit.throttle)),
            ),
        }
    }

    /// Counts a request in the method's throttle, then in the stage's; fails if either is used up. The API key's limits
    /// in [`Usage`] apply before that.
    pub(super) fn admit(
        &self,
        method: &Method,
        route: &Matched<'_>,
        now: Timestamp,
    ) -> Result<(), GatewayError> {
        self.methods
            .take(&(method.clone(), route.resource.template.clone()), now)
            .map_err(|seconds| GatewayError::too_many_requests(seconds).because("the method's throttle"))?;
        self.stage
            .take(&(), now)
            .map_err(|seconds| GatewayError::too_many_requests(seconds).because("the stage's throttle"))
    }
}
