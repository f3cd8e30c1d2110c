//! AWS_IAM: accepts requests signed with Signature Version 4 by a principal that may call the method.
//!
//! As far as is known, it is stricter than the deployed gateway in one respect: the body is always signed. If
//! `x-amz-content-sha256` is present, it must be the body's hash; `UNSIGNED-PAYLOAD` is refused.

mod canonical;
mod credentials;
mod error;
mod principals;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod published;
mod signature;
mod signer;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::{HeaderName, header};
use jiff::{SignedDuration, Timestamp};

pub use principals::{Principal, is_match};
pub use signer::sign;

use self::{
    canonical::{SentRequest, encoded},
    credentials::{PARAMETERS, PresentedCredentials, TOKEN_HEADER, in_basic_format},
    error::AuthError,
    signature::{TERMINATOR, hex_sha256, is_same_secret, is_signature, string_to_sign},
};
use super::{auth_request::AuthRequest, errors::GatewayError, identity::Identity};

/// The service that requests to an API are signed for.
const SERVICE: &str = "execute-api";
/// The maximum clock skew of a client.
const SKEW: SignedDuration = SignedDuration::from_mins(5);
/// The optional header with the hash of the body.
const CONTENT_HASH_HEADER: &str = "x-amz-content-sha256";

/// The authoriser, with all principals that have a key.
#[derive(Clone)]
pub struct Iam {
    principals: Arc<[Principal]>,
}

/// A signed request, and the time, region and service to verify it with.
struct SignedRequest<'a> {
    sent: SentRequest<'a>,
    body: &'a [u8],
    now: Timestamp,
    region: &'a str,
    service: &'a str,
}

impl Iam {
    /// An authoriser that accepts only these `principals`.
    pub fn new(principals: Vec<Principal>) -> Self {
        Self { principals: principals.into() }
    }

    /// All principals that have a key.
    pub fn principals(&self) -> &[Principal] {
        &self.principals
    }

    /// Returns the caller if it has signed this request and may call the method.
    pub(super) fn authorise(&self, request: &AuthRequest<'_>) -> Result<Identity, GatewayError> {
        let AuthRequest { region, resource, exchange, head, body } = request;
        let (method, path) = (head.method.as_str(), head.uri.path());
        let signed = SignedRequest {
            sent: SentRequest {
                method,
                path,
                query: head.uri.query().unwrap_or_default(),
                headers: &head.headers,
            },
            body,
            now: exchange.received,
            region,
            service: SERVICE,
        };
        let principal = self.authenticate(&signed)?;
        if !principal.may(method, path) {
            Err(AuthError::AccessDenied { user: principal.arn.clone(), resource: (*resource).to_owned() })?;
        }
        Ok(Identity {
            account_id: Some(principal.account_id().to_owned()),
            caller: Some(principal.unique_id()),
            access_key: Some(principal.access_key_id.clone()),
            user_arn: Some(principal.arn.clone()),
            user: Some(principal.unique_id()),
            ..Identity::default()
        })
    }

    /// Returns the principal that has signed the request.
    fn authenticate(&self, signed: &SignedRequest<'_>) -> Result<&Principal, AuthError> {
        let presented = PresentedCredentials::read(&signed.sent)?;
        let principal = self.principal(&presented).ok_or(AuthError::UnknownKey)?;
        signed.check_scope(&presented)?;
        signed.check_time(&presented)?;
        signed.check_headers(&presented)?;
        signed.check_signature(&presented, &principal.secret_access_key)?;
        Ok(principal)
    }

    /// The principal with the presented access key id and, if it has one, session token.
    fn principal(&self, presented: &PresentedCredentials) -> Option<&Principal> {
        let known = self.principals.iter().find(|known| known.access_key_id == presented.access_key_id)?;
        let is_its_token = match (&known.session_token, &presented.session_token) {
            (None, None) => true,
            (Some(known), Some(presented)) => is_same_secret(known, presented),
            _ => false,
        };
        is_its_token.then_some(known)
    }
}

