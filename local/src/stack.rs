//! The whole API on this machine: a migrated database, its logins, every function in the register, and a gateway.

use std::{
    env,
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use postgres_protocol::password::scram_sha_256;
use sha2::{Digest, Sha256};
use shared::{Operation, Role};
pub use tools::checkout;
use url::Url;

use crate::{
    gateway::{self, Gateway, Route},
    lambda::{Function, Functions, LogSink},
    postgres,
};

/// The timeout of every function, shorter than the gateway's.
const FUNCTION_TIMEOUT: Duration = Duration::from_secs(10);

/// The memory size that the functions see, in MiB.
const MEMORY_MB: u32 = 256;

/// The settings of a stack.
pub struct StackOptions {
    /// The operations to serve, usually the whole register.
    pub operations: Vec<&'static Operation>,
    /// The owner's connection URL of the migrated database. The functions connect with the logins of their roles.
    pub database_url: String,
    /// The gateway's settings.
    pub gateway: gateway::Options,
    /// The folder that contains the functions' binaries.
    pub programs: PathBuf,
    /// The maximum number of concurrent processes per function.
    pub max_environments: usize,
    /// Additional environment variables for every function.
    pub environment: Vec<(String, String)>,
    /// Computes the variables by which a function reaches the database. By default `DATABASE_URL` of the function's
    /// role.
    pub database_access: Option<DatabaseAccess>,
    /// Receives every line that the functions write.
    pub log: LogSink,
}

/// Returns the variables for a role, given the role's connection URL.
pub type DatabaseAccess = Box<dyn Fn(Role, &str) -> Vec<(String, String)>>;

/// A running API.
pub struct Stack {
    functions: Functions,
    gateway: Gateway,
}

impl Stack {
    /// Starts the gateway. A function's first process starts with its first request.
    ///
    /// # Errors
    /// When a binary is missing, the database refuses the logins, or the address is taken.
    pub async fn start(options: StackOptions) -> Result<Self> {
        let StackOptions {
            operations,
            database_url,
            gateway,
            programs,
            max_environments,
            environment,
            database_access,
            log,
        } = options;
        let mut environment = environment;
        if !gateway.allowed_origins.is_empty() {
            environment.push(("CORS_ALLOWED_ORIGINS".to_owned(), gateway.allowed_origins.to_string()));
        }
        let logins = Logins::create(&database_url).await?;
        let mut functions = Vec::new();
        let mut routes = Vec::new();
        for operation in operations {
            let program = programs.join(operation.name);
            ensure!(
                program.is_file(),
                "{} is missing: `cargo build --workspace --bins` builds it",
                program.display()
            );
            let mut environment = environment.clone();
            if let Some(url) = logins.url(operation.role)? {
                match &database_access {
                    Some(access) => environment.extend(access(operation.role, &url)),
                    None => environment.push(("DATABASE_URL".to_owned(), url)),
                }
            }
            functions.push(Function {
                name: operation.name.to_owned(),
                program,
                arguments: Vec::new(),
                environment,
                timeout: FUNCTION_TIMEOUT,
                memory_mb: MEMORY_MB,
                max_environments,
            });
            routes.extend(operation.all_routes().map(|route| Route {
                method: route.method,
                path: route.path.to_owned(),
                function: operation.name.to_owned(),
                is_open: route.is_open,
            }));
        }
        let functions = Functions::new(functions, log);
        let gateway = Gateway::start(gateway, routes, functions.clone()).await?;
        Ok(Self { functions, gateway })
    }

    /// The base URL, without a trailing slash.
    pub fn url(&self) -> String {
        self.gateway.url()
    }

    /// The functions and their processes.
    pub fn functions(&self) -> &Functions {
        &self.functions
    }

    /// Closes every connection, ends every process, and returns when they are gone.
    pub async fn stop(self) {
        self.gateway.stop().await;
        self.functions.shutdown().await;
    }
}

/// The logins that the functions connect with, one for each role.
pub struct Logins {
    database_url: String,
    password: String,
}

impl Logins {
    /// Creates the logins on the server of `database_url`, whose database must be migrated. Existing logins stay
    /// unchanged unless the owner's password has changed, from which their password is derived.
    ///
    /// # Errors
    /// When the owner may not create roles.
    pub async fn create(database_url: &str) -> Result<Self> {
        let owner = Url::parse(database_url).context("DATABASE_URL is not a URL")?;
        let secret = format!("logins of {}:{}", owner.username(), owner.password().unwrap_or_default());
        let password = Sha256::digest(secret).iter().map(|byte| format!("{byte:02x}")).collect();
        let logins = Self { database_url: database_url.to_owned(), password };

        let client = postgres::connect(database_url).await?;
        // Sent instead of the password, so that the password appears neither on the wire nor in the server's log.
        let verifier = scram_sha_256(logins.password.as_bytes());
        for (login, group) in [(READER, "catalog_reader"), (WRITER, "catalog_writer")] {
            // Roles belong to the whole server: another stack may be creating the same one concurrently.
            let statements = format!(
                "do $$ begin
                   create role {login} login password '{verifier}' in role {group};
                   alter role {login} set statement_timeout = '{timeout_ms}';
                 exception when duplicate_object or unique_violation then
                   begin
                     alter role {login} password '{verifier}';
                   exception when internal_error then
                     null; -- 'tuple concurrently updated': another stack has set the same password
                   end;
                 end $$",
                timeout_ms = FUNCTION_TIMEOUT.as_millis(),
            );
            client
                .batch_execute(&statements)
                .await
                .with_context(|| format!("cannot create the login {login}"))?;
        }
        Ok(logins)
    }

    /// The connection URL for `role`; `None` for operations without a database.
    ///
    /// # Errors
    /// When the owner's URL has no place for a user and password.
    pub fn url(&self, role: Role) -> Result<Option<String>> {
        let login = match role {
            Role::Reader => READER,
            Role::Writer => WRITER,
            Role::None => return Ok(None),
        };
        postgres::with_user(&self.database_url, login, &self.password).map(Some)
    }
}

/// Writes the variables that `cargo lambda watch --env-file` needs to `file`, readable by its owner only. All functions
/// get the same variables, so the file has the writer's login, which may also read everything.
///
/// # Errors
/// When the owner may not create roles, or the file cannot be written.
pub async fn write_watch_environment(file: &Path, database_url: &str) -> Result<()> {
    let Some(url) = Logins::create(database_url).await?.url(Role::Writer)? else { return Ok(()) };
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file);
    open.and_then(|mut file| write!(file, "DATABASE_URL={url}\nAWS_EC2_METADATA_DISABLED=true\n"))
        .with_context(|| format!("cannot write {}", file.display()))
}

const READER: &str = concat!(project::name!(), "_local_reader");
const WRITER: &str = concat!(project::name!(), "_local_writer");

/// The folder of the binaries that were built together with the running program: the program's own folder, or for a
/// test, which cargo puts into `deps`, the parent of that.
///
/// # Errors
/// When the running program has no path.
pub fn programs() -> Result<PathBuf> {
    let program = env::current_exe()?;
    let folder = program.parent().context("the running program has no folder")?;
    let is_test = folder.file_name().is_some_and(|name| name == "deps");
    Ok(folder.parent().filter(|_| is_test).unwrap_or(folder).to_owned())
}

/// The folder of this machine's user pool.
pub fn user_pool_folder() -> PathBuf {
    checkout().join(".local/user-pool")
}
