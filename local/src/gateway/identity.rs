//! The caller's identity in an event, as determined by the authorisers.

use std::collections::BTreeMap;

use serde::Serialize;

/// The claims of a token, as text.
pub(super) type Claims = BTreeMap<String, String>;

/// The caller's identity; without an authoriser all fields are empty.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub(super) struct Identity {
    pub(super) cognito_identity_pool_id: Option<String>,
    pub(super) account_id: Option<String>,
    pub(super) cognito_identity_id: Option<String>,
    pub(super) caller: Option<String>,
    pub(super) principal_org_id: Option<String>,
    pub(super) access_key: Option<String>,
    pub(super) cognito_authentication_type: Option<String>,
    pub(super) cognito_authentication_provider: Option<String>,
    pub(super) user_arn: Option<String>,
    pub(super) user: Option<String>,
    /// Left out if no key is required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) api_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) api_key_id: Option<String>,
    /// The claims of a user pool's token; an event has them in `requestContext.authorizer`.
    #[serde(skip)]
    pub(super) claims: Option<Claims>,
}

impl Identity {
    pub(super) fn anonymous() -> Self {
        Self::default()
    }
}
