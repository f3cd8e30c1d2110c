//! The cache's part of the configuration.

use std::{fmt, ops::RangeInclusive, time::Duration};

use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, TlsCertificates,
    cluster::ClusterClientBuilder,
};

use super::connection::{PATIENCE, Target};
use crate::environment::{Variable, variables};

variables! {
    /// `redis://` or, with TLS, `rediss://` URL of Valkey or Redis, with user and password if it requires them. Without it,
    /// there is no cache.
    CACHE_URL = "";
    /// `true`: the server is a node of a cluster, as with ElastiCache Serverless.
    CACHE_CLUSTER = "false";
    /// User, in place of the URL's.
    CACHE_USERNAME = "";
    /// Password, in place of the URL's.
    CACHE_PASSWORD = "";
    /// File of certificates in PEM that are trusted instead of the public ones.
    CACHE_CA_FILE = "";
    /// How long a request waits for the cache, 10 to 5,000 ms. After a failure, no request waits until the cache responds
    /// again.
    CACHE_TIMEOUT_MS = "50";
    /// First part of every key. Each database that shares a cache needs its own.
    CACHE_PREFIX = project::NAME;
    /// How long a cached answer is fresh, a tenth more or less.
    CACHE_TTL_SECONDS = "60";
    /// How much longer a stale answer is served while the database cannot answer (RFC 5861).
    STALE_IF_ERROR_SECONDS = "600";
}

/// Where the cache is, how long it is waited for, and for how long it keeps what.
pub struct CacheConfig {
    pub(super) target: Target,
    pub(super) patience: Duration,
    /// What tells this deployment's keys from those of others.
    pub(super) prefix: String,
    pub(super) limits: Limits,
}

/// How long values are good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How long the database is not asked.
    pub fresh: Duration,
    /// How much longer a value is good enough while the database is away.
    pub stale_if_error: Duration,
}

/// Longest time that either may be set to: a day.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How long, in milliseconds, a request may be made to wait.
const PATIENCE_MS: RangeInclusive<u64> = 10..=5_000;

impl CacheConfig {
    /// Reads the configuration; what is wrong is added to `faults`. None without `CACHE_URL`.
    pub(crate) fn read(
        variable: &impl Fn(&Variable) -> Option<String>,
        faults: &mut Vec<String>,
    ) -> Option<Self> {
        let url = variable(&CACHE_URL)?;
        let mut seconds = |it: &Variable| match it.or_default(variable).parse() {
            Ok(seconds) if Duration::from_secs(seconds) <= LONGEST => Duration::from_secs(seconds),
            _ => {
                faults.push(format!("{it} is not a number of seconds up to {}", LONGEST.as_secs()));
                Duration::ZERO
            }
        };
        let limits =
            Limits { fresh: seconds(&CACHE_TTL_SECONDS), stale_if_error: seconds(&STALE_IF_ERROR_SECONDS) };
        let patience = match CACHE_TIMEOUT_MS.or_default(variable).parse() {
            Ok(ms) if PATIENCE_MS.contains(&ms) => Duration::from_millis(ms),
            _ => {
                let (least, most) = (PATIENCE_MS.start(), PATIENCE_MS.end());
                faults.push(format!(
                    "{CACHE_TIMEOUT_MS} is not a number of milliseconds from {least} to {most}"
                ));
                PATIENCE
            }
        };
        let is_cluster = CACHE_CLUSTER.is_true(variable, faults);
        let roots = variable(&CACHE_CA_FILE).and_then(|path| match std::fs::read(&path) {
            Ok(pem) => Some(pem),
            Err(error) => {
                faults.push(format!("{CACHE_CA_FILE}: {path} cannot be read: {error}"));
                None
            }
        });
        let credentials = (variable(&CACHE_USERNAME), variable(&CACHE_PASSWORD));
        match target(&url, credentials, is_cluster, roots) {
            Ok(target) => Some(Self { target, patience, prefix: CACHE_PREFIX.or_default(variable), limits }),
            Err(fault) => {
                faults.push(fault);
                None
            }
        }
    }
}

fn target(
    url: &str,
    (username, password): (Option<String>, Option<String>),
    is_cluster: bool,
    roots: Option<Vec<u8>>,
) -> Result<Target, String> {
    // The driver's errors do not repeat the URL, which may hold a password.
    let not_a_url = |error: redis::RedisError| format!("{CACHE_URL} cannot be used: {error}");
    let info = url.into_connection_info().map_err(not_a_url)?;
    if matches!(info.addr(), ConnectionAddr::TcpTls { insecure: true, .. }) {
        return Err(format!("{CACHE_URL}: certificates are always verified, #insecure is not taken"));
    }
    let mut settings =
        info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2).set_skip_set_lib_name();
    if let Some(username) = username {
        settings = settings.set_username(username);
    }
    if let Some(password) = password {
        settings = settings.set_password(password);
    }
    let is_tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    let info: ConnectionInfo = info.set_tcp_settings(tcp.clone()).set_redis_settings(settings);
    if is_tls {
        // The driver takes the process's provider. A second call changes nothing, so its refusal is none.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let certificates =
        roots.filter(|_| is_tls).map(|pem| TlsCertificates { client_tls: None, root_cert: Some(pem) });
    if is_cluster {
        let mut cluster = ClusterClientBuilder::new([info]).retries(1).tcp_settings(tcp);
        if let Some(certificates) = certificates {
            cluster = cluster.certs(certificates);
        }
        return cluster.build().map(|client| Target::Cluster(Box::new(client))).map_err(not_a_url);
    }
    let client = match certificates {
        Some(certificates) => Client::build_with_tls(info, certificates),
        None => Client::open(info),
    };
    client.map(|client| Target::Single(Box::new(client))).map_err(not_a_url)
}

impl fmt::Debug for CacheConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheConfig").field("prefix", &self.prefix).field("limits", &self.limits).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::given;

    fn read(variables: &[(&str, &str)]) -> (Option<CacheConfig>, Vec<String>) {
        let mut faults = Vec::new();
        let config = CacheConfig::read(&given(variables), &mut faults);
        (config, faults)
    }

    #[test]
    fn is_off_without_a_url() {
        let (config, faults) = read(&[("CACHE_CLUSTER", "perhaps"), ("CACHE_TTL_SECONDS", "x")]);
        assert!(config.is_none() && faults.is_empty());
    }

    #[test]
    fn takes_one_server_or_a_cluster_with_or_without_tls() {
        for url in ["redis://h", "redis://u:sesame@h:1/2", "rediss://h"] {
            for cluster in ["false", "true"] {
                let (config, faults) = read(&[("CACHE_URL", url), ("CACHE_CLUSTER", cluster)]);
                assert!(faults.is_empty() || (url.ends_with("/2") && cluster == "true"), "{url}: {faults:?}");
                assert!(!format!("{config:?} {faults:?}").contains("sesame"));
            }
        }
    }

    #[test]
    fn reports_all_faults_at_once() {
        let (_, faults) = read(&[
            ("CACHE_URL", "memcached://u:sesame@h"),
            ("CACHE_TTL_SECONDS", "-1"),
            ("STALE_IF_ERROR_SECONDS", "86401"),
            ("CACHE_TIMEOUT_MS", "0"),
            ("CACHE_CLUSTER", "yes"),
            ("CACHE_CA_FILE", "/nowhere"),
        ]);
        assert_eq!(faults.len(), 6, "{faults:?}");
        assert!(!format!("{faults:?}").contains("sesame"));
        assert_eq!(read(&[("CACHE_URL", "rediss://h/#insecure")]).1.len(), 1);
    }
}
