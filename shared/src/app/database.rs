//! The database's part of the configuration: where it is, and who we are there.

use project::NAME;

use super::ConfigFaults;
use crate::{
    db::{ConnectionString, CredentialSource, Credentials, Place, SecretsManager},
    environment::{AWS_REGION, Variable, variables},
    secret::Secret,
};

variables! {
    /// `postgresql://` URL. Each function gets that of its role, `migrate` that of the owner. Without `sslmode`, TLS is
    /// required for every host but `localhost`, 127.0.0.1, ::1 and sockets, and always verified in full. Parameters of
    /// Prisma, Supabase, Neon, JDBC and libpq are accepted, or refused by name.
    pub(super) DATABASE_URL = "required, unless `DB_SECRET_ARN` or `DB_AUTH` is set";
    /// Name or ARN of a Secrets Manager secret with the JSON of RDS, in place of `DATABASE_URL`. The secret is fetched
    /// again when the database refuses its password.
    DB_SECRET_ARN = "";
    /// `iam`: sign a token with the function's own credentials for each connection, in place of `DATABASE_URL`.
    DB_AUTH = "";
    /// Host of the database. Required with `DB_AUTH=iam`; otherwise it overrides that of the secret.
    DB_HOST = "the host in the secret";
    /// Port of the database.
    DB_PORT = "the port in the secret, else 5432";
    /// Name of the database.
    DB_NAME = "the name in the secret";
    /// User of the database. Required with `DB_AUTH=iam`.
    DB_USER = "";
    /// File of certificates in PEM that are trusted besides those of RDS and the public ones.
    DB_CA_FILE = "";
    /// `migrate`: the longest time that a statement of the functions' roles may take, where PostgreSQL is Amazon's.
    pub STATEMENT_TIMEOUT_SECONDS = "30";
    /// URL of Secrets Manager in place of the region's, such as that of an emulator.
    AWS_ENDPOINT_URL_SECRETS_MANAGER = "";
    /// The same for every service of AWS.
    AWS_ENDPOINT_URL = "";
}

/// How the database is reached.
#[derive(Debug)]
pub struct DatabaseConfig {
    /// Who we are, and where.
    pub credentials: Credentials,
    /// `DB_CA_FILE`: certificates in PEM that are trusted besides those of RDS and the public ones.
    pub extra_roots: Option<String>,
    /// What only those know who know the password to this database; none where it is not part of the configuration.
    pub(super) cursor_secret: Option<Secret>,
}

impl DatabaseConfig {
    /// What the environment says, for a program that needs nothing else.
    ///
    /// # Errors
    /// All faults, each with the name of its variable.
    pub fn from_env() -> Result<Self, ConfigFaults> {
        let mut faults = Vec::new();
        let config = Self::read(&Variable::read, true, &mut faults);
        if faults.is_empty() { Ok(config) } else { Err(ConfigFaults(faults)) }
    }

    /// The database at `url`, as `DATABASE_URL` would name it.
    ///
    /// # Errors
    /// When it is not a connection URL; its words are not repeated.
    pub fn from_url(url: &str) -> Result<Self, String> {
        let (source, extra_roots) = from_url(url)?;
        Ok(Self { cursor_secret: cursor_secret(&source), credentials: Credentials::new(source), extra_roots })
    }

    /// Reads the configuration; what is wrong is added to `faults`. `is_needed` says whether there must be a database.
    pub(super) fn read(
        variable: &impl Fn(&Variable) -> Option<String>,
        is_needed: bool,
        faults: &mut Vec<String>,
    ) -> Self {
        let extra_roots = variable(&DB_CA_FILE).and_then(|path| match std::fs::read_to_string(&path) {
            Ok(pem) => Some(pem),
            Err(error) => {
                faults.push(format!("{DB_CA_FILE}: {path} cannot be read: {error}"));
                None
            }
        });
        let mut url_roots = None;
        let source = match (variable(&DB_AUTH).as_deref(), variable(&DATABASE_URL), variable(&DB_SECRET_ARN))
        {
            (Some("iam"), _, _) => iam(variable, faults),
            (Some(_), _, _) => Err(format!("{DB_AUTH} can only be iam")),
            (None, Some(url), _) => from_url(&url).map(|(source, roots)| {
                url_roots = roots;
                source
            }),
            (None, None, Some(id)) => secret(variable, id, faults),
            (None, None, None) if is_needed => {
                Err(format!("none of {DATABASE_URL}, {DB_SECRET_ARN} and {DB_AUTH}=iam is set"))
            }
            (None, None, None) => Ok(CredentialSource::Url(tokio_postgres::Config::new())),
        };
        let source = source.unwrap_or_else(|fault| {
            faults.push(fault);
            CredentialSource::Url(tokio_postgres::Config::new())
        });
        let extra_roots = match (extra_roots, url_roots) {
            (Some(one), Some(other)) => Some(format!("{one}\n{other}")),
            (one, other) => one.or(other),
        };
        Self { cursor_secret: cursor_secret(&source), credentials: Credentials::new(source), extra_roots }
    }
}

