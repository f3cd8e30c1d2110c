//! `cargo xtask dev`: the whole API on this machine, until Ctrl-C.

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
    app::dotenv,
    http::{AllowedHeaders, AllowedOrigins},
    telemetry::terminal,
};
use tokio::signal::unix::{SignalKind, signal};

use say::say;

/// Serve the whole API on this machine: every request runs in a real Lambda binary, against a real PostgreSQL.
///
/// Uses the PostgreSQL of DATABASE_URL (also from a `.env` file), else starts one of its own.
#[derive(Parser)]
#[command(name = "cargo xtask dev", bin_name = "cargo xtask dev")]
struct Arguments {
    /// Port on 127.0.0.1
    #[arg(long, default_value_t = 9000)]
    port: u16,
    /// Who may call: `iam` wants signed requests, `cognito` tokens as `cargo xtask token` prints them, `none` takes all
    #[arg(long, default_value = "iam")]
    auth: AuthKind,
    /// JSON file of those who have keys, in the place of reader, editor and admin; README.md shows one
    #[arg(long, value_name = "FILE")]
    principals: Option<PathBuf>,
    /// Begin with an empty catalogue, without the sample
    #[arg(long)]
    empty: bool,
    /// Remove the data of earlier runs first
    #[arg(long)]
    fresh: bool,
    /// Processes of one function at once
    #[arg(long, default_value_t = 10)]
    max_environments: usize,
    /// Origin whose pages may call the API, such as http://localhost:5173; can be repeated
    #[arg(long, value_name = "URL", value_parser = origin)]
    allow_origin: Vec<String>,
    /// Header that such pages may send besides those of the API and of common clients, such as X-Store; can be repeated,
    /// and adds to those of CORS_ALLOWED_HEADERS, which are separated by commas
    #[arg(long, value_name = "NAME")]
    allow_header: Vec<String>,
    /// Host name that requests may be for besides those of this machine, such as host.docker.internal; can be repeated
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<HostName>,
    /// JSON file of addresses, API keys, throttles and quotas; README.md shows one
    #[arg(long, value_name = "FILE")]
    limits: Option<PathBuf>,
    /// Print API Gateway's access log too
    #[arg(long)]
    access_log: bool,
    /// Start a cache too, Valkey or Redis; with CACHE_URL set, that one is used instead
    #[arg(long)]
    cache: bool,
    /// Build what changes when a file is saved, and serve the next request by it
    #[arg(long)]
    watch: bool,
    /// Build the binaries as they are deployed: optimised, which takes minutes
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
    // A stack that serves goes on until the signal.
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

/// Waits for the end of a server of our own, which nobody asked for.
async fn ended(server: &mut Option<Server>) -> anyhow::Error {
    match server {
        Some(server) => server.ended().await,
        None => std::future::pending().await,
    }
}

/// As [`ended`], of a cache.
async fn cache_ended(cache: &mut Option<redis::Server>) -> anyhow::Error {
    match cache {
        Some(cache) => cache.ended().await,
        None => std::future::pending().await,
    }
}

/// Starts everything. Servers of our own are left in `server` and `cache`, whatever happens after.
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
    let mut environment = passed_on()?;
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
        // Through a gateway of its own, which asks nobody for signatures, tokens or keys.
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
        // Who listens where the X-Ray daemon does wants traces.
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

/// The gateway's authoriser.
fn auth(arguments: &Arguments) -> Result<Auth> {
    match (arguments.auth, &arguments.principals) {
        (AuthKind::None, _) => Ok(Auth::None),
        (AuthKind::Cognito, _) => Ok(Auth::Cognito(UserPool::open(&user_pool_folder())?.authoriser()?)),
        (AuthKind::Iam, None) => Ok(Auth::Iam(Iam::new(Principal::defaults()))),
        (AuthKind::Iam, Some(file)) => Ok(Auth::Iam(Iam::new(Principal::load(file)?))),
    }
}

/// The gateway's limits.
fn limits(file: Option<&Path>) -> Result<Limits> {
    let Some(file) = file else { return Ok(Limits::default()) };
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not valid", file.display()))
}

/// The owner's URL of the database: the user's own, else one in a server that this starts.
async fn database(arguments: &Arguments, server: &mut Option<Server>) -> Result<String> {
    if let Some(url) = variable("DATABASE_URL")? {
        say("PostgreSQL of DATABASE_URL");
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

/// A variable of the environment, else of the checkout's `.env` file.
fn variable(name: &str) -> Result<Option<String>> {
    if let Ok(value) = env::var(name) {
        return Ok(Some(value));
    }
    let variables = dotenv::read(&checkout().join(".env")).map_err(anyhow::Error::msg)?;
    Ok(variables.into_iter().find(|(key, _)| key == name).map(|(_, value)| value))
}

/// The headers that pages may send besides those that are always allowed.
fn allowed_headers(arguments: &[String]) -> Result<AllowedHeaders> {
    let variable = variable("CORS_ALLOWED_HEADERS")?;
    let names: Vec<_> = arguments.iter().chain(&variable).map(String::as_str).collect();
    names.join(",").parse().map_err(|fault| anyhow!("--allow-header or CORS_ALLOWED_HEADERS: {fault}"))
}

/// The variables of the functions' own configuration that are set here too. Those of the cache from the `.env` file as
/// well, like the database's: `--cache` must know of them.
fn passed_on() -> Result<Vec<(String, String)>> {
    let names = [
        "AWS_LAMBDA_LOG_LEVEL",
        "AWS_XRAY_DAEMON_ADDRESS",
        "CURSOR_KEY",
        "POWERTOOLS_LOGGER_SAMPLE_RATE",
        "POWERTOOLS_LOG_LEVEL",
        "POWERTOOLS_METRICS_NAMESPACE",
        "POWERTOOLS_SERVICE_NAME",
    ];
    let mut passed: Vec<_> =
        names.iter().filter_map(|name| Some(((*name).to_owned(), env::var(name).ok()?))).collect();
    for name in [
        "CACHE_URL",
        "CACHE_CLUSTER",
        "CACHE_USERNAME",
        "CACHE_PASSWORD",
        "CACHE_CA_FILE",
        "CACHE_PREFIX",
        "CACHE_TIMEOUT_MS",
        "CACHE_TTL_SECONDS",
        "STALE_IF_ERROR_SECONDS",
    ] {
        passed.extend(variable(name)?.map(|value| (name.to_owned(), value)));
    }
    Ok(passed)
}

/// The functions' log on this terminal, once it has begun: loading the sample is no news.
#[derive(Clone, Default)]
struct Log(Arc<AtomicBool>);

impl Log {
    fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Writes each line as a terminal shows it, or else with the name of its function. Metrics are for CloudWatch, not
    /// for reading.
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

/// A closed terminal is no reason to stop serving.
fn print(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A page's origin as the functions will read it.
fn origin(text: &str) -> Result<String, String> {
    text.parse::<AllowedOrigins>().map(|origins| origins.to_string())
}
