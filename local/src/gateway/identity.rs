//! Who calls, as an event names it: what the authorisers find out.

use std::collections::BTreeMap;

use serde::Serialize;

/// What a token says of its bearer, as text.
pub(super) type Claims = BTreeMap<String, String>;

/// Who calls; without an authoriser nobody in particular.
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
    /// Left out where no key is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) api_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) api_key_id: Option<String>,
    /// Of a user pool's token; they have a place of their own.
    #[serde(skip)]
    pub(super) claims: Option<Claims>,
}

impl Identity {
    pub(super) fn anonymous() -> Self {
        Self::default()
    }
}
