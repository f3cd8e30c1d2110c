//! Database credentials: a connection URL, a Secrets Manager secret, or an IAM token signed locally.

use std::{
    fmt,
    sync::Mutex,
    time::{Duration, SystemTime},
};

use tokio_postgres::config::SslMode;

use super::{
    iam,
    secrets_manager::{SecretsManager, Stage},
};
use crate::secret::Secret;

/// How long a secret is cached. A rotation is noticed earlier, when the password is rejected.
const TIME_TO_LIVE: Duration = Duration::from_secs(15 * 60);

/// Where the credentials come from.
#[derive(Debug)]
pub enum CredentialSource {
    /// `DATABASE_URL`.
    Url(tokio_postgres::Config),
    /// `DB_SECRET_ARN`: the JSON that RDS writes; `place` overrides its host, port and database.
    Secret {
        /// The secret.
        secret: SecretsManager,
        /// The place of the database, as far as the environment sets it.
        place: Place,
    },
    /// `DB_AUTH=iam`: a token for each connection.
    Iam {
        /// The database's user.
        user: String,
        /// The place of the database; the host is required.
        place: Place,
        /// The AWS region of the database.
        region: String,
    },
}

/// The place of the database, as far as the environment sets it: `DB_HOST`, `DB_PORT`, `DB_NAME`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// `DB_HOST`.
    pub host: Option<String>,
    /// `DB_PORT`.
    pub port: Option<u16>,
    /// `DB_NAME`.
    pub name: Option<String>,
}

/// Why there are no credentials.
#[derive(Debug)]
pub struct CredentialsError(pub String);

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no database credentials: {}", self.0)
    }
}

impl std::error::Error for CredentialsError {}

/// The parameters of one connection attempt.
#[derive(Debug)]
pub struct Credential {
    /// Host, database, user and password.
    pub config: tokio_postgres::Config,
    /// Whether it was fetched from Secrets Manager just now.
    is_fetched: bool,
}

impl Credential {
    fn new(config: tokio_postgres::Config) -> Self {
        Self { config, is_fetched: false }
    }
}

/// The credentials of an execution environment, with a cache of the last ones that worked.
#[derive(Debug)]
pub struct Credentials {
    source: CredentialSource,
    cached: Mutex<Option<(SystemTime, tokio_postgres::Config)>>,
}

impl Credentials {
    /// Credentials from `source`. Fetches nothing yet.
    pub fn new(source: CredentialSource) -> Self {
        Self { source, cached: Mutex::new(None) }
    }

    /// Whether other credentials can be tried if these are rejected.
    pub fn can_be_renewed(&self) -> bool {
        matches!(self.source, CredentialSource::Secret { .. })
    }

    /// The credentials for a connection now: cached while the secret is valid, else fetched or signed.
    ///
    /// # Errors
    /// If Secrets Manager does not answer or the secret is malformed.
    pub async fn current(&self) -> Result<Credential, CredentialsError> {
        match &self.source {
            CredentialSource::Url(config) => Ok(Credential::new(config.clone())),
            CredentialSource::Iam { user, place, region } => {
                let host = place.host.clone().unwrap_or_default();
                let port = place.port.unwrap_or(DEFAULT_PORT);
                let token = iam::token(&host, port, user, region).map_err(CredentialsError)?;
                let name = place.name.as_deref().unwrap_or(user);
                Ok(Credential::new(config(&host, port, name, user, &token)))
            }
            CredentialSource::Secret { .. } => match self.cached() {
                Some((age, config)) if age < TIME_TO_LIVE => Ok(Credential::new(config)),
                // The last credentials that worked may still work: an outage of Secrets Manager must not
                // become one of the database.
                aged => self.fetch(Stage::Current).await.or_else(|error| {
                    let (_, config) = aged.ok_or(error)?;
                    tracing::warn!("the secret cannot be fetched, using the cached one");
                    Ok(Credential::new(config))
                }),
            },
        }
    }

    /// The credentials of the secret's version `stage`, fetched now.
    ///
    /// # Errors
    /// As for [`current`](Self::current), and if the version or a secret does not exist.
    pub async fn fetch(&self, stage: Stage) -> Result<Credential, CredentialsError> {
        let CredentialSource::Secret { secret, place } = &self.source else {
            return Err(CredentialsError("only a secret has versions".to_owned()));
        };
        let document = secret.fetch(stage).await.map_err(CredentialsError)?;
        let config = read_secret(document.expose(), place).map_err(CredentialsError)?;
        Ok(Credential { config, is_fetched: true })
    }

    /// Caches credentials that worked. A secret's age counts from when it was fetched, not from when it was
    /// last used.
    pub fn cache(&self, credential: &Credential) {
        if credential.is_fetched
            && let Ok(mut cached) = self.cached.lock()
        {
            *cached = Some((SystemTime::now(), credential.config.clone()));
        }
    }

