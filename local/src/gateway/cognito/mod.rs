//! A Cognito authoriser: verifies the token in `Authorization` against a user pool's public keys.

mod pool;

use std::{collections::HashMap, sync::Arc};

use anyhow::{Context, Result};
use http::{HeaderMap, Method, StatusCode, header};
use jiff::Timestamp;
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{JwkSet, PublicKeyUse},
};
use serde_json::{Map, Value};

use super::{
    auth_request::AuthRequest,
    errors::GatewayError,
    identity::{Claims, Identity},
};
pub use pool::{Grant, UserPool};

/// The requirements for a token.
#[derive(Clone, Debug, Default)]
pub struct Requirements {
    /// `iss`: the user pool's URL.
    pub issuer: String,
    /// The pool's app clients: `client_id` of an access token, `aud` of an ID token.
    pub clients: Vec<String>,
    /// Methods that only read require an access token with one of these scopes; if there are none, an ID token.
    pub read_scopes: Vec<String>,
    /// The same for all other methods.
    pub write_scopes: Vec<String>,
}

/// The authoriser of a user pool.
#[derive(Clone)]
pub struct Cognito {
    requirements: Requirements,
    keys: Arc<HashMap<String, DecodingKey>>,
    validation: Arc<Validation>,
}

/// Why a token is not accepted.
#[derive(Debug, PartialEq, Eq)]
enum TokenError {
    /// The token is missing, not from this pool, or not for this API.
    Unauthorized(String),
    Expired,
    /// The token is valid, but not for this method.
    MissingScope(String),
}

impl Cognito {
    /// Verifies tokens with the keys of a JSON Web Key Set, as a user pool publishes it.
    ///
    /// # Errors
    /// When `jwks` is not a key set, or has no RSA key for signatures.
    pub fn new(requirements: Requirements, jwks: &str) -> Result<Self> {
        let set: JwkSet = serde_json::from_str(jwks).context("not a JSON Web Key Set")?;
        let mut keys = HashMap::new();
        for jwk in set.keys {
            let is_for_signatures =
                jwk.common.public_key_use.as_ref().is_none_or(|it| *it == PublicKeyUse::Signature);
            if let Some(id) = jwk.common.key_id.clone().filter(|_| is_for_signatures) {
                keys.insert(id, DecodingKey::from_jwk(&jwk)?);
            }
        }
        anyhow::ensure!(!keys.is_empty(), "the JSON Web Key Set has no key to verify signatures with");
        // The token must not choose the algorithm: an attacker's HS256 would use the public key as a secret.
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[&requirements.issuer]);
        validation.set_required_spec_claims(&["iss"]);
        // Checked below, by the gateway's clock and by the kind of token.
        (validation.validate_exp, validation.validate_aud) = (false, false);
        Ok(Self { requirements, keys: Arc::new(keys), validation: Arc::new(validation) })
    }

    pub(super) fn authorise(&self, request: &AuthRequest<'_>) -> Result<Identity, GatewayError> {
        let is_read = matches!(request.head.method, Method::GET | Method::HEAD | Method::OPTIONS);
        let Requirements { read_scopes, write_scopes, .. } = &self.requirements;
        let scopes = if is_read { read_scopes } else { write_scopes };
        let claims = token(&request.head.headers)
            .ok_or_else(|| TokenError::Unauthorized("the token is missing".to_owned()))
            .and_then(|token| self.verify(token, scopes, request.exchange.received))?;
        Ok(Identity { claims: Some(claims), ..Identity::anonymous() })
    }

    fn verify(&self, token: &str, scopes: &[String], now: Timestamp) -> Result<Claims, TokenError> {
        let unauthorized = |reason: &str| TokenError::Unauthorized(reason.to_owned());
        let malformed =
            |error: jsonwebtoken::errors::Error| TokenError::Unauthorized(format!("the token: {error}"));
        let header = decode_header(token).map_err(malformed)?;
        let key = header.kid.as_ref().and_then(|id| self.keys.get(id));
        let key = key.ok_or_else(|| unauthorized("the token is signed with a key that is not the pool's"))?;
        let claims = decode::<Map<String, Value>>(token, key, &self.validation).map_err(malformed)?.claims;

        let time = |name| claims.get(name).and_then(Value::as_i64);
        let (Some(expires), Some(issued)) = (time("exp"), time("iat")) else {
            return Err(unauthorized("the token has no valid exp and iat"));
        };
        if expires <= now.as_second() {
            return Err(TokenError::Expired);
        }
        if issued.max(time("nbf").unwrap_or(issued)) > now.as_second() {
            return Err(unauthorized("the token is not valid yet"));
        }

        let (kind, client) = if scopes.is_empty() { ("id", "aud") } else { ("access", "client_id") };
        let text = |name| claims.get(name).and_then(Value::as_str).unwrap_or_default();
        if text("token_use") != kind {
            return Err(TokenError::Unauthorized(format!("the token is not an {kind} token")));
        }
        if !self.requirements.clients.iter().any(|known| known == text(client)) {
            return Err(unauthorized("the token is for another client"));
        }
        let granted: Vec<_> = text("scope").split(' ').collect();
        if !scopes.is_empty() && !scopes.iter().any(|scope| granted.contains(&scope.as_str())) {
            return Err(TokenError::MissingScope(format!(
                "the token has none of the scopes {}",
                scopes.join(", ")
            )));
        }
        Ok(claims.iter().map(|(name, value)| (name.clone(), as_text(name, value))).collect())
    }
}

/// The token, which may have the scheme `Bearer` or none.
fn token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim();
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Some(token.trim()),
        Some(_) => None,
        None => Some(value).filter(|value| !value.is_empty()),
    }
}

/// A claim as API Gateway passes it on: everything is text, and `exp` and `iat` are dates.
fn as_text(name: &str, value: &Value) -> String {
    let date = || Timestamp::from_second(value.as_i64()?).ok();
    match value {
        Value::Number(_) if matches!(name, "exp" | "iat") => date()
            .map_or_else(|| value.to_string(), |date| date.strftime("%a %b %d %H:%M:%S UTC %Y").to_string()),
        Value::String(text) => text.clone(),
        Value::Array(values) => {
            let values: Vec<_> = values.iter().map(|value| as_text("", value)).collect();
            values.join(",")
        }
        _ => value.to_string(),
    }
}

impl From<TokenError> for GatewayError {
    fn from(error: TokenError) -> Self {
        let unauthorized = |detail| Self::new(StatusCode::UNAUTHORIZED, "UnauthorizedException", detail);
        match error {
            TokenError::Unauthorized(cause) => unauthorized("Unauthorized").because(cause),
            TokenError::Expired => unauthorized("The incoming token has expired"),
            TokenError::MissingScope(cause) => {
                let detail = "User is not authorized to access this resource";
                Self::new(StatusCode::FORBIDDEN, "AccessDeniedException", detail).because(cause)
            }
        }
    }
}

#[cfg(test)]
mod tests;
