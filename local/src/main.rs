//! `cargo xtask dev`: runs the whole API on this machine until Ctrl-C.

mod say;
mod tour;
mod watch;

use std::{
    env, fs,
    io::{IsTerminal, Write},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context, Result, anyhow};
use clap::{Parser, ValueEnum};
use local::{
    gateway::{
        self, AccessSink, Auth, HostName, Limits,
        cognito::UserPool,
        iam::{Iam, Principal},
    },
    lambda::LogSink,
    postgres::{self, DataFolder, Server},
    redis, sample,
    stack::{Stack, StackOptions, checkout, programs, user_pool_folder, write_watch_environment},
};
use project::NAME;
use shared::{
    app::{CURSOR_KEY, dotenv},
    cache,
    http::{AllowedHeaders, AllowedOrigins},
    telemetry::{self, terminal},
};
use tokio::signal::unix::{SignalKind, signal};

use say::say;

/// Serve the whole API on this machine: every request runs in a real Lambda binary, against a real PostgreSQL.
///
/// Uses the PostgreSQL at DATABASE_URL (also read from a `.env` file), or else starts its own.
#[derive(Parser)]
#[command(name = "cargo xtask dev", bin_name = "cargo xtask dev")]
struct Arguments {
    /// Port on 127.0.0.1
    #[arg(long, default_value_t = 9000)]
    port: u16,
    /// Who may call: `iam` requires signed requests, `cognito` a token from `cargo xtask token`, `none` accepts
    /// everyone
    #[arg(long, default_value = "iam")]
    auth: AuthKind,
    /// JSON file of the principals and their keys, instead of reader, editor and admin; docs/local-gateway.md shows one
    #[arg(long, value_name = "FILE")]
    principals: Option<PathBuf>,
    /// Start with an empty catalogue, without the sample
    #[arg(long)]
    empty: bool,
    /// Remove the data of earlier runs first
    #[arg(long)]
    fresh: bool,
    /// Maximum number of concurrent processes per function
    #[arg(long, default_value_t = 10)]
    max_environments: usize,
    /// Origin whose pages may call the API, such as http://localhost:5173; repeatable
    #[arg(long, value_name = "URL", value_parser = origin)]
    allow_origin: Vec<String>,
    /// Header that such pages may send in addition to those of the API and of common clients, such as X-Store;
    /// repeatable, and added to the comma-separated list in CORS_ALLOWED_HEADERS
    #[arg(long, value_name = "NAME")]
    allow_header: Vec<String>,
    /// Host name to accept in addition to those of this machine, such as host.docker.internal; repeatable
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<HostName>,
    /// JSON file of addresses, API keys, throttles and quotas; docs/local-gateway.md shows one
    #[arg(long, value_name = "FILE")]
    limits: Option<PathBuf>,
    /// Also print API Gateway's access log
    #[arg(long)]
    access_log: bool,
    /// Also start a cache, Valkey or Redis; if CACHE_URL is set, that one is used instead
    #[arg(long)]
    cache: bool,
    /// Rebuild when a file is saved, and serve the next request with the new build
    #[arg(long)]
    watch: bool,
    /// Build the binaries as for deployment: optimised, which takes minutes
    #[arg(long)]
    release: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum AuthKind {
    Iam,
    Cognito,
    None,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let (mut server, mut cache) = (None, None);
    let result = tokio::select! {
        result = serve(&arguments, &mut server, &mut cache) => result,
        _ = interrupt.recv() => Ok(None),
        _ = terminate.recv() => Ok(None),
    };
    // Serve until a signal arrives or a server ends.
    let result = match result {
        Ok(Some(stack)) => {
            let watching = async {
                match arguments.watch {
                    true => watch::watch(stack.functions()).await,
                    false => std::future::pending().await,
                }
            };
            let result = tokio::select! {
                result = watching => result,
                error = ended(&mut server) => Err(error),
                error = cache_ended(&mut cache) => Err(error),
                _ = interrupt.recv() => Ok(()),
                _ = terminate.recv() => Ok(()),
            };
            say("stopping");
            stack.stop().await;
            result
        }
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    if let Some(server) = server {
        server.stop().await?;
    }
    result
}

/// Waits until a server that this program started ends unexpectedly; never returns if there is none.
async fn ended(server: &mut Option<Server>) -> anyhow::Error {
    match server {
        Some(server) => server.ended().await,
        None => std::future::pending().await,
    }
}

/// The same as [`ended`], for the cache.
async fn cache_ended(cache: &mut Option<redis::Server>) -> anyhow::Error {
    match cache {
        Some(cache) => cache.ended().await,
        None => std::future::pending().await,
    }
}

/// Starts everything. The servers that it starts are stored in `server` and `cache` even if a later step fails.
async fn serve(
    arguments: &Arguments,
    server: &mut Option<Server>,
    cache: &mut Option<redis::Server>,
) -> Result<Option<Stack>> {
    let auth = auth(arguments)?;
    let database_url = database(arguments, server).await?;
    match migrate::migrate(&database_url).await?.as_slice() {
        [] => say("the schema is up to date"),
        applied => say(&format!("migrated: {}", applied.join(", "))),
    }
    let mut environment = forwarded_variables()?;
    if arguments.cache && !environment.iter().any(|(name, _)| name == "CACHE_URL") {
        let options = redis::Options { arguments: Vec::new(), programs: redis::Programs::Machine };
        let cache = cache.insert(redis::Server::start(options, &say).await?);
        say(&format!("cache on {}", cache.url()));
        environment.push(("CACHE_URL".to_owned(), cache.url()));
    }
    let log = Log::default();
    let stack = |gateway| {
        anyhow::Ok(Stack::start(StackOptions {
            operations: api::OPERATIONS.to_vec(),
            database_url: database_url.clone(),
            gateway,
            programs: programs()?,
            max_environments: arguments.max_environments,
            environment: environment.clone(),
            database_access: None,
            log: log.sink(),
        }))
    };
    if !arguments.empty && is_empty(&database_url).await? {
        // Through a separate gateway that requires no signatures, tokens or keys.
        let unguarded = stack(gateway::Options::default())?.await?;
        let loaded = sample::load(&unguarded.url()).await;
        unguarded.stop().await;
        say(&format!("loaded a sample of {} products", loaded?));
    }
    let gateway = gateway::Options {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port)),
        allowed_hosts: arguments.allow_host.clone(),
        allowed_origins: arguments.allow_origin.join(",").parse().map_err(anyhow::Error::msg)?,
        allowed_headers: allowed_headers(&arguments.allow_header)?,
        auth: auth.clone(),
        limits: limits(arguments.limits.as_deref())?,
        // With the address of an X-Ray daemon configured, every request is traced.
        is_traced: env::var_os("AWS_XRAY_DAEMON_ADDRESS").is_some(),
        access_log: arguments.access_log.then(|| -> AccessSink { Arc::new(|line| print(&line.to_json())) }),
        ..gateway::Options::default()
    };
    let serving = stack(gateway)?.await;
    let stack = serving.with_context(|| format!("cannot serve on 127.0.0.1:{}", arguments.port))?;
    write_watch_environment(&checkout().join(".local/env"), &database_url).await?;
    tour::print(&stack.url(), &auth);
    log.begin();
    Ok(Some(stack))
}

