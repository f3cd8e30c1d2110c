//! Configuration: environment variables, read once at start. All faults are reported at once.

use std::{env, fmt, path::Path};

use super::{
    database::{self, DATABASE_URL, DatabaseConfig},
    dotenv,
};
use crate::{
    cache::{self, CacheConfig},
    environment::{self, Variable, variables},
    http::{AllowedOrigins, CursorKeys},
    operation::Role,
    telemetry,
};

/// File that serves the local environment with variables that are not set otherwise.
const DOTENV: &str = ".env";

variables! {
    /// `true`: PUT, PATCH and DELETE without `If-Match` are answered 428.
    REQUIRE_IF_MATCH = "false";
    /// Secret that authenticates the cursors of lists, the same for all functions. Separate several keys by commas: the
    /// first one is used, all are accepted ([rotation](deploy.md#rotation)). Required where `DATABASE_URL` has no password,
    /// and so with `DB_SECRET_ARN` and `DB_AUTH=iam`.
    pub CURSOR_KEY = "derived from the password in `DATABASE_URL`";
    /// Origins whose pages may read answers, separated by commas.
    CORS_ALLOWED_ORIGINS = "";
}

/// Every variable that functions read, by what it is for.
pub fn all_variables() -> [(&'static str, &'static [Variable]); 5] {
    [
        ("Database", database::VARIABLES),
        ("Cache", cache::VARIABLES),
        ("Requests", VARIABLES),
        ("Logs, metrics and traces", telemetry::VARIABLES),
        ("Set by Lambda", environment::VARIABLES),
    ]
}

/// The configuration of a function. docs/configuration.md has the table of variables.
#[derive(Debug)]
pub struct Config {
    /// `DATABASE_URL`, or `DB_SECRET_ARN`, or `DB_AUTH=iam`: where the database is and who we are there.
    pub database: DatabaseConfig,
    /// `CACHE_URL`: where the cache is, and how it is used; none if there is none.
    pub cache: Option<CacheConfig>,
    /// `CURSOR_KEY`: what cursors are authenticated with; keys before the last rotation after it.
    pub cursor_keys: CursorKeys,
    /// `REQUIRE_IF_MATCH`: whether a change must say which version it changes.
    pub requires_if_match: bool,
    /// `CORS_ALLOWED_ORIGINS`: the origins whose pages may read answers.
    pub allowed_origins: AllowedOrigins,
    /// What is logged, counted and traced.
    pub telemetry: telemetry::Settings,
}

/// Everything that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFaults(pub Vec<String>);

/// The variables of the environment, and those of the `.env` file that are not set there.
fn variables() -> Result<impl Fn(&str) -> Option<String>, ConfigFaults> {
    let file = dotenv::read(Path::new(DOTENV)).map_err(|fault| ConfigFaults(vec![fault]))?;
    Ok(move |name: &str| {
        let in_file = || file.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        env::var(name).ok().or_else(in_file)
    })
}

impl Config {
    /// Reads the environment, and the `.env` file of the current folder for what is not set there.
    ///
    /// # Errors
    /// All faults, each with the name of its variable.
    pub fn from_env(role: Role) -> Result<Self, ConfigFaults> {
        Self::read(role, variables()?)
    }

    /// Reads the environment for a function that connects as both roles: the configuration of what reads, and that of
    /// what writes, whose variables may have a `WRITER_` before their names, such as `WRITER_DB_USER`.
    ///
    /// # Errors
    /// As for [`from_env`](Self::from_env).
    pub fn both_from_env() -> Result<(Self, Self), ConfigFaults> {
        Self::read_both(variables()?)
    }

    fn read_both(variable: impl Fn(&str) -> Option<String>) -> Result<(Self, Self), ConfigFaults> {
        let reader = Self::read(Role::Reader, &variable);
        let writer =
            Self::read(Role::Writer, |name| variable(&format!("WRITER_{name}")).or_else(|| variable(name)));
        match (reader, writer) {
            (Ok(reader), Ok(writer)) => Ok((reader, writer)),
            (Err(ConfigFaults(mut faults)), Err(ConfigFaults(others))) => {
                faults.extend(others);
                faults.dedup();
                Err(ConfigFaults(faults))
            }
            (Err(faults), Ok(_)) | (Ok(_), Err(faults)) => Err(faults),
        }
    }

