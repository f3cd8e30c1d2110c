//! AWS_IAM: lets through what was signed with Signature Version 4 by a principal that may call the method.
//!
//! Stricter than the deployed gateway is known to be in one point: the body is always signed. `x-amz-content-sha256`
//! may be there and is then the body's hash; `UNSIGNED-PAYLOAD` is refused.

mod canonical;
mod presented;
mod principals;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod published;
mod refusal;
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
    canonical::{Sent, encoded},
    presented::{PARAMETERS, Presented, TOKEN_HEADER, in_basic_format},
    refusal::Refusal,
    signature::{TERMINATOR, hex_sha256, is_same_secret, is_signature, string_to_sign},
};
use super::{claim::Claim, errors::GatewayError, identity::Identity};

/// The service that requests to an API are signed for.
const SERVICE: &str = "execute-api";
/// How far a client's clock may be from ours.
const SKEW: SignedDuration = SignedDuration::from_mins(5);
/// The hash of the body, where a client sends it.
const CONTENT_HASH_HEADER: &str = "x-amz-content-sha256";

/// The authoriser, with everybody who has a key.
#[derive(Clone)]
pub struct Iam {
    principals: Arc<[Principal]>,
}

/// A signed request and what it is judged by.
struct Signed<'a> {
    sent: Sent<'a>,
    body: &'a [u8],
    now: Timestamp,
    region: &'a str,
    service: &'a str,
}

impl Iam {
    /// Lets `principals` in, and nobody else.
    pub fn new(principals: Vec<Principal>) -> Self {
        Self { principals: principals.into() }
    }

    /// Everybody who has a key.
    pub fn principals(&self) -> &[Principal] {
        &self.principals
    }

    /// The caller, if it has signed this very request and may call the method.
    pub(super) fn authorise(&self, claim: &Claim<'_>) -> Result<Identity, GatewayError> {
        let Claim { region, resource, exchange, head, body } = claim;
        let (method, path) = (head.method.as_str(), head.uri.path());
        let signed = Signed {
            sent: Sent { method, path, query: head.uri.query().unwrap_or_default(), headers: &head.headers },
            body,
            now: exchange.received,
            region,
            service: SERVICE,
        };
        let principal = self.authenticate(&signed)?;
        if !principal.may(method, path) {
            Err(Refusal::AccessDenied { user: principal.arn.clone(), resource: (*resource).to_owned() })?;
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

    /// Whose signature the request bears.
    fn authenticate(&self, signed: &Signed<'_>) -> Result<&Principal, Refusal> {
        let presented = Presented::read(&signed.sent)?;
        let principal = self.principal(&presented).ok_or(Refusal::UnknownKey)?;
        signed.check_scope(&presented)?;
        signed.check_time(&presented)?;
        signed.check_headers(&presented)?;
        signed.check_signature(&presented, &principal.secret_access_key)?;
        Ok(principal)
    }

    /// The principal with the presented key and, if it has one, session token.
    fn principal(&self, presented: &Presented) -> Option<&Principal> {
        let known = self.principals.iter().find(|known| known.access_key_id == presented.access_key_id)?;
        let is_its_token = match (&known.session_token, &presented.session_token) {
            (None, None) => true,
            (Some(known), Some(presented)) => is_same_secret(known, presented),
            _ => false,
        };
        is_its_token.then_some(known)
    }
}

impl Signed<'_> {
    fn check_scope(&self, presented: &Presented) -> Result<(), Refusal> {
        let scope = presented.scope();
        let signed_at = in_basic_format(presented.signed_at);
        if presented.terminator() != TERMINATOR {
            return Err(Refusal::invalid(
                "Credential should be scoped with a valid terminator: 'aws4_request'.",
            ));
        }
        if scope.region != self.region {
            return Err(Refusal::invalid(format!(
                "Credential should be scoped to a valid region: '{}'.",
                self.region
            )));
        }
        if scope.service != self.service {
            return Err(Refusal::invalid(format!(
                "Credential should be scoped to correct service: '{}'.",
                self.service
            )));
        }
        if !signed_at.starts_with(scope.date) || scope.date.len() != 8 {
            return Err(Refusal::invalid(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP.",
            ));
        }
        Ok(())
    }

    fn check_time(&self, presented: &Presented) -> Result<(), Refusal> {
        let Self { now, .. } = *self;
        let text = in_basic_format;
        let (earliest, latest) = (now - SKEW, now + SKEW);
        if presented.signed_at > latest {
            return Err(Refusal::invalid(format!(
                "Signature not yet current: {} is still later than {} ({} + 5 min.)",
                text(presented.signed_at),
                text(latest),
                text(now)
            )));
        }
        // A URL without an expiry lives as long as a signed header.
        let lifetime = presented.expires_seconds.map_or(SKEW, SignedDuration::from_secs);
        if now.duration_since(presented.signed_at) > lifetime {
            return Err(Refusal::invalid(match presented.expires_seconds {
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

    /// The host and all headers that AWS gives a meaning must be signed, and what is signed must be there.
    fn check_headers(&self, presented: &Presented) -> Result<(), Refusal> {
        let signed: Vec<_> = presented.signed_headers.split(';').collect();
        if !signed.contains(&"host") {
            return Err(Refusal::invalid(
                "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
            ));
        }
        if signed.iter().any(|name| !self.sent.headers.contains_key(*name)) {
            return Err(Refusal::invalid("A header in 'SignedHeaders' is not in the request."));
        }
        let is_unsigned =
            |name: &HeaderName| name.as_str().starts_with("x-amz-") && !signed.contains(&name.as_str());
        if self.sent.headers.keys().any(is_unsigned) {
            return Err(Refusal::invalid(
                "All 'X-Amz-' headers must be a 'SignedHeader' in the AWS Authorization.",
            ));
        }
        Ok(())
    }

    fn check_signature(&self, presented: &Presented, secret: &str) -> Result<(), Refusal> {
        let hash = hex_sha256(self.body);
        let claimed = self.sent.headers.get(CONTENT_HASH_HEADER);
        let is_honest = claimed.is_none_or(|claimed| claimed.as_bytes() == hash.as_bytes());
        let canonical = self.sent.canonical(&presented.signed_headers, presented.is_presigned, &hash);
        let string_to_sign =
            string_to_sign(&in_basic_format(presented.signed_at), &presented.scope(), &canonical);
        if is_honest && is_signature(secret, &presented.scope(), &string_to_sign, &presented.signature) {
            return Ok(());
        }
        Err(Refusal::Mismatch {
            canonical: legible(&canonical, presented.session_token.as_deref()),
            string_to_sign,
        })
    }
}

/// Whether a function gets to see the header. API Gateway drops `Authorization`, as here. It is said to pass the session
/// token on; here it ends at the gateway, since a function has no use for it and a log no right to it.
pub(super) fn passes_header(name: &HeaderName) -> bool {
    name != header::AUTHORIZATION && name != TOKEN_HEADER
}

/// Whether a function gets to see the query parameter: not those of a presigned URL, which hold the same.
pub(super) fn passes_parameter(name: &str) -> bool {
    !PARAMETERS.contains(&name)
}

/// A canonical request for its sender to read, without the session token.
fn legible(canonical: &[u8], session_token: Option<&str>) -> String {
    let text = String::from_utf8_lossy(canonical).into_owned();
    match session_token {
        None | Some("") => text,
        Some(token) => text.replace(token, "...").replace(&encoded(token.as_bytes()), "..."),
    }
}