/// The authoriser that the options select.
fn auth(arguments: &Arguments) -> Result<Auth> {
    match (arguments.auth, &arguments.principals) {
        (AuthKind::None, _) => Ok(Auth::None),
        (AuthKind::Cognito, _) => Ok(Auth::Cognito(UserPool::open(&user_pool_folder())?.authoriser()?)),
        (AuthKind::Iam, None) => Ok(Auth::Iam(Iam::new(Principal::defaults()))),
        (AuthKind::Iam, Some(file)) => Ok(Auth::Iam(Iam::new(Principal::load(file)?))),
    }
}

/// The limits in `file`, or none.
fn limits(file: Option<&Path>) -> Result<Limits> {
    let Some(file) = file else { return Ok(Limits::default()) };
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not valid", file.display()))
}

/// The connection URL of the database's owner: `DATABASE_URL`, or else a database in a server that this function
/// starts.
async fn database(arguments: &Arguments, server: &mut Option<Server>) -> Result<String> {
    if let Some(url) = variable("DATABASE_URL")? {
        say("using the PostgreSQL at DATABASE_URL");
        return Ok(url);
    }
    let data = checkout().join(".local/postgres");
    if arguments.fresh {
        postgres::remove_data(&data, &say).await?;
    }
    let options = postgres::Options {
        data: DataFolder::Kept(data),
        settings: Vec::new(),
        programs: postgres::Programs::Machine,
    };
    let server = server.insert(Server::start(options, &say).await?);
    let url = server.url(NAME);
    if !exists(&server.url("postgres"), NAME).await? {
        postgres::create_database(&server.url("postgres"), NAME, None).await?;
    }
    Ok(url)
}