impl SignedRequest<'_> {
    fn check_scope(&self, presented: &PresentedCredentials) -> Result<(), AuthError> {
        let scope = presented.scope();
        let signed_at = in_basic_format(presented.signed_at);
        if presented.terminator() != TERMINATOR {
            return Err(AuthError::invalid(
                "Credential should be scoped with a valid terminator: 'aws4_request'.",
            ));
        }
        if scope.region != self.region {
            return Err(AuthError::invalid(format!(
                "Credential should be scoped to a valid region: '{}'.",
                self.region
            )));
        }
        if scope.service != self.service {
            return Err(AuthError::invalid(format!(
                "Credential should be scoped to correct service: '{}'.",
                self.service
            )));
        }
        if !signed_at.starts_with(scope.date) || scope.date.len() != 8 {
            return Err(AuthError::invalid(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.",
            ));
        }
        Ok(())
    }

    fn check_time(&self, presented: &PresentedCredentials) -> Result<(), AuthError> {
        let Self { now, .. } = *self;
        let text = in_basic_format;
        let (earliest, latest) = (now - SKEW, now + SKEW);
        if presented.signed_at > latest {
            return Err(AuthError::invalid(format!(
                "Signature not yet current: {} is still later than {} ({} + 5 min.)",
                text(presented.signed_at),
                text(latest),
                text(now)
            )));
        }
        // A URL without an expiry is valid as long as a signed header.
        let lifetime = presented.expires_seconds.map_or(SKEW, SignedDuration::from_secs);
        if now.duration_since(presented.signed_at) > lifetime {
            return Err(AuthError::invalid(match presented.expires_seconds {
                None => format!(
                    "Signature expired: {} is now earlier than {} ({} - 5 min.)",
                    text(presented.signed_at),
                    text(earliest),
                    text(now)
                ),
                Some(_) => format!(
                    "Signature expired: {} is now earlier than {}",
                    text(presented.signed_at + lifetime),
                    text(now)
                ),
            }));
        }
        Ok(())
    }

    /// The host and all `x-amz-` headers must be signed, and all signed headers must be present.
    fn check_headers(&self, presented: &PresentedCredentials) -> Result<(), AuthError> {
        let signed: Vec<_> = presented.signed_headers.split(';').collect();
        if !signed.contains(&"host") {
            return Err(AuthError::invalid(
                "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
            ));
        }
        if signed.iter().any(|name| !self.sent.headers.contains_key(*name)) {
            return Err(AuthError::invalid("A header in 'SignedHeaders' is not in the request."));
        }
        let is_unsigned =
            |name: &HeaderName| name.as_str().starts_with("x-amz-") && !signed.contains(&name.as_str());
        if self.sent.headers.keys().any(is_unsigned) {
            return Err(AuthError::invalid(
                "All 'X-Amz-' headers must be a 'SignedHeader' in the AWS Authorization.",
            ));
        }
        Ok(())
    }

    fn check_signature(&self, presented: &PresentedCredentials, secret: &str) -> Result<(), AuthError> {
        let hash = hex_sha256(self.body);
        let claimed = self.sent.headers.get(CONTENT_HASH_HEADER);
        let hash_matches = claimed.is_none_or(|claimed| claimed.as_bytes() == hash.as_bytes());
        let canonical = self.sent.canonical(&presented.signed_headers, presented.is_presigned, &hash);
        let string_to_sign =
            string_to_sign(&in_basic_format(presented.signed_at), &presented.scope(), &canonical);
        if hash_matches && is_signature(secret, &presented.scope(), &string_to_sign, &presented.signature) {
            return Ok(());
        }
        Err(AuthError::Mismatch {
            canonical: redacted(&canonical, presented.session_token.as_deref()),
            string_to_sign,
        })
    }
}

/// Whether the header is passed to the function. Like API Gateway, this drops `Authorization`. API Gateway reportedly
/// passes the session token on; this drops it, since a function has no use for it and it must not appear in a log.
pub(super) fn passes_header(name: &HeaderName) -> bool {
    name != header::AUTHORIZATION && name != TOKEN_HEADER
}

/// Whether the query parameter is passed to the function: those of a presigned URL, which are credentials, are not.
pub(super) fn passes_parameter(name: &str) -> bool {
    !PARAMETERS.contains(&name)
}

/// A canonical request to show to its sender, without the session token.
fn redacted(canonical: &[u8], session_token: Option<&str>) -> String {
    let text = String::from_utf8_lossy(canonical).into_owned();
    match session_token {
        None | Some("") => text,
        Some(token) => text.replace(token, "...").replace(&encoded(token.as_bytes()), "..."),
    }
}
