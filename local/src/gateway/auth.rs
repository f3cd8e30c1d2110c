//! Authenticates the caller and checks that it may call the method. All methods of the stage have the same authoriser,
//! except the open ones, which have none (API Gateway's authorisation type NONE): there, credentials are neither
//! required nor read.

use http::HeaderName;

use super::{
    auth_request::AuthRequest,
    cognito::Cognito,
    errors::GatewayError,
    iam::{self, Iam},
    identity::Identity,
};

/// The stage's authoriser.
#[derive(Clone, Default)]
pub enum Auth {
    /// Everyone may call everything.
    #[default]
    None,
    /// AWS_IAM: principals that have signed the request and have the permission.
    Iam(Iam),
    /// Callers with a token of a user pool.
    Cognito(Cognito),
}

impl Auth {
    /// Whether the header is passed to the function. The gateway removes credentials.
    pub(super) fn passes_header(&self, name: &HeaderName) -> bool {
        match self {
            Self::None | Self::Cognito(_) => true,
            Self::Iam(_) => iam::passes_header(name),
        }
    }

    /// Whether the query parameter is passed to the function.
    pub(super) fn passes_parameter(&self, name: &str) -> bool {
        match self {
            Self::None | Self::Cognito(_) => true,
            Self::Iam(_) => iam::passes_parameter(name),
        }
    }

    /// Returns the caller if it may make the request.
    pub(super) fn authorise(&self, request: &AuthRequest<'_>) -> Result<Identity, GatewayError> {
        match self {
            Self::None => Ok(Identity::anonymous()),
            Self::Iam(iam) => iam.authorise(request),
            Self::Cognito(cognito) => cognito.authorise(request),
        }
    }
}