async fn exists(server_url: &str, database: &str) -> Result<bool> {
    let client = postgres::connect(server_url).await?;
    let rows = client.query("select from pg_database where datname = $1", &[&database]).await?;
    Ok(!rows.is_empty())
}

async fn is_empty(database_url: &str) -> Result<bool> {
    let client = postgres::connect(database_url).await?;
    Ok(client.query("select from products limit 1", &[]).await?.is_empty())
}

/// A variable from the environment, or else from the checkout's `.env` file.
fn variable(name: &str) -> Result<Option<String>> {
    if let Ok(value) = env::var(name) {
        return Ok(Some(value));
    }
    let variables = dotenv::read(&checkout().join(".env")).map_err(anyhow::Error::msg)?;
    Ok(variables.into_iter().find(|(key, _)| key == name).map(|(_, value)| value))
}

/// The headers that pages may send in addition to those that are always allowed.
fn allowed_headers(arguments: &[String]) -> Result<AllowedHeaders> {
    let variable = variable("CORS_ALLOWED_HEADERS")?;
    let names: Vec<_> = arguments.iter().chain(&variable).map(String::as_str).collect();
    names.join(",").parse().map_err(|fault| anyhow!("--allow-header or CORS_ALLOWED_HEADERS: {fault}"))
}

/// The functions' settings that are set in this process's environment. The cache's are also read from the `.env` file,
/// like the database's, because `--cache` depends on whether they are set.
fn forwarded_variables() -> Result<Vec<(String, String)>> {
    let mut forwarded: Vec<_> = telemetry::VARIABLES
        .iter()
        .chain([&CURSOR_KEY])
        .filter_map(|it| Some((it.name().to_owned(), env::var(it.name()).ok()?)))
        .collect();
    for it in cache::VARIABLES {
        forwarded.extend(variable(it.name())?.map(|value| (it.name().to_owned(), value)));
    }
    Ok(forwarded)
}

/// Prints the functions' log to this terminal once `begin` has been called; loading the sample is not logged.
#[derive(Clone, Default)]
struct Log(Arc<AtomicBool>);

impl Log {
    fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Prints each line in its terminal form, or else verbatim after the function's name. Leaves out metrics, which are
    /// meant for CloudWatch.
    fn sink(&self) -> LogSink {
        let has_begun = Arc::clone(&self.0);
        let is_terminal = std::io::stdout().is_terminal();
        Arc::new(move |line| {
            if !has_begun.load(Ordering::Relaxed) || line.text.starts_with("{\"_aws\"") {
                return;
            }
            let shown = if is_terminal { terminal::line(&line.text) } else { None };
            print(&shown.unwrap_or_else(|| format!("{} | {}", line.function, line.text)));
        })
    }
}

/// Prints a line, and ignores errors: a closed terminal must not stop the server.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// Validates an origin the way the functions do.
fn origin(text: &str) -> Result<String, String> {
    text.parse::<AllowedOrigins>().map(|origins| origins.to_string())
}
