//! `DATABASE_URL`: host, database, login and TLS mode.
//!
//! Parameters that other tools put into connection strings are honoured or ignored where that is safe, and
//! rejected by name where it is not.

mod syntax;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio_postgres::config::{Config, Host, SslMode};

use syntax::Parameter;

/// A parsed connection string.
#[derive(Debug)]
pub struct ConnectionString {
    /// The driver's configuration. Where TLS is used, the certificate and the host name are always verified.
    pub config: Config,
    /// `sslrootcert`: a PEM file of additional trusted certificates.
    pub root_file: Option<String>,
}

/// How a parameter is used.
enum Use {
    /// Passed to the driver, perhaps under another name or with another value.
    Driver(&'static str, String),
    Tls(SslMode),
    RootFile(String),
    /// Ignored: it asks for what is the case anyway, or concerns a feature that does not exist here.
    Nothing,
}

impl ConnectionString {
    /// Parses a `postgresql://` URL or libpq's `keyword=value` pairs.
    ///
    /// # Errors
    /// Everything that is wrong, with the names of parameters but no values.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parameters = syntax::parameters(text)
            .map_err(|fault| format!("DATABASE_URL is not a PostgreSQL connection URL: {fault}"))?;
        let (mut for_driver, mut faults) = (Vec::new(), Vec::new());
        let (mut sslmode, mut ssl, mut root_file) = (None, None, None);
        for (number, parameter) in (1..).zip(&parameters).filter(|(_, parameter)| !parameter.value.is_empty())
        {
            match meaning(parameter) {
                Ok(Use::Driver(name, value)) => {
                    // The last of several with the same name wins.
                    for_driver.retain(|(known, _)| *known != name);
                    for_driver.push((name, value));
                }
                Ok(Use::Tls(mode)) if parameter.name == "sslmode" => sslmode = Some(mode),
                Ok(Use::Tls(mode)) => ssl = Some(mode),
                Ok(Use::RootFile(path)) => root_file = Some(path),
                Ok(Use::Nothing) => {}
                Err(Refusal::Known(advice)) => {
                    faults.push(format!("DATABASE_URL: the parameter `{}` {advice}", parameter.name));
                }
                Err(Refusal::Unknown) => faults.push(unknown(parameter, number)),
            }
        }
        if !faults.is_empty() {
            return Err(faults.join("; "));
        }
        let has = |name: &str| for_driver.iter().find(|(known, _)| *known == name);
        if let (None, Some((_, addresses))) = (has("host"), has("hostaddr")) {
            // Without a host name, the certificate is verified against the address.
            for_driver.push(("host", addresses.clone()));
        }
        let mut config = driver_config(&for_driver)?;
        check_hosts(&config)?;
        config.ssl_mode(tls_mode(&config, sslmode.or(ssl)));
        Ok(Self { config, root_file })
    }
}

/// The TLS mode. Unless the connection string sets it, TLS is required for every host except this machine:
/// `localhost`, 127.0.0.1, ::1 and Unix sockets. Every host of a list counts, by name and by address. Other
/// loopback addresses may be tunnels to other machines.
fn tls_mode(config: &Config, demanded: Option<SslMode>) -> SslMode {
    let is_here = |address: &IpAddr| *address == Ipv4Addr::LOCALHOST || *address == Ipv6Addr::LOCALHOST;
    let is_local = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|address| is_here(&address))
        }
    };
    let hosts = config.get_hosts();
    // PostgreSQL does not support TLS on Unix sockets.
    if config.get_hostaddrs().is_empty() && hosts.iter().all(|host| matches!(host, Host::Unix(_))) {
        return SslMode::Disable;
    }
    let all_local = hosts.iter().all(is_local) && config.get_hostaddrs().iter().all(is_here);
    demanded.unwrap_or(if all_local { SslMode::Disable } else { SslMode::Require })
}

/// Checks what the driver would only report when connecting.
fn check_hosts(config: &Config) -> Result<(), String> {
    let (hosts, addresses) = (config.get_hosts().len(), config.get_hostaddrs().len());
    if hosts == 0 {
        return Err("DATABASE_URL names no host".to_owned());
    }
    if addresses != 0 && addresses != hosts {
        return Err(format!("DATABASE_URL: `host` names {hosts} hosts, but `hostaddr` {addresses}"));
    }
    let ports = config.get_ports().len();
    if ports > 1 && ports != hosts {
        return Err(format!("DATABASE_URL names {hosts} hosts, but {ports} ports"));
    }
    Ok(())
}

/// The driver's configuration, by the driver's own parser, which validates the values.
fn driver_config(parameters: &[(&str, String)]) -> Result<Config, String> {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('\'', "\\'");
    let pairs: Vec<_> =
        parameters.iter().map(|(name, value)| format!("{name}='{}'", escaped(value))).collect();
    pairs.join(" ").parse().map_err(|error: tokio_postgres::Error| {
        // The driver's errors carry the detail in their source. Some sources quote text that may be a
        // password.
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let cause = cause.filter(|cause| cause.starts_with("invalid value for option"));
        format!(
            "DATABASE_URL is not a PostgreSQL connection URL{}",
            cause.map_or_else(String::new, |cause| format!(": {cause}"))
        )
    })
}

