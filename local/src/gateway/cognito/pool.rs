//! A local user pool: a key that is generated once, and tokens in Cognito's form that are signed with it.

use std::{fs, io::Write, path::Path, time::Duration};

use anyhow::{Context, Result, anyhow};
use aws_lc_rs::{
    encoding::AsDer,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{KeyPair, RSA_PKCS1_SHA256, RsaEncoding, RsaKeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use project::{NAME, READ_SCOPE, WRITE_SCOPE};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Cognito, Requirements};
use crate::lambda::REGION;

const CLIENT_ID: &str = concat!(project::name!(), "-local");

/// A local user pool, which can sign tokens.
pub struct UserPool {
    key: RsaKeyPair,
    key_id: String,
}

/// The contents of a token.
pub struct Grant {
    /// `sub`: the user.
    pub subject: String,
    /// The scopes of an access token; an ID token has none.
    pub scopes: Vec<String>,
    /// The validity from now on.
    pub lifetime: Duration,
}

impl Default for Grant {
    /// All scopes, for an hour.
    fn default() -> Self {
        Self {
            subject: "local-user".to_owned(),
            scopes: vec![READ_SCOPE.to_owned(), WRITE_SCOPE.to_owned()],
            lifetime: Duration::from_secs(60 * 60),
        }
    }
}

impl UserPool {
    /// Opens the pool in `folder`, or creates it.
    ///
    /// # Errors
    /// When the folder cannot be written, or its file is not a key.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("key.der");
        if !path.exists() {
            fs::create_dir_all(folder)?;
            let key = RsaKeyPair::generate(KeySize::Rsa2048)?.as_der()?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(key.as_ref())?;
            // Another program may have created a key concurrently: the first one counts.
            if let Err(error) = file.persist_noclobber(&path)
                && !path.exists()
            {
                return Err(error.error).with_context(|| format!("cannot write {}", path.display()));
            }
        }
        let key = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let key = RsaKeyPair::from_pkcs8(&key).map_err(|error| anyhow!("{}: {error}", path.display()))?;
        Ok(Self::new(key))
    }

    /// A pool with a new key, which is not stored.
    ///
    /// # Errors
    /// When no key can be generated.
    pub fn generate() -> Result<Self> {
        Ok(Self::new(RsaKeyPair::generate(KeySize::Rsa2048)?))
    }

    fn new(key: RsaKeyPair) -> Self {
        let key_id = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(key.public_key().as_ref()));
        Self { key, key_id }
    }

    /// The pool's URL.
    pub fn issuer() -> String {
        format!("https://cognito-idp.{REGION}.amazonaws.com/{REGION}_{NAME}")
    }

    /// The API's requirements for the pool's tokens: one scope for reading, one for writing.
    pub fn requirements() -> Requirements {
        Requirements {
            issuer: Self::issuer(),
            clients: vec![CLIENT_ID.to_owned()],
            read_scopes: vec![READ_SCOPE.to_owned()],
            write_scopes: vec![WRITE_SCOPE.to_owned()],
        }
    }

    /// The authoriser of the API.
    ///
    /// # Errors
    /// When the pool's key is not suitable for signatures.
    pub fn authoriser(&self) -> Result<Cognito> {
        Cognito::new(Self::requirements(), &self.jwks().to_string())
    }

    /// The pool's public key, as a JSON Web Key Set.
    pub fn jwks(&self) -> Value {
        let public = self.key.public_key();
        let number = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        json!({"keys": [{
            "kid": self.key_id,
            "kty": "RSA",
            "alg": "RS256",
            "use": "sig",
            "n": number(public.modulus().big_endian_without_leading_zero()),
            "e": number(public.exponent().big_endian_without_leading_zero()),
        }]})
    }

    /// An access token.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn access_token(&self, grant: &Grant, now: Timestamp) -> Result<String> {
        let mut claims = Self::claims(grant, now, "access");
        claims["client_id"] = json!(CLIENT_ID);
        claims["scope"] = json!(grant.scopes.join(" "));
        claims["username"] = json!(grant.subject);
        self.sign(&self.header(), &claims)
    }

    /// An ID token.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn id_token(&self, grant: &Grant, now: Timestamp) -> Result<String> {
        let mut claims = Self::claims(grant, now, "id");
        claims["aud"] = json!(CLIENT_ID);
        claims["cognito:username"] = json!(grant.subject);
        self.sign(&self.header(), &claims)
    }

    fn claims(grant: &Grant, now: Timestamp, token_use: &str) -> Value {
        json!({
            "sub": grant.subject,
            "iss": Self::issuer(),
            "token_use": token_use,
            "auth_time": now.as_second(),
            "iat": now.as_second(),
            "exp": now.as_second().saturating_add_unsigned(grant.lifetime.as_secs()),
            "jti": Uuid::now_v7().to_string(),
        })
    }

    /// The header of the pool's tokens.
    pub fn header(&self) -> Value {
        json!({"kid": self.key_id, "alg": "RS256"})
    }

    /// Signs any header and claims as a token (RFC 7519), with RS256 whatever the header says.
    ///
    /// # Errors
    /// When they cannot be signed.
    pub fn sign(&self, header: &Value, claims: &Value) -> Result<String> {
        self.sign_as(&RSA_PKCS1_SHA256, header, claims)
    }

    pub(super) fn sign_as(
        &self,
        encoding: &'static dyn RsaEncoding,
        header: &Value,
        claims: &Value,
    ) -> Result<String> {
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(encoding, &SystemRandom::new(), signed.as_bytes(), &mut signature)?;
        Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }
}
