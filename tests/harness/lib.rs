//! The harness of the black-box tests: one PostgreSQL for all tests, and for each test its own database, function
//! processes and gateway.

mod aws;
mod catalogue;
mod client;
pub mod clients;
mod fake_server;
mod log_book;
pub mod misbehave;
mod proxy;
mod secrets;
mod telemetry;
mod tls;
mod traffic;
mod tunnel;

use std::{
    fs::OpenOptions,
    io::Write,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    pin::pin,
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use local::{
    gateway,
    lambda::{Functions, LogLine},
    postgres::{self, DataFolder, Server},
    redis,
    stack::{self, DatabaseAccess, Stack, StackOptions, programs},
};
use shared::{Operation, Role};
use tokio::{
    runtime::{Builder, Runtime},
    sync::OnceCell,
};
use tokio_postgres::{Client as Connection, NoTls};

pub use aws::Aws;
pub use catalogue::{DROP_CHECKS, artisan_path, encoded, id, product_path, texts};
pub use client::{Client, Response};
pub use fake_server::{FakeServer, SSL_REQUEST};
pub use log_book::LogBook;
pub use proxy::Proxy;
pub use secrets::{SecretsManager, provided_by_test};
pub use telemetry::{XrayDaemon, cloudwatch, schema_faults};
pub use tls::{Authority, Certificate};
pub use traffic::{Logins, Traffic};
pub use tunnel::Tunnel;

/// The database that is migrated once; the tests' databases are copies of it.
const TEMPLATE: &str = "migrated";

/// One runtime for all tests, since what they share must outlive each of them.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime"));

static SERVER: OnceCell<Server> = OnceCell::const_new();

/// Prints what is installed or started to the test's output.
const SAY: tools::Say<'static> = &|line| eprintln!("· {line}");

/// The settings of a test's API.
#[derive(Default)]
pub struct Setup {
    /// The gateway's settings.
    pub gateway: gateway::Options,
    /// Whether there is a proxy between the functions and PostgreSQL.
    pub is_proxied: bool,
    /// The maximum number of concurrent processes per function; 10 by default.
    pub max_environments: Option<usize>,
    /// Environment variables for every function.
    pub environment: Vec<(String, String)>,
    /// A separate PostgreSQL server with these settings, which the test can halt, resume and read the log of.
    pub own_server: Option<Vec<(String, String)>>,
    /// A separate cache server with these additional arguments. The functions use it unless `environment` sets another
    /// one.
    pub cache: Option<Vec<String>>,
    /// Computes the variables by which functions reach the database, instead of `DATABASE_URL`.
    pub database_access: Option<DatabaseAccess>,
    /// Programs to run instead of those that were built with the tests.
    pub programs: Option<Programs>,
}

/// Operations, and the folder of their programs.
pub struct Programs {
    /// The operations to serve.
    pub operations: Vec<&'static Operation>,
    /// The folder with a program named after each operation.
    pub folder: PathBuf,
}

/// A running API with its own database.
pub struct Service {
    stack: Stack,
    client: Client,
    database: String,
    server_url: String,
    server: Option<tokio::sync::Mutex<Server>>,
    proxy: Option<Proxy>,
    cache: Option<tokio::sync::Mutex<redis::Server>>,
    log: LogBook,
}

/// Whether to run the long variants of the tests: `cargo xtask test --large`.
pub fn is_large() -> bool {
    std::env::var_os("TEST_LARGE").is_some()
}

/// Records that a test skips `what` on this machine, and why. `cargo xtask test` repeats it at the end of the run, and
/// fails in CI.
///
/// # Panics
/// When it cannot be recorded.
pub fn leave_out(what: &str, why: &anyhow::Error) {
    let line = format!("{what}: {why:#}");
    eprintln!("· left out: {line}");
    if let Some(file) = std::env::var_os("TEST_LEFT_OUT") {
        let mut file =
            OpenOptions::new().append(true).create(true).open(file).expect("the list of what is left out");
        writeln!(file, "{line}").expect("a line in it");
    }
}

/// Copies the files of the checkout that `generate` reads to `root`.
///
/// # Errors
/// When one cannot be read or written.
pub fn copy_what_generate_reads(root: &Path) -> std::io::Result<()> {
    let of_operations = api::OPERATIONS.iter().flat_map(|operation| {
        ["Cargo.toml", "requests.http"].map(|file| format!("functions/{}/{file}", operation.name))
    });
    for file in ["Cargo.toml", "docs/configuration.md", "template.yaml"]
        .map(ToOwned::to_owned)
        .into_iter()
        .chain(of_operations)
    {
        let copy = root.join(&file);
        std::fs::create_dir_all(copy.parent().unwrap_or(root))?;
        std::fs::copy(local::stack::checkout().join(file), copy)?;
    }
    Ok(())
}

/// Runs `test` with its own API and an empty catalogue.
pub fn service(test: impl AsyncFnOnce(&Service)) {
    service_with(Setup::default(), test);
}

/// The same as [`service`], with the settings in `setup`.
pub fn service_with(setup: Setup, test: impl AsyncFnOnce(&Service)) {
    RUNTIME.block_on(async {
        let service = Service::start(setup).await.expect("the API starts");
        let result = catch_unwind(test(&service)).await;
        if result.is_err() {
            eprintln!("--- log of the functions\n{}", service.log().join("\n"));
        }
        service.stop().await.expect("the API stops");
        if let Err(panic) = result {
            panic::resume_unwind(panic);
        }
    });
}

/// Runs `test` with the URL of a new, empty database that has not been migrated.
pub fn empty_database(test: impl AsyncFnOnce(&str)) {
    RUNTIME.block_on(async {
        let server = shared_server().await.expect("PostgreSQL starts");
        let name = next_name();
        postgres::create_database(&server.url("postgres"), &name, None).await.expect("a database");
        let result = catch_unwind(test(&server.url(&name))).await;
        postgres::drop_database(&server.url("postgres"), &name).await.expect("the database goes");
        if let Err(panic) = result {
            panic::resume_unwind(panic);
        }
    });
}

/// Runs a `test` that needs no API.
pub fn block_on<T>(test: impl Future<Output = T>) -> T {
    RUNTIME.block_on(test)
}

async fn catch_unwind(work: impl Future<Output = ()>) -> std::thread::Result<()> {
    let mut work = pin!(work);
    std::future::poll_fn(|context| {
        match panic::catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => std::task::Poll::Ready(Err(panic)),
        }
    })
    .await
}

