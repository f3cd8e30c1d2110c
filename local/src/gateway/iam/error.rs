//! Why a request is refused, in API Gateway's words. No message quotes a secret, a token or a header.

use http::StatusCode;

use crate::gateway::errors::GatewayError;

/// Why a request is refused; the status is always 403.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AuthError {
    /// No credentials at all.
    MissingToken,
    /// The credentials are incomplete or cannot be parsed.
    Incomplete(String),
    /// The access key is unknown, or the session token does not belong to it.
    UnknownKey,
    /// The credentials are for another date, region or service, or have expired or are not valid yet.
    Invalid(String),
    /// The signature does not match the request. The client sees the strings that should have been signed.
    Mismatch { canonical: String, string_to_sign: String },
    /// The caller may not call this method.
    AccessDenied { user: String, resource: String },
}

impl AuthError {
    pub(super) fn incomplete(detail: &str) -> Self {
        Self::Incomplete(detail.to_owned())
    }

    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::Invalid(detail.into())
    }
}

impl From<AuthError> for GatewayError {
    fn from(error: AuthError) -> Self {
        let forbidden = |error_type, detail| Self::new(StatusCode::FORBIDDEN, error_type, detail);
        match error {
            AuthError::MissingToken => {
                Self::missing_authentication_token().because("the request is not signed")
            }
            AuthError::Incomplete(detail) => forbidden("IncompleteSignatureException", detail),
            AuthError::UnknownKey => forbidden(
                "UnrecognizedClientException",
                "The security token included in the request is invalid.".to_owned(),
            )
            .because("the access key is unknown, or the session token does not belong to it"),
            AuthError::Invalid(detail) => forbidden("InvalidSignatureException", detail),
            AuthError::Mismatch { canonical, string_to_sign } => forbidden(
                "InvalidSignatureException",
                format!(
                    "The request signature we calculated does not match the signature you provided. Check your AWS \
                     Secret Access Key and signing method. Consult the service documentation for details.\n\n\
                     The Canonical String for this request should have been\n'{canonical}'\n\n\
                     The String-to-Sign should have been\n'{string_to_sign}'\n"
                ),
            )
            .because("the signature does not match the request"),
            AuthError::AccessDenied { user, resource } => forbidden(
                "AccessDeniedException",
                format!("User: {user} is not authorized to perform: execute-api:Invoke on resource: {resource}"),
            ),
        }
    }
}
