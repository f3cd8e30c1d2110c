//! Who calls, and whether this method is theirs to call: one authoriser for all methods of the stage.

use http::request::Parts;

use super::{Stage, errors::GatewayError, event::Identity, exchange::Exchange, routes::Matched};

/// The stage's authoriser.
#[derive(Clone, Default)]
pub enum Auth {
    /// Everybody may call everything.
    #[default]
    None,
}

/// What an authoriser gets to see of a request.
pub(super) struct Claim<'a> {
    pub(super) stage: &'a Stage,
    pub(super) exchange: &'a Exchange,
    pub(super) head: &'a Parts,
    pub(super) route: &'a Matched<'a>,
    /// Signatures cover it.
    pub(super) body: &'a [u8],
}

impl Claim<'_> {
    /// The caller, if the stage's authoriser lets it call.
    pub(super) fn authorise(&self) -> Result<Identity, GatewayError> {
        match &self.stage.options.auth {
            Auth::None => Ok(Identity::anonymous()),
        }
    }
}
