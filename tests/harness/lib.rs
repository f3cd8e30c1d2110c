//! What the black-box tests stand on: one PostgreSQL for all of them, and for each test a database, function
//! processes and a gateway of its own.

mod aws;
mod catalogue;
mod client;
pub mod clients;
mod front;
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
pub use front::{Front, SSL_REQUEST};
pub use log_book::LogBook;
pub use proxy::Proxy;
pub use secrets::{SecretsManager, ask_the_test};
pub use telemetry::{XrayDaemon, cloudwatch, schema_faults};
pub use tls::{Authority, Certificate};
pub use traffic::{Logins, Traffic};
pub use tunnel::Tunnel;

/// Database that has been migrated once; those of the tests are copies of it.
const TEMPLATE: &str = "migrated";

/// One runtime for all tests: what they share must outlive each of them.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime"));

static SERVER: OnceCell<Server> = OnceCell::const_new();

/// What is installed or started, for whoever reads a test's output.
const SAY: tools::Say<'static> = &|line| eprintln!("· {line}");

/// How a test wants its API.
#[derive(Default)]
pub struct Setup {
    /// How the gateway runs.
    pub gateway: gateway::Options,
    /// A proxy between the functions and PostgreSQL.
    pub is_proxied: bool,
    /// How many processes of one function run at once; 10 unless said otherwise.
    pub max_environments: Option<usize>,
    /// Variables of every function.
    pub environment: Vec<(String, String)>,
    /// A PostgreSQL of its own with these settings, to be halted, resumed and listened to.
    pub own_server: Option<Vec<(String, String)>>,
    /// A cache of its own, started with these further arguments. Without variables that say otherwise the functions
    /// use it.
    pub cache: Option<Vec<String>>,
    /// The variables by which functions reach the database, in place of `DATABASE_URL`.
    pub database_access: Option<DatabaseAccess>,
    /// Other programs than those that were built with the tests.
    pub programs: Option<Programs>,
}

/// Some operations, and the folder of their programs.
pub struct Programs {
    /// What is served.
    pub operations: Vec<&'static Operation>,
    /// Where there is a program of each operation's name.
    pub folder: PathBuf,
}

/// An API with a database of its own.
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

/// Whether the long variants of the tests are wanted: `cargo xtask test --large`.
pub fn is_large() -> bool {
    std::env::var_os("TEST_LARGE").is_some()
}

/// Says that a test leaves out `what` on this machine, and why. `cargo xtask test` repeats it at the end of the run,
/// and fails in CI.
///
/// # Panics
/// When it cannot be noted.
pub fn leave_out(what: &str, why: &anyhow::Error) {
    let line = format!("{what}: {why:#}");
    eprintln!("· left out: {line}");
    if let Some(file) = std::env::var_os("TEST_LEFT_OUT") {
        let mut file =
            OpenOptions::new().append(true).create(true).open(file).expect("the list of what is left out");
        writeln!(file, "{line}").expect("a line in it");
    }
}

/// Copies to `root` the files of the checkout that `generate` reads.
///
/// # Errors
/// When one cannot be read or written.
pub fn copy_what_generate_reads(root: &Path) -> std::io::Result<()> {
    let of_operations = api::OPERATIONS.iter().flat_map(|operation| {
        ["Cargo.toml", "requests.http"].map(|file| format!("functions/{}/{file}", operation.name))
    });
    for file in ["Cargo.toml", "template.yaml"].map(ToOwned::to_owned).into_iter().chain(of_operations) {
        let copy = root.join(&file);
        std::fs::create_dir_all(copy.parent().unwrap_or(root))?;
        std::fs::copy(local::stack::checkout().join(file), copy)?;
    }
    Ok(())
}

/// Runs `test` against an API of its own, on an empty catalogue.
pub fn service(test: impl AsyncFnOnce(&Service)) {
    service_with(Setup::default(), test);
}

/// Like [`service`], as `setup` says.
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

/// Runs `test`, which needs no API.
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

/// A cache server, which ends when it is dropped.
///
/// # Errors
/// When there is none, or it does not answer.
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

        // Only a URL has the password that a key can be derived from.
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

    /// The same, with the function and the process that wrote it.
    pub fn lines(&self) -> Vec<LogLine> {
        self.log.lines()
    }

    /// The access lines of requests so far.
    pub fn requests(&self) -> Vec<serde_json::Value> {
        self.log.requests()
    }

    /// Waits for a line that contains `text`, which a function writes before it answers.
    ///
    /// # Panics
    /// As [`LogBook::logged`].
    pub async fn logged(&self, text: &str) {
        self.log.logged(text).await;
    }

    /// The test's own PostgreSQL server.
    ///
    /// # Panics
    /// When the test did not ask for one.
    pub fn server(&self) -> &tokio::sync::Mutex<Server> {
        self.server.as_ref().expect("a test that asked for its own server")
    }

    /// The test's own cache.
    ///
    /// # Panics
    /// When the test did not ask for one.
    pub fn cache(&self) -> &tokio::sync::Mutex<redis::Server> {
        self.cache.as_ref().expect("a test that asked for a cache")
    }

    /// The proxy to PostgreSQL.
    ///
    /// # Panics
    /// When the test did not ask for one.
    pub fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("a test that asked for a proxy")
    }

    /// Name of the test's database.
    pub fn database_name(&self) -> &str {
        &self.database
    }

    /// The connection URL of the test's database, as its owner.
    ///
    /// # Panics
    /// When the server's URL is not a URL.
    pub fn database_url(&self) -> String {
        postgres::with_database(&self.server_url, &self.database).expect("a URL")
    }

    /// A connection to the test's database, as its owner.
    pub async fn database(&self) -> Connection {
        let url = self.database_url();
        let (connection, work) = tokio_postgres::connect(&url, NoTls).await.expect("a connection");
        tokio::spawn(work);
        connection
    }

    /// A connection to the test's database with the login of the functions of `role`.
    ///
    /// # Panics
    /// When that role has no database.
    pub async fn database_as(&self, role: Role) -> Connection {
        let logins = stack::Logins::create(&self.database_url()).await.expect("the logins");
        let url = logins.url(role).expect("a URL").expect("a role with a database");
        let (connection, work) = tokio_postgres::connect(&url, NoTls).await.expect("a connection");
        tokio::spawn(work);
        connection
    }

    /// How many products there are.
    pub async fn count_products(&self) -> i64 {
        self.database().await.query_one("select count(*) from products", &[]).await.expect("a count").get(0)
    }
}
