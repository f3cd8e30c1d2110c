//! The call to AWS Secrets Manager, over the same TLS stack as the database.

mod transport;

use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_sdk_secretsmanager::{
    Client,
    config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig},
    error::ProvideErrorMetadata,
};
use transport::Transport;

use crate::{
    secret::Secret,
    telemetry::{self, Cause, Step},
};

/// Longest wait for the reply, including retries: the client waits all the while.
const TIMEOUT: Duration = Duration::from_secs(2);

/// A version of a secret, by its staging label.
///
/// A rotation usually sets the new password before it moves the labels: in between, only the pending version
/// can log in. If it moves the labels first, only the previous version can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The current version.
    Current,
    /// The version that a rotation is about to make current.
    Pending,
    /// The previous version.
    Previous,
}

impl Stage {
    /// The order in which versions are tried after the cached one was rejected. The first is tried again at
    /// the end, because a rotation may set the password or move the labels between two attempts, so that none
    /// of them works.
    pub const AFTER_REFUSAL: [Self; 4] = [Self::Current, Self::Pending, Self::Previous, Self::Current];

    /// The staging label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Current => "AWSCURRENT",
            Self::Pending => "AWSPENDING",
            Self::Previous => "AWSPREVIOUS",
        }
    }
}

/// A secret and the client that fetches it.
pub struct SecretsManager {
    client: Client,
    id: String,
}

impl SecretsManager {
    /// The secret `id`, a name or an ARN. Credentials come only from the environment variables that Lambda
    /// sets. `endpoint` overrides the region's.
    pub fn new(id: String, region: String, endpoint: Option<String>) -> Self {
        let config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(EnvironmentVariableCredentialsProvider::new())
            .http_client(Transport)
            .retry_config(RetryConfig::standard().with_max_attempts(2))
            .timeout_config(TimeoutConfig::builder().operation_timeout(TIMEOUT).build());
        let config = match endpoint {
            Some(endpoint) => config.endpoint_url(endpoint),
            None => config,
        };
        Self { client: Client::from_conf(config.build()), id }
    }

    /// Fetches the text of the version `stage`.
    ///
    /// # Errors
    /// The error of AWS, without the secret.
    pub(super) async fn fetch(&self, stage: Stage) -> Result<Secret, String> {
        let request = self.client.get_secret_value().secret_id(&self.id).version_stage(stage.label());
        let fetching = telemetry::step(Step::Secret);
        let answer = fetching.end(request.send().await).map_err(|error| {
            // The SDK's full error includes the response, and so may quote the secret.
            let code = error.code().map(|code| format!("{code}: ")).unwrap_or_default();
            format!("{}: {code}{}", stage.label(), Cause(&error))
        })?;
        let text = answer.secret_string().ok_or_else(|| format!("{} has no text", stage.label()))?;
        Ok(Secret::new(text))
    }
}

impl std::fmt::Debug for SecretsManager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretsManager").field("id", &self.id).finish_non_exhaustive()
    }
}
