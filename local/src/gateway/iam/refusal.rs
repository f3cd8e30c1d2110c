//! Why a request is not let through, in API Gateway's words. None of them quotes a secret, a token or a header.

use http::StatusCode;

use crate::gateway::errors::GatewayError;

/// A reason; all of them are 403.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// No credentials at all.
    MissingToken,
    /// Credentials that lack something, or cannot be read.
    Incomplete(String),
    /// A key that is not known, or a session token that is not the key's.
    UnknownKey,
    /// Credentials for another day, region or service, or from another time.
    Invalid(String),
    /// Another signature than the request's. The client gets to read what should have been signed.
    Mismatch { canonical: String, string_to_sign: String },
    /// A caller who may not call this method.
    AccessDenied { user: String, resource: String },
}

impl Refusal {
    pub(super) fn incomplete(detail: &str) -> Self {
        Self::Incomplete(detail.to_owned())
    }

    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::Invalid(detail.into())
    }
}

impl From<Refusal> for GatewayError {
    fn from(refusal: Refusal) -> Self {
        let forbidden = |error_type, detail| Self::new(StatusCode::FORBIDDEN, error_type, detail);
        match refusal {
            Refusal::MissingToken => {
                Self::missing_authentication_token().because("the request is not signed")
            }
            Refusal::Incomplete(detail) => forbidden("IncompleteSignatureException", detail),
            Refusal::UnknownKey => forbidden(
                "UnrecognizedClientException",
                "The security token included in the request is invalid.".to_owned(),
            )
            .because("the access key is unknown, or the session token is not its own"),
            Refusal::Invalid(detail) => forbidden("InvalidSignatureException", detail),
            Refusal::Mismatch { canonical, string_to_sign } => forbidden(
                "InvalidSignatureException",
                format!(
                    "The request signature we calculated does not match the signature you provided. Check your AWS \
                     Secret Access Key and signing method. Consult the service documentation for details.\n\n\
                     The Canonical String for this request should have been\n'{canonical}'\n\n\
                     The String-to-Sign should have been\n'{string_to_sign}'\n"
                ),
            )
            .because("the signature is not this request's"),
            Refusal::AccessDenied { user, resource } => forbidden(
                "AccessDeniedException",
                format!("User: {user} is not authorized to perform: execute-api:Invoke on resource: {resource}"),
            ),
        }
    }
}