async fn start_server(settings: Vec<(String, String)>) -> anyhow::Result<Server> {
    let programs = postgres::Programs::In(tools::chosen_postgres(SAY)?);
    let options = postgres::Options { data: DataFolder::Temporary, settings, programs };
    let server = Server::start(options, SAY).await?;
    postgres::create_database(&server.url("postgres"), TEMPLATE, None).await?;
    migrate::migrate(&server.url(TEMPLATE)).await?;
    Ok(server)
}

async fn shared_server() -> anyhow::Result<&'static Server> {
    SERVER.get_or_try_init(|| start_server(Vec::new())).await
}

/// Starts a cache server, which ends when it is dropped.
///
/// # Errors
/// When no server is available, or it does not respond.
pub async fn start_cache(arguments: Vec<String>) -> anyhow::Result<redis::Server> {
    let programs = redis::Programs::At(tools::valkey(&tools::folder(), SAY)?);
    redis::Server::start(redis::Options { arguments, programs }, SAY).await
}

fn next_name() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Service {
    async fn start(setup: Setup) -> anyhow::Result<Self> {
        let server = match setup.own_server {
            Some(settings) => Some(start_server(settings).await?),
            None => None,
        };
        let running = match &server {
            Some(server) => server,
            None => shared_server().await?,
        };
        let (server_url, database) = (running.url("postgres"), next_name());
        postgres::create_database(&server_url, &database, Some(TEMPLATE)).await?;

        let mut database_url = running.url(&database);
        let proxy = if setup.is_proxied { Some(Proxy::start(running.port()).await?) } else { None };
        if let Some(proxy) = &proxy {
            let port = |port: u16| format!(":{port}/");
            database_url = database_url.replace(&port(running.port()), &port(proxy.port()));
        }

        let cache = match setup.cache {
            Some(arguments) => Some(start_cache(arguments).await?),
            None => None,
        };
        let mut environment = setup.environment;
        if let Some(cache) = &cache
            && !environment.iter().any(|(name, _)| name == "CACHE_URL")
        {
            environment.push(("CACHE_URL".to_owned(), cache.url()));
        }

        // Only a URL has a password to derive a key from.
        if setup.database_access.is_some() && !environment.iter().any(|(name, _)| name == "CURSOR_KEY") {
            environment.push(("CURSOR_KEY".to_owned(), "sesame".to_owned()));
        }

        let log = LogBook::default();
        let Programs { operations, folder } = match setup.programs {
            Some(programs) => programs,
            None => Programs {
                operations: api::OPERATIONS.iter().copied().chain([&misbehave::OPERATION]).collect(),
                folder: programs()?,
            },
        };
        let stack = Stack::start(StackOptions {
            operations,
            database_url,
            gateway: setup.gateway,
            programs: folder,
            max_environments: setup.max_environments.unwrap_or(10),
            environment,
            database_access: setup.database_access,
            log: log.sink(),
        })
        .await?;
        let client = Client::new(stack.url());
        Ok(Self {
            stack,
            client,
            database,
            server_url,
            server: server.map(tokio::sync::Mutex::new),
            proxy,
            cache: cache.map(tokio::sync::Mutex::new),
            log,
        })
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.stack.stop().await;
        match self.server {
            Some(server) => server.into_inner().stop().await,
            None => postgres::drop_database(&self.server_url, &self.database).await,
        }
    }

    /// The API's client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The functions and their processes.
    pub fn functions(&self) -> &Functions {
        self.stack.functions()
    }

    /// Every line that the functions have written so far.
    pub fn log(&self) -> Vec<String> {
        self.lines().into_iter().map(|line| line.text).collect()
    }

    /// The same lines, with their function and process.
    pub fn lines(&self) -> Vec<LogLine> {
        self.log.lines()
    }

    /// The access log lines of all requests so far.
    pub fn requests(&self) -> Vec<serde_json::Value> {
        self.log.requests()
    }

    /// Waits for a log line that contains `text`.
    ///
    /// # Panics
    /// As [`LogBook::logged`].
    pub async fn logged(&self, text: &str) {
        self.log.logged(text).await;
    }

    /// The test's own PostgreSQL server.
    ///
    /// # Panics
    /// When the setup has none.
    pub fn server(&self) -> &tokio::sync::Mutex<Server> {
        self.server.as_ref().expect("a setup with its own server")
    }

    /// The test's own cache.
    ///
    /// # Panics
    /// When the setup has none.
    pub fn cache(&self) -> &tokio::sync::Mutex<redis::Server> {
        self.cache.as_ref().expect("a setup with a cache")
    }

    /// The proxy to PostgreSQL.
    ///
    /// # Panics
    /// When the setup has none.
    pub fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("a setup with a proxy")
    }

    /// The name of the test's database.
    pub fn database_name(&self) -> &str {
        &self.database
    }

    /// The owner's connection URL of the test's database.
    ///
    /// # Panics
    /// When the server's URL is not a URL.
    pub fn database_url(&self) -> String {
        postgres::with_database(&self.server_url, &self.database).expect("a URL")
    }

    /// Connects to the test's database as its owner.
    pub async fn database(&self) -> Connection {
        let url = self.database_url();
        let (connection, work) = tokio_postgres::connect(&url, NoTls).await.expect("a connection");
        tokio::spawn(work);
        connection
    }

    /// Connects to the test's database with the login of functions with `role`.
    ///
    /// # Panics
    /// When the role has no database.
    pub async fn database_as(&self, role: Role) -> Connection {
        let logins = stack::Logins::create(&self.database_url()).await.expect("the logins");
        let url = logins.url(role).expect("a URL").expect("a role with a database");
        let (connection, work) = tokio_postgres::connect(&url, NoTls).await.expect("a connection");
        tokio::spawn(work);
        connection
    }

    /// The number of products.
    pub async fn count_products(&self) -> i64 {
        self.database().await.query_one("select count(*) from products", &[]).await.expect("a count").get(0)
    }
}