/// Why a parameter is rejected.
enum Refusal {
    /// A known parameter, with advice.
    Known(&'static str),
    Unknown,
}

/// The use of a parameter. The names are those of libpq, Prisma, JDBC, node-postgres, pgx and other tools
/// that people copy connection strings from.
fn meaning(parameter: &Parameter) -> Result<Use, Refusal> {
    let value = parameter.value.as_str();
    let driver = |name| Ok(Use::Driver(name, value.to_owned()));
    let refused = |advice| Err(Refusal::Known(advice));
    match parameter.name.as_str() {
        "user" => driver("user"),
        "password" => driver("password"),
        "dbname" => driver("dbname"),
        "host" => driver("host"),
        "hostaddr" => driver("hostaddr"),
        "port" => driver("port"),
        "options" => driver("options"),
        "application_name" | "ApplicationName" => driver("application_name"),
        "connect_timeout" => driver("connect_timeout"),
        "tcp_user_timeout" => driver("tcp_user_timeout"),
        "keepalives" => driver("keepalives"),
        "keepalives_idle" => driver("keepalives_idle"),
        "keepalives_interval" => driver("keepalives_interval"),
        "keepalives_count" | "keepalives_retries" => driver("keepalives_retries"),
        "load_balance_hosts" => driver("load_balance_hosts"),
        "sslnegotiation" => driver("sslnegotiation"),
        "channel_binding" => driver("channel_binding"),
        "target_session_attrs" => match value {
            "primary" => Ok(Use::Driver("target_session_attrs", "read-write".to_owned())),
            "standby" => Ok(Use::Driver("target_session_attrs", "read-only".to_owned())),
            _ => driver("target_session_attrs"),
        },

        "sslmode" => match value {
            "disable" => Ok(Use::Tls(SslMode::Disable)),
            "allow" | "prefer" => Ok(Use::Tls(SslMode::Prefer)),
            "require" | "verify-ca" | "verify-full" => Ok(Use::Tls(SslMode::Require)),
            _ => refused("must be disable, allow, prefer, require, verify-ca or verify-full"),
        },
        "ssl" | "requiressl" => match value {
            "true" | "1" | "on" | "yes" => Ok(Use::Tls(SslMode::Require)),
            "false" | "0" | "off" | "no" => Ok(Use::Tls(SslMode::Disable)),
            _ => refused("must be true or false: certificates are always verified"),
        },
        // The public authorities are always trusted.
        "sslrootcert" if value == "system" => Ok(Use::Nothing),
        "sslrootcert" => Ok(Use::RootFile(value.to_owned())),
        "sslaccept" if value == "strict" => Ok(Use::Nothing),
        "sslaccept" => {
            refused("can only be strict: name the authority's file in `sslrootcert` or DB_CA_FILE")
        }
        "sslcert" | "sslkey" | "sslidentity" | "sslpassword" | "sslcertmode" => {
            refused("is not supported: instead of a client certificate, use a password or DB_AUTH=iam")
        }
        "sslcrl" | "sslcrldir" => refused("is not supported: remove it, revocation lists are not read"),
        "ssl_min_protocol_version" if matches!(value, "TLSv1" | "TLSv1.1" | "TLSv1.2") => Ok(Use::Nothing),
        "ssl_max_protocol_version" if value == "TLSv1.3" => Ok(Use::Nothing),
        "ssl_min_protocol_version" | "ssl_max_protocol_version" => {
            refused("is not supported: remove it, TLS 1.2 and 1.3 are used")
        }
        "sslsni" if value == "1" => Ok(Use::Nothing),
        "sslsni" => refused("can only be 1: the server's name is always sent"),

        // The tables are in this schema, which is in every role's search path.
        "schema" | "currentSchema" | "search_path" if value == "public" => Ok(Use::Nothing),
        "schema" | "currentSchema" | "search_path" => {
            refused("can only be public: for another schema, use `alter role ... set search_path`")
        }
        "client_encoding" | "encoding" | "charset"
            if ["utf8", "utf-8", "unicode", "auto"].iter().any(|name| name.eq_ignore_ascii_case(value)) =>
        {
            Ok(Use::Nothing)
        }
        "client_encoding" | "encoding" | "charset" => refused("can only be UTF8"),
        "gssencmode" if value != "require" => Ok(Use::Nothing),
        "gssencmode" | "krbsrvname" | "gsslib" | "gssdelegation" | "require_auth" => {
            refused("is not supported: remove it, use a password or an IAM token")
        }
        "service" | "servicefile" | "passfile" => {
            refused("is not supported: write host, user and password into the URL")
        }
        "replication" => refused("is not supported: remove it"),

        // Settings of poolers and prepared statements do not apply: there is one connection, and statements
        // are unnamed. Deadlines come from the invocation.
        "pgbouncer"
        | "connection_limit"
        | "pool_timeout"
        | "pool"
        | "pool_size"
        | "pool_mode"
        | "max_pool_size"
        | "pool_max_conns"
        | "pool_min_conns"
        | "conn_max_age"
        | "single_use_connections"
        | "statement_cache_size"
        | "statement_cache_capacity"
        | "prepared_statements"
        | "prepareThreshold"
        | "preparedStatementCacheQueries"
        | "default_query_exec_mode"
        | "binary_parameters"
        | "socket_timeout"
        | "fallback_application_name"
        | "sslcompression"
        | "supa" => Ok(Use::Nothing),

        _ => Err(Refusal::Unknown),
    }
}

/// The error for an unknown parameter, whose name may be part of the password.
fn unknown(parameter: &Parameter, number: usize) -> String {
    let is_name = parameter.name.len() <= 63
        && parameter.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if parameter.is_presentable && is_name {
        return format!(
            "DATABASE_URL: the parameter `{}` is unknown: remove it; set session settings on the role",
            parameter.name
        );
    }
    format!(
        "DATABASE_URL: parameter {number} is unknown: encode the special characters of the password, such as %26 for &"
    )
}
