//! Tokens for IAM database authentication: a presigned URL of the action `rds-db:connect`, signed locally
//! without a call to AWS.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign},
    sign::v4,
};

use crate::{
    environment::{AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, Variable},
    secret::Secret,
};

/// How long a token is valid: the maximum that RDS accepts.
const TIME_TO_LIVE: Duration = Duration::from_secs(15 * 60);

/// A token for `user` at `host` and `port`, signed with the credentials that Lambda sets in the environment.
///
/// # Errors
/// If the environment has no credentials, or signing fails.
pub(super) fn token(host: &str, port: u16, user: &str, region: &str) -> Result<Secret, String> {
    let required = |it: Variable| it.read().ok_or_else(|| format!("{it} is not set"));
    let credentials = Credentials::new(
        required(AWS_ACCESS_KEY_ID)?,
        required(AWS_SECRET_ACCESS_KEY)?,
        AWS_SESSION_TOKEN.read(),
        None,
        "environment",
    );
    sign_token(host, port, user, region, credentials, SystemTime::now())
}

fn sign_token(
    host: &str,
    port: u16,
    user: &str,
    region: &str,
    credentials: Credentials,
    time: SystemTime,
) -> Result<Secret, String> {
    let mut settings = SigningSettings::default();
    settings.expires_in = Some(TIME_TO_LIVE);
    settings.signature_location = SignatureLocation::QueryParams;
    let identity = credentials.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("rds-db")
        .time(time)
        .settings(settings)
        .build()
        .map_err(|error| error.to_string())?
        .into();

    let mut url = url::Url::parse(&format!("https://{host}:{port}/")).map_err(|error| error.to_string())?;
    url.query_pairs_mut().append_pair("Action", "connect").append_pair("DBUser", user);
    let request = SignableRequest::new("GET", url.as_str(), std::iter::empty(), SignableBody::Bytes(&[]))
        .map_err(|error| error.to_string())?;
    let (instructions, _signature) =
        sign(request, &parameters).map_err(|error| error.to_string())?.into_parts();
    for (name, value) in instructions.params() {
        url.query_pairs_mut().append_pair(name, value);
    }
    Ok(Secret::new(url.as_str().trim_start_matches("https://")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The token that botocore's `generate_db_auth_token` returns for the same input.
    #[test]
    fn signs_as_botocore_does() {
        let credentials = Credentials::new(
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            None,
            None,
            "test",
        );
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let token = sign_token("db.example.com", 5432, "catalog_reader", "ap-northeast-1", credentials, time)
            .unwrap();
        let url = url::Url::parse(&format!("https://{}", token.expose())).unwrap();
        let parameters: std::collections::HashMap<_, _> = url.query_pairs().collect();
        assert_eq!(
            parameters["X-Amz-Signature"],
            "1d35e2a5727427dce7e126e5b0fc28baa8eae3eb196ba0b3f3620bb17063a2d7"
        );
        assert_eq!((&*parameters["DBUser"], &*parameters["X-Amz-Expires"]), ("catalog_reader", "900"));
        assert!(token.expose().starts_with("db.example.com:5432/?Action=connect&"), "{}", token.expose());
    }
}
