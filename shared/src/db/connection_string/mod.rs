//! `DATABASE_URL`: where the database is, who we are there, and whether TLS protects the way.
//!
//! The parameters that other tools put into connection strings are taken where they can be honoured or mean nothing
//! here, and refused by name where they cannot.

mod syntax;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio_postgres::config::{Config, Host, SslMode};

use syntax::Parameter;

/// What a connection string says.
#[derive(Debug)]
pub struct ConnectionString {
    /// For the driver. Where TLS is used, certificate and name are always verified.
    pub config: Config,
    /// `sslrootcert`: a file of certificates in PEM that are trusted, too.
    pub root_file: Option<String>,
}

/// What becomes of a parameter.
enum Use {
    /// The driver gets it, perhaps by another name or with another value.
    Driver(&'static str, String),
    Tls(SslMode),
    RootFile(String),
    /// It says what is true anyway, or speaks of what there is not here.
    Nothing,
}

impl ConnectionString {
    /// Reads a `postgresql://` URL, or libpq's `keyword=value` pairs.
    ///
    /// # Errors
    /// What is wrong, with the names of parameters and without any value.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parameters = syntax::parameters(text)
            .map_err(|fault| format!("DATABASE_URL is not a PostgreSQL connection URL: {fault}"))?;
        let (mut for_driver, mut faults) = (Vec::new(), Vec::new());
        let (mut sslmode, mut ssl, mut root_file) = (None, None, None);
        for (number, parameter) in (1..).zip(&parameters).filter(|(_, parameter)| !parameter.value.is_empty())
        {
            match meaning(parameter) {
                Ok(Use::Driver(name, value)) => {
                    // Of several with one name, the last counts.
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
            // The certificate of a server without a name has to be for its address.
            for_driver.push(("host", addresses.clone()));
        }
        let mut config = driver_config(&for_driver)?;
        check_hosts(&config)?;
        config.ssl_mode(tls_mode(&config, sslmode.or(ssl)));
        Ok(Self { config, root_file })
    }
}

/// Whether TLS is used. Where the connection string does not say, TLS is demanded of every host but this machine: that
/// is `localhost`, 127.0.0.1, ::1 and sockets. Every host of a list counts, by name and by address; other addresses of
/// the loopback network may be the ends of tunnels to other machines.
fn tls_mode(config: &Config, demanded: Option<SslMode>) -> SslMode {
    let is_here = |address: &IpAddr| *address == Ipv4Addr::LOCALHOST || *address == Ipv6Addr::LOCALHOST;
    let is_local = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|address| is_here(&address))
        }
    };
    let hosts = config.get_hosts();
    // PostgreSQL speaks no TLS on sockets.
    if config.get_hostaddrs().is_empty() && hosts.iter().all(|host| matches!(host, Host::Unix(_))) {
        return SslMode::Disable;
    }
    let all_local = hosts.iter().all(is_local) && config.get_hostaddrs().iter().all(is_here);
    demanded.unwrap_or(if all_local { SslMode::Disable } else { SslMode::Require })
}

/// What the driver would only find out when it connects.
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

/// The driver's configuration: its own parser knows which values it can use.
fn driver_config(parameters: &[(&str, String)]) -> Result<Config, String> {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('\'', "\\'");
    let pairs: Vec<_> =
        parameters.iter().map(|(name, value)| format!("{name}='{}'", escaped(value))).collect();
    pairs.join(" ").parse().map_err(|error: tokio_postgres::Error| {
        // The driver's errors keep what they mean in their source. Of those, some quote what may be a password.
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let cause = cause.filter(|cause| cause.starts_with("invalid value for option"));
        format!(
            "DATABASE_URL is not a PostgreSQL connection URL{}",
            cause.map_or_else(String::new, |cause| format!(": {cause}"))
        )
    })
}

/// Why a parameter is not taken.
enum Refusal {
    /// What to do about it.
    Known(&'static str),
    Unknown,
}

/// What a parameter asks for. The names are those of libpq, and of Prisma, JDBC, node-postgres, pgx and others where
/// people copy connection strings from.
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
        // The public authorities, which are always trusted.
        "sslrootcert" if value == "system" => Ok(Use::Nothing),
        "sslrootcert" => Ok(Use::RootFile(value.to_owned())),
        "sslaccept" if value == "strict" => Ok(Use::Nothing),
        "sslaccept" => {
            refused("can only be strict: name the authority's file in `sslrootcert` or DB_CA_FILE")
        }
        "sslcert" | "sslkey" | "sslidentity" | "sslpassword" | "sslcertmode" => {
            refused("is not supported: there are no client certificates here, use a password or DB_AUTH=iam")
        }
        "sslcrl" | "sslcrldir" => refused("is not supported: leave it out, no revocation lists are read"),
        "ssl_min_protocol_version" if matches!(value, "TLSv1" | "TLSv1.1" | "TLSv1.2") => Ok(Use::Nothing),
        "ssl_max_protocol_version" if value == "TLSv1.3" => Ok(Use::Nothing),
        "ssl_min_protocol_version" | "ssl_max_protocol_version" => {
            refused("is not supported: leave it out, TLS 1.2 and 1.3 are spoken")
        }
        "sslsni" if value == "1" => Ok(Use::Nothing),
        "sslsni" => refused("can only be 1: the server's name is always sent"),

        // The tables are in this schema, which every role has in its search path.
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
            refused("is not supported: leave it out, passwords and IAM tokens are what there is")
        }
        "service" | "servicefile" | "passfile" => {
            refused("is not supported: write host, user and password into the URL")
        }
        "replication" => refused("is not supported: leave it out"),

        // Of poolers and prepared statements: there is one connection, and statements have no names. Deadlines come
        // from the invocation.
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

/// What is said of a parameter that nobody knows, whose name may be a piece of the password.
fn unknown(parameter: &Parameter, number: usize) -> String {
    let is_name = parameter.name.len() <= 63
        && parameter.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if parameter.is_presentable && is_name {
        return format!(
            "DATABASE_URL: the parameter `{}` is not known: leave it out; settings of the session belong to the role",
            parameter.name
        );
    }
    format!(
        "DATABASE_URL: parameter {number} is not known: encode the special characters of the password, such as %26 for &"
    )
}
