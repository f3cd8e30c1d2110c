//! Who calls, and whether this method is theirs to call: one authoriser for all methods of the stage but the open ones,
//! which have none (API Gateway's authorisation type NONE): there, credentials are neither asked for nor looked at.

use http::HeaderName;

use super::{
    claim::Claim,
    cognito::Cognito,
    errors::GatewayError,
    iam::{self, Iam},
    identity::Identity,
};

/// The stage's authoriser.
#[derive(Clone, Default)]
pub enum Auth {
    /// Everybody may call everything.
    #[default]
    None,
    /// AWS_IAM: those who have signed the request, if it is theirs to make.
    Iam(Iam),
    /// Those who have a token of a user pool.
    Cognito(Cognito),
}

impl Auth {
    /// Whether a function gets to see the header: what proves who calls ends at the gateway.
    pub(super) fn passes_header(&self, name: &HeaderName) -> bool {
        match self {
            Self::None | Self::Cognito(_) => true,
            Self::Iam(_) => iam::passes_header(name),
        }
    }

    /// Whether a function gets to see the query parameter.
    pub(super) fn passes_parameter(&self, name: &str) -> bool {
        match self {
            Self::None | Self::Cognito(_) => true,
            Self::Iam(_) => iam::passes_parameter(name),
        }
    }

    /// The caller, if it may call.
    pub(super) fn authorise(&self, claim: &Claim<'_>) -> Result<Identity, GatewayError> {
        match self {
            Self::None => Ok(Identity::anonymous()),
            Self::Iam(iam) => iam.authorise(claim),
            Self::Cognito(cognito) => cognito.authorise(claim),
        }
    }
}
