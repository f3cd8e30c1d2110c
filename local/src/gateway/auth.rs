//! Who calls, and whether this method is theirs to call: one authoriser for all methods of the stage but the open ones,
//! which have none (API Gateway's authorisation type NONE): there, credentials are neither asked for nor looked at.

use http::{HeaderName, request::Parts};

use super::{
    Stage,
    cognito::Cognito,
    errors::GatewayError,
    event::Identity,
    exchange::Exchange,
    iam::{self, Iam},
    routes::Matched,
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

/// The authoriser of open routes.
static OPEN: Auth = Auth::None;

impl Stage {
    /// The authoriser of `route`.
    pub(super) fn auth(&self, route: &Matched<'_>) -> &Auth {
        if route.is_open { &OPEN } else { &self.options.auth }
    }
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
}

/// What an authoriser gets to see of a request.
pub(super) struct Claim<'a> {
    pub(super) stage: &'a Stage,
    pub(super) exchange: &'a Exchange,
    pub(super) head: &'a Parts,
    /// Signatures cover it.
    pub(super) body: &'a [u8],
}

impl Claim<'_> {
    /// The caller, if `auth` lets it call.
    pub(super) fn authorise(&self, auth: &Auth) -> Result<Identity, GatewayError> {
        match auth {
            Auth::None => Ok(Identity::anonymous()),
            Auth::Iam(iam) => iam.authorise(self),
            Auth::Cognito(cognito) => cognito.authorise(self),
        }
    }
}