    /// The cached credentials and their age.
    fn cached(&self) -> Option<(Duration, tokio_postgres::Config)> {
        let cached = self.cached.lock().ok()?;
        let (since, config) = cached.as_ref()?;
        // Wall-clock time: a secret ages in a frozen environment too.
        Some((since.elapsed().unwrap_or(TIME_TO_LIVE), config.clone()))
    }
}

const DEFAULT_PORT: u16 = 5432;

fn config(host: &str, port: u16, database: &str, user: &str, password: &Secret) -> tokio_postgres::Config {
    let mut config = tokio_postgres::Config::new();
    config
        .host(host)
        .port(port)
        .dbname(database)
        .user(user)
        .password(password.expose())
        .ssl_mode(SslMode::Require);
    config
}

/// Parses the JSON that RDS writes into a secret.
fn read_secret(document: &str, place: &Place) -> Result<tokio_postgres::Config, String> {
    #[derive(serde::Deserialize)]
    struct RdsSecret {
        username: String,
        password: String,
        host: Option<String>,
        port: Option<serde_json::Value>,
        dbname: Option<String>,
    }
    // The parser's own message may quote the password.
    let secret: RdsSecret = serde_json::from_str(document).map_err(|error| {
        format!("the secret is not the JSON of RDS (line {}, column {})", error.line(), error.column())
    })?;
    let host = place.host.clone().or(secret.host).ok_or("neither DB_HOST nor the secret names a host")?;
    let port = match (place.port, secret.port) {
        (Some(port), _) => port,
        (None, None) => DEFAULT_PORT,
        (None, Some(port)) => {
            let number = port.as_u64().or_else(|| port.as_str()?.parse().ok());
            number.and_then(|port| port.try_into().ok()).ok_or("the secret's port is invalid")?
        }
    };
    let name = place.name.clone().or(secret.dbname).unwrap_or_else(|| "postgres".to_owned());
    Ok(config(&host, port, &name, &secret.username, &Secret::new(secret.password)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_rds_writes() {
        let document = r#"{"username": "u", "password": "sesame", "engine": "postgres", "host": "h", "port": 5433, "dbname": "d"}"#;
        let config = read_secret(document, &Place::default()).unwrap();
        assert_eq!(
            (config.get_user(), config.get_dbname(), config.get_ports()),
            (Some("u"), Some("d"), &[5433][..])
        );
        assert_eq!(config.get_ssl_mode(), SslMode::Require);
        let place =
            Place { host: Some("proxy".to_owned()), port: Some(6432), name: Some("catalogue".to_owned()) };
        let config = read_secret(r#"{"username": "u", "password": "p", "port": "1"}"#, &place).unwrap();
        assert_eq!((config.get_dbname(), config.get_ports()), (Some("catalogue"), &[6432][..]));
    }

    #[test]
    fn a_malformed_secret_is_not_quoted() {
        for document in
            ["sesame", r#"{"username": "u", "password": ["sesame"]}"#, r#"{"password": "sesame"}"#]
        {
            let error = read_secret(document, &Place::default()).unwrap_err();
            assert!(!error.contains("sesame"), "{error}");
        }
        let no_host = read_secret(r#"{"username": "u", "password": "p"}"#, &Place::default()).unwrap_err();
        assert!(no_host.contains("DB_HOST"), "{no_host}");
    }

    #[tokio::test]
    async fn an_old_secret_serves_while_secrets_manager_is_away() {
        // Nothing listens on the port of TCP's multiplexer.
        let secret =
            SecretsManager::new("s".to_owned(), "r".to_owned(), Some("http://127.0.0.1:1".to_owned()));
        let source = CredentialSource::Secret { secret, place: Place::default() };
        let credentials = Credentials::new(source);
        assert!(credentials.current().await.is_err());
        let config =
            read_secret(r#"{"username": "u", "password": "p", "host": "h"}"#, &Place::default()).unwrap();
        *credentials.cached.lock().unwrap() = Some((SystemTime::UNIX_EPOCH, config.clone()));
        assert_eq!(credentials.current().await.unwrap().config, config);
    }

    #[tokio::test]
    async fn a_secret_ages_however_often_it_is_used() {
        let secret = SecretsManager::new("s".to_owned(), "r".to_owned(), None);
        let credentials = Credentials::new(CredentialSource::Secret { secret, place: Place::default() });
        let config =
            read_secret(r#"{"username": "u", "password": "p", "host": "h"}"#, &Place::default()).unwrap();
        credentials.cache(&Credential { config, is_fetched: true });
        let fetched = SystemTime::now() - Duration::from_secs(60);
        if let Some((since, _)) = credentials.cached.lock().unwrap().as_mut() {
            *since = fetched;
        }
        credentials.cache(&credentials.current().await.unwrap());
        assert!(credentials.cached().unwrap().0 >= Duration::from_secs(60));
    }
}