fn cursor_secret(source: &CredentialSource) -> Option<Secret> {
    let CredentialSource::Url(config) = source else { return None };
    let password = config.get_password().filter(|password| !password.is_empty())?;
    let (hosts, name) = (config.get_hosts(), config.get_dbname());
    Some(Secret::new(format!("{NAME} cursors of {hosts:?} {name:?} {password:?}")))
}

fn place(variable: &impl Fn(&Variable) -> Option<String>, faults: &mut Vec<String>) -> Place {
    let port = variable(&DB_PORT)
        .and_then(|port| port.parse().map_err(|_| faults.push(format!("{DB_PORT} is not a port"))).ok());
    Place { host: variable(&DB_HOST), port, name: variable(&DB_NAME) }
}

fn region(variable: &impl Fn(&Variable) -> Option<String>) -> Result<String, String> {
    variable(&AWS_REGION).ok_or_else(|| format!("{AWS_REGION} is not set"))
}

fn iam(
    variable: &impl Fn(&Variable) -> Option<String>,
    faults: &mut Vec<String>,
) -> Result<CredentialSource, String> {
    let place = place(variable, faults);
    let user = variable(&DB_USER);
    match (&place.host, user, region(variable)) {
        (Some(_), Some(user), Ok(region)) => Ok(CredentialSource::Iam { user, place, region }),
        _ => Err(format!("{DB_AUTH}=iam needs {DB_HOST}, {DB_USER} and {AWS_REGION}")),
    }
}

fn secret(
    variable: &impl Fn(&Variable) -> Option<String>,
    id: String,
    faults: &mut Vec<String>,
) -> Result<CredentialSource, String> {
    let place = place(variable, faults);
    let endpoint = variable(&AWS_ENDPOINT_URL_SECRETS_MANAGER).or_else(|| variable(&AWS_ENDPOINT_URL));
    let secret = SecretsManager::new(id, region(variable)?, endpoint);
    Ok(CredentialSource::Secret { secret, place })
}

/// What `DATABASE_URL` says, and the certificates of the file that it names.
fn from_url(url: &str) -> Result<(CredentialSource, Option<String>), String> {
    let ConnectionString { config, root_file } = ConnectionString::parse(url)?;
    let roots = root_file.map(|path| {
        std::fs::read_to_string(&path)
            .map_err(|error| format!("{DATABASE_URL}: sslrootcert {path} cannot be read: {error}"))
    });
    Ok((CredentialSource::Url(config), roots.transpose()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::given;

    #[test]
    fn trusts_the_authority_that_the_url_names_too() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "roots of the URL").unwrap();
        let url = format!("postgresql://u@h/d?sslmode=verify-full&sslrootcert={}", file.path().display());
        assert_eq!(DatabaseConfig::from_url(&url).unwrap().extra_roots.as_deref(), Some("roots of the URL"));
        let ca = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(ca.path(), "roots of the file").unwrap();
        let ca = ca.path().display().to_string();
        let variables = [("DATABASE_URL", url.as_str()), ("DB_CA_FILE", &ca)];
        let config = DatabaseConfig::read(&given(&variables), true, &mut Vec::new());
        assert_eq!(config.extra_roots.as_deref(), Some("roots of the file\nroots of the URL"));
        let fault = DatabaseConfig::from_url("postgresql://u:sesame@h/d?sslrootcert=/none").unwrap_err();
        assert!(fault.contains("sslrootcert /none cannot be read") && !fault.contains("sesame"), "{fault}");
    }

    fn faults(variables: &[(&str, &str)]) -> Vec<String> {
        let mut faults = Vec::new();
        DatabaseConfig::read(&given(variables), true, &mut faults);
        faults
    }

    #[test]
    fn says_what_each_way_to_connect_needs() {
        assert!(faults(&[])[0].contains("DB_SECRET_ARN"));
        assert!(faults(&[("DB_AUTH", "iam")])[0].contains("DB_HOST, DB_USER and AWS_REGION"));
        assert!(faults(&[("DB_AUTH", "kerberos")])[0].contains("iam"));
        assert!(faults(&[("DB_SECRET_ARN", "s")])[0].contains("AWS_REGION"));
        assert_eq!(
            faults(&[("DB_SECRET_ARN", "s"), ("AWS_REGION", "r"), ("DB_PORT", "x"), ("DB_CA_FILE", "/no")])
                .len(),
            2
        );
        let iam = [("DB_AUTH", "iam"), ("DB_HOST", "h"), ("DB_USER", "u"), ("AWS_REGION", "r")];
        assert_eq!(faults(&iam), Vec::<String>::new());
    }
}