    /// Reads the configuration from `variable`.
    ///
    /// # Errors
    /// As for [`from_env`](Self::from_env).
    pub fn read(role: Role, variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigFaults> {
        let variable = |it: &Variable| variable(it.name()).filter(|value| !value.is_empty());
        let mut faults = Vec::new();

        let database = DatabaseConfig::read(&variable, role != Role::None, &mut faults);

        let cache = CacheConfig::read(&variable, &mut faults);

        let requires_if_match = REQUIRE_IF_MATCH.is_true(&variable, &mut faults);

        let cursor_keys = cursor_keys(role, variable(&CURSOR_KEY), &database, &mut faults);

        let allowed_origins =
            variable(&CORS_ALLOWED_ORIGINS).unwrap_or_default().parse().unwrap_or_else(|fault: String| {
                faults.push(format!("{CORS_ALLOWED_ORIGINS}: {fault}"));
                AllowedOrigins::default()
            });

        let telemetry = telemetry::Settings::read(&variable, &mut faults);

        if !faults.is_empty() {
            return Err(ConfigFaults(faults));
        }
        Ok(Self { database, cache, cursor_keys, requires_if_match, allowed_origins, telemetry })
    }
}

/// The keys of `CURSOR_KEY`. Without one, a key that follows from the password to the database: what can be computed from
/// public facts, such as its host and name, would authenticate nothing.
fn cursor_keys(
    role: Role,
    keys: Option<String>,
    database: &DatabaseConfig,
    faults: &mut Vec<String>,
) -> CursorKeys {
    let fault = match (keys, &database.cursor_secret) {
        (Some(keys), _) => match keys.parse() {
            Ok(keys) => return keys,
            Err(fault) => format!("{CURSOR_KEY}: {fault}"),
        },
        (None, Some(secret)) => return CursorKeys::new(secret.expose().as_bytes()),
        // Where the database is not known, that is the fault.
        (None, None) if role == Role::None || !faults.is_empty() => return CursorKeys::default(),
        (None, None) => {
            format!("{CURSOR_KEY} is not set, and there is no password in {DATABASE_URL} to derive it from")
        }
    };
    faults.push(fault);
    CursorKeys::default()
}

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration is not valid: {}", self.0.join("; "))
    }
}

impl std::error::Error for ConfigFaults {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(role: Role, variables: &[(&str, &str)]) -> Result<Config, ConfigFaults> {
        Config::read(role, |name| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn reports_all_faults_at_once() {
        let faults = read(
            Role::Reader,
            &[
                ("DATABASE_URL", "mysql//x"),
                ("REQUIRE_IF_MATCH", "perhaps"),
                ("CORS_ALLOWED_ORIGINS", "https://store.example,*"),
                ("POWERTOOLS_SERVICE_NAME", "工房"),
                ("POWERTOOLS_METRICS_NAMESPACE", "AWS/Lambda"),
                ("POWERTOOLS_LOGGER_SAMPLE_RATE", "NaN"),
            ],
        )
        .unwrap_err();
        assert_eq!(faults.0.len(), 6, "{faults}");
        assert!(faults.to_string().contains("CORS_ALLOWED_ORIGINS: `*` is not an origin"), "{faults}");
        assert_eq!(read(Role::Writer, &[]).unwrap_err().0.len(), 1);
    }

    #[test]
    fn a_writer_beside_a_reader_has_what_is_its_own() {
        let both = |variables: &'static [(&str, &str)]| {
            Config::read_both(|name| {
                variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
            })
        };
        let url = "postgresql://reader:p@h/d";
        let (reader, writer) = both(&[
            ("DATABASE_URL", "postgresql://reader:p@h/d"),
            ("WRITER_DATABASE_URL", "postgresql://writer:p@h/d"),
        ])
        .unwrap();
        assert!(format!("{:?}", reader.database).contains("reader"), "{url}");
        assert!(format!("{:?}", writer.database).contains("writer"), "{url}");
        let (_, same) = both(&[("DATABASE_URL", "postgresql://reader:p@h/d")]).unwrap();
        assert!(format!("{:?}", same.database).contains("reader"));
        assert_eq!(both(&[("DB_AUTH", "iam")]).unwrap_err().0.len(), 1);
    }

    #[test]
    fn cursors_have_keys_that_nobody_else_can_compute() {
        let is_made = |variables: &[(&str, &str)]| {
            let config = read(Role::Reader, variables)?;
            Ok::<_, ConfigFaults>(config.cursor_keys.encode("list", &7).unwrap())
        };
        let url = |url: &'static str| ("DATABASE_URL", url);
        let derived = is_made(&[url("postgresql://u:sesame@h/d")]).unwrap();
        for other in [
            "postgresql://u:sesam@h/d",
            "postgresql://u:@h/d",
            "postgresql://u:sesame@i/d",
            "postgresql://u:sesame@h/e",
            "postgresql://u:sesame@hd",
        ] {
            assert_ne!(is_made(&[url(other)]).ok().as_ref(), Some(&derived), "{other}");
        }
        let with_key = is_made(&[url("postgresql://u:sesame@h/d"), ("CURSOR_KEY", "k")]).unwrap();
        assert_ne!(with_key, derived);
        for passwordless in [
            &[url("postgresql://u@h/d")][..],
            &[("DB_AUTH", "iam"), ("DB_HOST", "h"), ("DB_USER", "u"), ("AWS_REGION", "r")],
            &[("DB_SECRET_ARN", "s"), ("AWS_REGION", "r")],
        ] {
            let faults = is_made(passwordless).unwrap_err();
            assert!(faults.0.len() == 1 && faults.0[0].contains("CURSOR_KEY is not set"), "{faults}");
            assert_eq!(is_made(&[passwordless, &[("CURSOR_KEY", "k")]].concat()).unwrap(), with_key);
        }
        let faults = is_made(&[url("postgresql://u:p@h/d"), ("CURSOR_KEY", "k,,")]).unwrap_err();
        assert!(faults.0[0].contains("CURSOR_KEY: a key must not be empty"), "{faults}");
    }

    #[test]
    fn needs_no_database_for_operations_without_one() {
        assert!(read(Role::None, &[]).is_ok());
    }

    #[test]
    fn never_shows_the_password() {
        let config = read(Role::Reader, &[("DATABASE_URL", "postgresql://u:sesame@h/d")]).unwrap();
        assert!(!format!("{config:?}").contains("sesame"));
    }
}
